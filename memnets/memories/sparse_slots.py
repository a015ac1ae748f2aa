"""The slots of a sparse memory: as tensors that each step makes anew, or in place with what it takes to go back.

In place, nothing of N slots is kept for the way back: a step keeps the rows that it read and the places that it wrote.
The gradient of the memory is held for those slots alone that were touched. Slots that no head has come to yet are all
alike, and are taken in order, so that the search can stop behind the last that was touched: it is exact all the same.
"""

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .. import ops


def find_unused(used: Tensor, slots: int) -> Tensor:
    """Which of the first ``slots`` no head has come to, ``(B, slots)``, of how many were used, ``(B,)``."""
    return torch.arange(slots, device=used.device) >= used.unsqueeze(1)


def never_accessed(last_access: Tensor, unused: Tensor) -> Tensor:
    """``last_access`` with the unused slots below 0, so that they are taken in order, ``(B, N)``."""
    return torch.where(unused, torch.arange(-unused.shape[1], 0, device=unused.device), last_access)


class Slots:
    """Slots as tensors, in plain PyTorch: the truth.

    Args:
        memory: ``(B, N, M)``.
        last_access: ``(B, N)``, the step at which each slot was last read or written.
    """

    def __init__(self, memory: Tensor, last_access: Tensor):
        self.memory, self.last_access = memory, last_access

    @classmethod
    def of(cls, memory: Tensor, last_access: Tensor, used: Tensor) -> Self:
        """Those of a state, of which the first ``used``, ``(B,)``, hold something."""
        unused = find_unused(used, memory.shape[1])
        return cls(memory.masked_fill(unused.unsqueeze(-1), 0), never_accessed(last_access, unused))

    def least_recent(self, count: int) -> Tensor:
        """Slots ``(B, count)`` that were accessed the longest ago."""
        return ops.least_recent(self.last_access, count)

    def write(self, cleared: Tensor, index: Tensor, weights: Tensor, values: Tensor) -> Self:
        """Clear and add; see :func:`memnets.ops.sparse_write`."""
        return type(self)(ops.sparse_write(self.memory, cleared, index, weights, values), self.last_access)

    def most_similar(self, key: Tensor, count: int) -> Tensor:
        """Slots ``(B, H, count)`` for each key."""
        return ops.most_similar(self.memory, key, count)

    def rows(self, index: Tensor) -> Tensor:
        """What slots hold, ``(B, H, K, M)``."""
        return ops.take_rows(self.memory, index)

    def access(self, time: Tensor, index: Tensor, weights: Tensor) -> Self:
        """Take note of an access; see :func:`memnets.ops.update_access`."""
        return type(self)(self.memory, ops.update_access(self.last_access, time, index, weights))


class SlotsInPlace:
    """The slots of a sequence while it is run, changed in place; of a batch whose first sequences may run on alone.

    Args:
        run: what the steps share.
        batch: how many sequences there still are.
    """

    def __init__(self, run: "Run", batch: int):
        self.run, self.batch = run, batch

    def first(self, batch: int) -> "SlotsInPlace":
        """The same for the first sequences alone."""
        return SlotsInPlace(self.run, batch)

    def least_recent(self, count: int) -> Tensor:
        """Slots that were accessed the longest ago, untouched ones in order before all others."""
        seen = self.run.last_access[: self.batch, : self.run.within(count)]
        return ops.least_recent(seen, count)

    def write(self, cleared: Tensor, index: Tensor, weights: Tensor, values: Tensor) -> Self:
        """Clear and add, in place."""
        self.run.token = _Write.apply(self.run.token, self.run, cleared, index, weights, values)
        return self

    def most_similar(self, key: Tensor, count: int) -> Tensor:
        """Slots for each key, by exact search among those that were touched and the next ones."""
        return ops.most_similar(self.run.memory[: self.batch, : self.run.within(count)], key.detach(), count)

    def rows(self, index: Tensor) -> Tensor:
        """What slots hold."""
        rows, self.run.token = _Rows.apply(self.run.token, self.run, index)  # pyright: ignore[reportGeneralTypeIssues]
        return rows

    def access(self, time: Tensor, index: Tensor, weights: Tensor) -> Self:
        """Take note of an access, in place."""
        seen = self.run.last_access[: self.batch, : self.run.touched]
        seen.copy_(ops.update_access(seen, time, index, weights))
        return self


