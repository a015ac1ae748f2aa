"""Weights of another training as a start: what fits is taken, what does not is named."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from .saved_files import is_of_kind


class Adopted(NamedTuple):
    """What a model took over of another's weights, by the names of tensors.

    Attributes:
        taken: those that it has now from the other.
        new: its own that the other has not, or has in another shape: as they were before.
        left_out: the other's for which it has no use.
        notes: what else is to be said, such as characters that are new; each a clause.
    """

    taken: Sequence[str]
    new: Sequence[str] = ()
    left_out: Sequence[str] = ()
    notes: Sequence[str] = ()

    def describe(self) -> str:
        """One line: ``12 tensors taken; new: output.weight; left out: embedding.weight``."""
        clauses = [f"{len(self.taken)} tensor{'s' * (len(self.taken) != 1)} taken"]
        clauses += [f"{kind}: {', '.join(names)}" for kind, names in
                    (("new", self.new), ("left out", self.left_out)) if names]  # fmt: skip
        return "; ".join([*clauses, *self.notes])


def adopt_matching(module: nn.Module, weights: Mapping[str, Any]) -> Adopted:
    """Load those of ``weights`` that have the name and the shape of one of the module's own.

    Args:
        module: it keeps the rest of its weights, and its precision.
        weights: a ``state_dict``.
    """
    own = module.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and _fits(value, own[name])}
    module.load_state_dict(fitting, strict=False)
    return Adopted(
        taken=list(fitting),
        new=[_named(name, own) for name in own if name not in fitting],
        left_out=[_named(name, weights) for name in weights if name not in fitting],
    )


def _fits(value: Any, own: Any) -> bool:
    return _shape(value) == _shape(own) and is_of_kind(value, own)


def _shape(value: Any) -> Any:
    return tuple(value.shape) if isinstance(value, Tensor) else type(value)


def _named(name: str, weights: Mapping[str, Any]) -> str:
    return f"{name} {_shape(weights[name])}" if isinstance(weights[name], Tensor) else name
