"""What training asks of a model."""

import abc
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from .adopting import Adopted, adopt_matching
from .checks import first_parameter
from .task import Task


class TrainingOutputs(NamedTuple):
    """What a model makes of a training batch.

    Attributes:
        outputs: what the task's loss is computed of.
        auxiliary_loss: a scalar of the model's own that is added to the loss, such as a ponder cost; or None.
        numbers: scalars to report beside the loss.
        predictions: what :meth:`Model.predict` would give, where the outputs are that already, without a gradient;
            None where predicting takes a run of its own.
        state: after the last step, of a model that can go on from it; None of others.
    """

    outputs: Any
    auxiliary_loss: Tensor | None = None
    numbers: Mapping[str, Tensor] = {}
    predictions: Any = None
    state: Any = None


class Model(nn.Module, abc.ABC):
    """A network that can be trained on a task.

    What a model gives at training may be something else than what it predicts: a decoder is fed the right symbols
    while it learns, and its own when it is scored.

    Attributes:
        carries_state: whether ``training_outputs`` takes a second argument, the state that it gave for the piece of a
            sequence before (None for the first), and the model has ``initial_state(batch_size)``. Training on a
            :class:`memnets_tasks.StreamTask` then carries it over.
    """

    carries_state: bool = False

    @abc.abstractmethod
    def training_outputs(self, batch: Any) -> TrainingOutputs:
        """What the task's loss of ``batch`` is computed of."""

    @abc.abstractmethod
    def predict(self, batch: Any) -> Any:
        """What the task's scores and errors of ``batch`` are computed of."""

    def check_task(self, task: Task) -> None:
        """Raise ValueError where the model's sizes or symbols are not those of ``task``; nothing by default."""

    def figures(self, batch: Any, predictions: Any) -> dict[str, Any]:
        """Figures of what the model made of a batch of one, by file name; those of every model are drawn without it.

        Args:
            batch: of one, on the CPU.
            predictions: what :meth:`predict` gave.
        """
        del batch, predictions
        return {}

    def adopt_state(self, weights: Mapping[str, Any], config: Mapping[str, Any]) -> Adopted:
        """Start from the weights of another training (``memnets fit --init_from``); the tensors that fit, by default.

        A model that can make more of them, such as a reader whose characters are others now, overrides this.

        Args:
            weights: the ``state_dict`` of the other model, on the CPU. It may be changed.
            config: the other's ``class_path`` and ``init_args``, as its run's ``config.yaml`` has them; empty where
                that is not known.
        """
        del config
        return adopt_matching(self, weights)

    def backend_report(self) -> dict[str, str]:
        """How the model is computed, by backend: ``"chosen: ..."`` for the one that runs."""
        return {"torch": "chosen: plain PyTorch"}


def check_sizes(module: nn.Module, task: Task) -> None:
    """Raise ValueError unless a module over sequences has the sizes of ``task``, and the batch first.

    A module of another library need not say its sizes.
    """
    kind = type(task).__name__
    if getattr(module, "batch_first", True) is False:
        raise ValueError("the model has batch_first=False, but tasks have the batch first: leave it at True")
    if task.input_size is None and not isinstance(task.vocabulary, int):
        raise ValueError(
            f"{type(module).__name__} takes sequences, but {kind} has none: readers go with tasks of lines, captioners "
            "with tasks of scenes"
        )
    tokens = task.vocabulary if task.input_size is None else None
    for name, wanted in (
        ("input_size", task.input_size),
        ("output_size", task.output_size),
        ("vocabulary", tokens),
    ):
        got = getattr(module, name, wanted)
        if got != wanted and (wanted is not None or name == "vocabulary"):
            raise ValueError(f"the model's {name} is {got}, but {kind} needs {wanted}")


def as_parameters(module: nn.Module, inputs: Tensor) -> Tensor:
    """Numbers in the precision of the module's parameters; tokens as they are."""
    parameter = first_parameter(module)
    return inputs if parameter is None or not inputs.is_floating_point() else inputs.to(parameter.dtype)