class Run:
    """One sequence's memory, and on the way back its gradient.

    The operators of a run hang on one another by a token, so that the way back takes them in the opposite order.

    Args:
        memory: before the first step, ``(B, N, M)``; is copied, and zero past the slots that were used.
        last_access: ``(B, N)``; is copied.
        used: slots that may have been touched before, from the first on, ``(B,)``.
    """

    def __init__(self, memory: Tensor, last_access: Tensor, used: Tensor):
        self.touched = int(used.max())
        """Slots that any sequence has come to, from the first on."""
        self.unused = find_unused(used, memory.shape[1])
        held = memory.detach()[:, : self.touched]
        self.memory = _zeros(memory)
        self.memory[:, : self.touched] = held.masked_fill(self.unused[:, : self.touched].unsqueeze(-1), 0)
        self.last_access = never_accessed(last_access, self.unused)
        self.flat: list[Tensor] = []  # every place that was read or written, as places of the batch's slots in a row
        self.table: Tensor | None = None
        self.task, self._gradient = -1, torch.empty(0)
        self.last_task, self.last_gradient = -1, torch.empty(0)  # of the memory after the last step
        self.token = _Begin.apply(memory, torch.zeros((), requires_grad=torch.is_grad_enabled()), self)

    def within(self, count: int) -> int:
        """Slots to look through for ``count`` of them: the touched ones and as many more."""
        return min(self.touched + count, self.memory.shape[1])

    def finish(self) -> Tensor:
        """The memory after the last step."""
        memory = _End.apply(self.token, self)
        self.token = self.token.detach()  # the graph holds the run, which must not hold the graph: neither would end
        return memory  # pyright: ignore[reportReturnType]

    def note(self, index: Tensor) -> Tensor:
        """Take note of slots ``(B, ...)``; their places among those of the whole batch, ``(n,)``."""
        self.touched = max(self.touched, int(index.max()) + 1)
        offset = torch.arange(len(index), device=index.device) * self.memory.shape[1]
        flat = (index.flatten(1) + offset.unsqueeze(1)).flatten()
        if self.token.requires_grad:
            self.flat.append(flat)
        return flat

    @property
    def rows(self) -> Tensor:
        """The slots of the whole batch in a row, ``(B N, M)``."""
        return self.memory.flatten(0, 1)

    def gradient(self) -> Tensor:
        """Of the slots of ``table``, in this way back; zero at its start."""
        task = torch._C._current_graph_task_id()
        if task != self.task or self.table is None:
            if self.table is None:
                self.table = torch.cat(self.flat).unique() if self.flat else torch.empty(0, dtype=torch.long)
            self.task = task
            self._gradient = self.memory.new_zeros(len(self.table), self.memory.shape[-1])
        return self._gradient

    def places(self, flat: Tensor) -> Tensor:
        """Where slots stand in the gradient."""
        assert self.table is not None
        return torch.searchsorted(self.table, flat)


def _zeros(like: Tensor) -> Tensor:
    """Zeros of that shape; on a CPU their pages are not there before they are written to, as torch's are."""
    if like.device.type != "cpu" or like.dtype not in (torch.float32, torch.float64):
        return torch.zeros(like.shape, dtype=like.dtype, device=like.device)
    return torch.from_numpy(
        np.zeros(tuple(like.shape), dtype=np.float32 if like.dtype == torch.float32 else np.float64)
    )


class _Begin(torch.autograd.Function):
    """From the memory before the first step to the first token."""

    @staticmethod
    def forward(ctx: Any, memory: Tensor, anchor: Tensor, run: Run) -> Tensor:
        ctx.run = run
        return anchor.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_token: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        if not ctx.needs_input_grad[0]:
            return None, d_token, None
        run: Run = ctx.run
        gradient = run.gradient()
        d_memory = run.last_gradient.clone() if run.last_task == run.task else torch.zeros_like(run.memory)
        if run.table is not None:
            d_memory.flatten(0, 1)[run.table] = gradient
        return d_memory.masked_fill(run.unused.unsqueeze(-1), 0), d_token, None


class _Rows(torch.autograd.Function):
    """Some slots' contents; their gradient is added to the memory's."""

    @staticmethod
    def forward(ctx: Any, token: Tensor, run: Run, index: Tensor) -> tuple[Tensor, Tensor]:
        flat = run.note(index)
        ctx.run = run
        ctx.save_for_backward(flat)
        return run.rows[flat].view(*index.shape, -1), token.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_rows: Tensor, d_token: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        run: Run = ctx.run
        gradient = run.gradient()
        gradient.index_add_(0, run.places(ctx.saved_tensors[0]), d_rows.reshape(-1, gradient.shape[1]))
        return d_token, None, None


class _Write(torch.autograd.Function):
    """Some slots cleared, then added to; what they held before has no part in any gradient."""

    @staticmethod
    def forward(
        ctx: Any, token: Tensor, run: Run, cleared: Tensor, index: Tensor, weights: Tensor, values: Tensor
    ) -> Tensor:
        clear, written = run.note(cleared), run.note(index)
        rows = run.rows
        rows[clear] = 0
        rows.index_add_(0, written, (weights.unsqueeze(-1) * values.unsqueeze(2)).flatten(0, 2))
        ctx.run = run
        ctx.save_for_backward(clear, written, weights, values)
        return token.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_token: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        run: Run = ctx.run
        clear, written, weights, values = ctx.saved_tensors
        gradient = run.gradient()
        d_added = gradient[run.places(written)].view(*weights.shape, -1)  # (B, H, K, M)
        d_weights = torch.matmul(d_added, values.unsqueeze(-1)).squeeze(-1)
        d_values = torch.matmul(weights.unsqueeze(-2), d_added).squeeze(-2)
        gradient[run.places(clear)] = 0
        return d_token, None, None, None, d_weights, d_values


class _End(torch.autograd.Function):
    """From the last token to the memory after the last step."""

    @staticmethod
    def forward(ctx: Any, token: Tensor, run: Run) -> Tensor:
        ctx.run = run
        return run.memory.view_as(run.memory)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_memory: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        run: Run = ctx.run
        gradient = run.gradient()
        if run.table is not None:
            gradient += d_memory.flatten(0, 1)[run.table]
        run.last_gradient, run.last_task = d_memory, run.task
        return d_memory.new_zeros(()), None
