"""The state that a model carries from one batch of a stream to the next: truncated backpropagation through time."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..base.model import Model
from ..base.state import detach_state, map_state, state_tensors
from ..base.task import StreamTask, Task


class CarriedState:
    """What a model knows of what came before the next batch, cut from the graph; nothing, where nothing is carried.

    It is carried where the task is a :class:`memnets_tasks.StreamTask` and the model says that it can. A state that no
    longer fits, as of another batch size, is let go, and one with NaN or Inf as well: the model then starts afresh.

    Args:
        model: whose state it is.
        task: what it reads.
    """

    def __init__(self, model: nn.Module, task: Task):
        self.model: Any = model
        self.is_carried = isinstance(task, StreamTask) and isinstance(model, Model) and model.carries_state
        self._state: Any = None
        self._saved: list[Tensor] = []

    @torch.no_grad()
    def before(self, batch: Any) -> Any:
        """The state before ``batch``; None where nothing is carried."""
        if not self.is_carried:
            return None
        fresh = self.model.initial_state(len(batch))
        kept = self._saved or ([] if self._state is None else [*state_tensors(self._state)])
        self._saved = []
        return _like(fresh, kept) if _fits(fresh, kept) else fresh

    def keep(self, state: Any) -> None:
        """Carry on ``state``, that after a batch."""
        self._state = detach_state(state) if self.is_carried else None

    def forget(self) -> None:
        """Start afresh at the next batch."""
        self._state, self._saved = None, []

    def state_dict(self) -> list[Tensor]:
        """The tensors of the state, in order: files hold no classes of states."""
        return self._saved or ([] if self._state is None else [*state_tensors(self._state)])

    def load_state_dict(self, tensors: Sequence[Tensor]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self._state, self._saved = None, list(tensors)


def _fits(fresh: Any, tensors: Sequence[Tensor]) -> bool:
    """Whether these can be the tensors of a state such as ``fresh``, and are sound."""
    wanted = [*state_tensors(fresh)]
    same = len(wanted) == len(tensors) and all(a.shape == b.shape for a, b in zip(wanted, tensors))
    return same and all(bool(tensor.isfinite().all()) for tensor in tensors)


def _like(fresh: Any, tensors: Sequence[Tensor]) -> Any:
    """A state such as ``fresh`` of other tensors."""
    given = iter(tensors)
    return map_state(lambda tensor: next(given).to(tensor.device, tensor.dtype), fresh)
