"""Any cell over time, used like ``torch.nn.LSTM``."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self, TypedDict

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .. import kernels
from ..base.checks import check_length_tensor, check_state, check_whole
from ..base.module import SequenceModule
from ..base.segments import run_between
from ..base.state import dense_state, detach_state, index_state, map_state, repeat_state, stack_states
from ..base.state_types import register_state
from ..base.transforms import exporting
from ..memories.base import Memory, resize
from . import in_place
from .directions import BidirectionalState, reverse, reverse_resets
from .scanned import has_open_steps, masked, run_scanned

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


class RecurrentOptions(TypedDict, total=False):
    """The arguments of :class:`Recurrent` beside the cell, for models that pass them on."""

    output_size: int | None
    vocabulary: int | None
    batch_first: bool
    backend: str
    truncated_bptt_steps: int | None
    checkpoint_every: int | None
    check_finite: bool
    bidirectional: bool
    device: torch.device | str | None
    dtype: torch.dtype | None


class Recurrent(SequenceModule):
    """A cell applied step by step, with lengths, carried state and truncated backpropagation through time.

    Args:
        cell: a module with ``input_size``, ``output_size``, ``initial_state(batch_size, device=None)`` and
            ``forward(x (B, I), state) -> (output (B, F), state)``, such as :class:`memnets.MemoryCell`. Sequences
            start alike: the initial state of one is taken for each, and "fused" makes one that parameters, buffers and
            chance have no part in only once. It may have ``auxiliary_loss(state)``. With
            ``bidirectional`` a function that makes one, as there are two.
        output_size: O; outputs are projected to this size, or the cell's own outputs if None.
        vocabulary: number of tokens; inputs are then whole numbers (B, T) below it, each embedded in the cell's
            ``input_size`` numbers. None for inputs of numbers.
        batch_first: inputs and outputs are (B, T, .) if True, (T, B, .) if False. States are batch first always.
        backend: "auto", "reference", "compiled" or "fused"; see :meth:`backend_report`.
        truncated_bptt_steps: cut the gradient each time this many steps have passed, or None for never.
        checkpoint_every: trade time for memory on long sequences: keep the state each time this many steps have
            passed and nothing between, and run those steps again on the way back. With ``resets`` these count from
            each step at which any sequence of the batch starts afresh: where that is more often than every so many
            steps, "reference" keeps all of them, and "fused" the state of each such step.
        check_finite: refuse inputs with NaN or Inf (costs a pass over the inputs).
        bidirectional: a second cell goes over each sequence from its last step to its first; outputs are those of both,
            side by side, and the state is a :class:`BidirectionalState`.
        device: where the weights are, the CPU if None.
        dtype: their precision, torch's default if None.

    Raises:
        ValueError: a size below 1, or an unknown backend.
        TypeError: ``bidirectional`` with one cell alone.
    """

    makes_own_state = True

    def __init__(
        self,
        cell: nn.Module | Callable[[], nn.Module],
        *,
        output_size: int | None = None,
        vocabulary: int | None = None,
        batch_first: bool = True,
        backend: str = "auto",
        truncated_bptt_steps: int | None = None,
        checkpoint_every: int | None = None,
        check_finite: bool = False,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        if bidirectional and isinstance(cell, nn.Module):
            raise TypeError(
                f"bidirectional needs two cells, but got one {type(cell).__name__}: give a function that makes one, "
                f"such as lambda: {type(cell).__name__}(...)"
            )
        made: Any = cell if isinstance(cell, nn.Module) else cell()
        super().__init__(
            made.input_size,
            made.output_size * (2 if bidirectional else 1),
            output_size=output_size,
            vocabulary=vocabulary,
            batch_first=batch_first,
            check_finite=check_finite,
        )
        kernels.check_name(backend)
        self.cell: Any = made
        self.backend = backend
        self.truncated_bptt_steps = truncated_bptt_steps
        self.checkpoint_every = checkpoint_every
        self.bidirectional = bidirectional
        make: Any = cell
        self.backward_cell: Any = make() if bidirectional else None
        register_state(self.make_state(1, device=torch.device("meta")))
        self.place(device, dtype)
        self._check_settings()

    def _check_settings(self) -> None:
        for name in ("truncated_bptt_steps", "checkpoint_every"):
            if (value := getattr(self, name)) is not None:
                check_whole(name, value)

    @property
    def growing(self) -> bool:
        """Whether a memory's state changes shape from step to step."""
        return any(isinstance(part, Memory) and part.growing for part in self.cell.modules())

    def make_state(self, batch_size: int, *, device: torch.device | None = None) -> Any:
        """The cell's state before the first step, that of one sequence for each; of two directions both."""
        state = repeat_state(self.cell.initial_state(1, device=device), batch_size)
        if self.backward_cell is None:
            return state
        return BidirectionalState(state, repeat_state(self.backward_cell.initial_state(1, device=device), batch_size))

    def check_state(self, state: Any, batch_size: int, device: torch.device) -> None:
        """Raise ValueError or TypeError unless ``state`` is one of this module's for ``batch_size`` sequences."""
        expected = self.make_state(batch_size, device=torch.device("meta"))
        check_state(state, expected, device, growing=self.growing)

    def read_lengths(self, lengths: Tensor | Sequence[int], inputs: Tensor) -> Any:
        """As a list; as a tensor where a graph of ``torch.compile`` must serve any lengths."""
        if not isinstance(lengths, Tensor) or not torch.compiler.is_compiling() or exporting():
            return super().read_lengths(lengths, inputs)
        if kernels.choose(self.cell, self._kernel, self.backend, inputs)[0] == "fused":
            return check_length_tensor(lengths, inputs.shape[0])
        return super().read_lengths(lengths, inputs)

    def run(self, inputs: Tensor, state: Any, lengths: Any) -> tuple[Tensor, Any]:
        """The cell over ``inputs (B, T, I)``; of two directions both, side by side."""
        if self.backward_cell is None:
            return self._run_cell(self.cell, inputs, state, lengths)
        first, second = (None, None) if state is None else state
        outputs, after = self._run_cell(self.cell, inputs, first, lengths)
        other, before = self._run_cell(self.backward_cell, reverse(inputs, lengths), second, lengths)
        return torch.cat([outputs, reverse(other, lengths)], dim=-1), BidirectionalState(after, before)

    def run_with_resets(self, resets: Tensor, inputs: Tensor, state: Any, counts: Any) -> tuple[Tensor, Any]:
        """The same where sequences start afresh; what came before a start does not see what comes after it either."""
        if self.backward_cell is None:
            return super().run_with_resets(resets, inputs, state, counts)

        def go(cell: Any, resets: Tensor, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
            make = partial(cell.initial_state, device=inputs.device)
            run = partial(self._run_cell, cell)
            return run_between(run, make, resets, inputs, state, counts, self.truncated_bptt_steps)

        outputs, after = go(self.cell, resets, inputs, state.forward)
        backward = reverse_resets(resets, counts), reverse(inputs, counts)
        other, before = go(self.backward_cell, *backward, state.backward)
        return torch.cat([outputs, reverse(other, counts)], dim=-1), BidirectionalState(after, before)

    def _run_cell(self, cell: Any, inputs: Tensor, state: Any, lengths: Any) -> tuple[Tensor, Any]:
        self._check_settings()
        if inputs.shape[2] != cell.input_size:
            raise ValueError(
                f"the module's input_size is {inputs.shape[2]} and its cell's {cell.input_size}: one was changed by "
                "hand; make a new module of that size"
            )
        outputs, state = self._run_backend(cell, inputs, state, lengths)
        if outputs.shape[2] != cell.output_size:
            raise ValueError(
                f"the cell puts out {outputs.shape[2]} numbers a step and its output_size is {cell.output_size}: one "
                "was changed by hand; make a new cell of that size"
            )
        return outputs, state

    def _run_backend(self, cell: Any, inputs: Tensor, state: Any, lengths: Any) -> tuple[Tensor, Any]:
        if getattr(cell, "masks_size", 0):
            inputs = cell.add_masks(inputs)  # of all steps at once, so that every backend has the same
        if self.backend == "auto" and self._whole(inputs) and in_place.can_run(cell):
            return in_place.run_in_place(self._unroll, cell, inputs, _own_state(cell, state, inputs), lengths)
        find = self._kernel if cell is self.cell else self._backward_kernel
        backend, found = kernels.choose(cell, find, self.backend, inputs)
        if isinstance(lengths, list) and not any(lengths):  # no step says how much the cell puts out
            last = map_state(Tensor.clone, _own_state(cell, state, inputs))
            return inputs.new_zeros(*inputs.shape[:2], cell.output_size), last
        if backend == "fused":
            return self._run_fused(cell, found, inputs, state, lengths)
        state = _own_state(cell, state, inputs)
        return self._run_steps(cell, kernels.step_function(cell, backend), inputs, state, lengths)

    def _whole(self, inputs: Tensor) -> bool:
        """Whether a sequence is gone through in one piece, forward and back."""
        return all(
            (n or inputs.shape[1]) >= inputs.shape[1] for n in (self.truncated_bptt_steps, self.checkpoint_every)
        )

    def auxiliary_loss(self, state: Any) -> Tensor | None:
        """The cell's own, where it has one; of two directions the sum."""
        own = getattr(self.cell, "auxiliary_loss", None)
        if own is None or self.backward_cell is None:
            return None if own is None else own(state)
        losses = own(state.forward), self.backward_cell.auxiliary_loss(state.backward)
        return None if losses[0] is None else losses[0] + losses[1]

    def resize(self, slots: int) -> Self:
        """Change the number of slots of every memory that has slots; no parameter depends on it.

        States made before do not fit afterwards.

        Raises:
            ValueError: ``slots`` is below 1, or there is no such memory.
        """
        resize(self, slots)
        if "slots" in self.config:
            self.config["slots"] = slots
        return self

    def backend_report(self) -> dict[str, str]:
        """Which backend runs, and for each other one why not: ``{"reference": "chosen: ...", ...}``."""
        if self.backend == "auto" and in_place.can_run(self.cell):
            others = kernels.report(self.cell, "reference")
            return {"in place": in_place.REPORT, **others, "reference": "available; keeps the memory of each step"}
        return kernels.report(self.cell, self.backend)

    @torch.compiler.assume_constant_result
    def _kernel(self) -> tuple[str, ...]:
        return kernels.find(self.cell)

    @torch.compiler.assume_constant_result
    def _backward_kernel(self) -> tuple[str, ...]:
        return kernels.find(self.backward_cell)

    def _run_fused(
        self, cell: Any, found: tuple[str, ...], inputs: Tensor, state: Any, counts: list[int] | Tensor | None
    ) -> tuple[Tensor, Any]:
        key, *names = found
        outputs, state = kernels.run_sequence(
            cell,
            key,
            names,
            inputs,
            state,
            counts,
            detach_every=self.truncated_bptt_steps,
            checkpoint_every=self.checkpoint_every,
        )  # (T, B, F)
        if self.output is None and torch.is_grad_enabled():
            outputs = outputs.clone()  # users may change theirs in place, which no output of several can bear
        return outputs.transpose(0, 1), state  # (B, T, F)

    def _run_steps(
        self, cell: Any, step: Step, inputs: Tensor, state: Any, counts: list[int] | Tensor | None
    ) -> tuple[Tensor, Any]:
        steps = inputs.shape[1]
        every = self.checkpoint_every or steps
        # Hooks must see a step once, and function transforms know no checkpoints.
        whole = every >= steps or not torch.is_grad_enabled() or isinstance(counts, Tensor)
        if whole or kernels.hooked(cell) or kernels.transformed():
            return self._unroll(step, inputs, state, counts, 0)
        parts = []
        for start in range(0, steps, every):
            part = inputs[:, start : start + every]
            within = None if counts is None else [min(max(n - start, 0), part.shape[1]) for n in counts]
            out, state = checkpoint(self._unroll, step, part, state, within, start, use_reentrant=False)  # pyright: ignore[reportGeneralTypeIssues]
            parts.append(out)
        return torch.cat(parts, dim=1), state  # (B, T, F)

    def _unroll(
        self, step: Step, inputs: Tensor, state: Any, counts: list[int] | Tensor | None, start: int
    ) -> tuple[Tensor, Any]:
        """The steps of ``inputs``, of which the first is step ``start`` of the sequence."""
        if counts is None:
            return self._unroll_even(step, inputs, state, start)
        if isinstance(counts, Tensor):
            return self._unroll_even(*masked(step, inputs, counts), state, start)
        return self._unroll_ragged(step, inputs, state, counts, start)

    def _cut(self, t: int, state: Any) -> Any:
        every = self.truncated_bptt_steps
        return detach_state(state) if every and t and t % every == 0 else state

    def _unroll_even(self, step: Step, inputs: Tensor, state: Any, start: int) -> tuple[Tensor, Any]:
        if has_open_steps(inputs):
            return run_scanned(step, inputs, state)
        outputs = []
        for t, x in enumerate(inputs.unbind(1), start):
            out, state = step(x, self._cut(t, state))
            outputs.append(out)
        return torch.stack(outputs, dim=1), state  # (B, T, F)

    def _unroll_ragged(
        self, step: Step, inputs: Tensor, state: Any, counts: list[int], start: int
    ) -> tuple[Tensor, Any]:
        """Longest sequence first, so that the ones still running are always the first of the batch."""
        batch_size, steps, _ = inputs.shape
        ranked = sorted(range(batch_size), key=lambda b: -counts[b])
        order = torch.tensor(ranked, device=inputs.device)
        inputs, state = inputs[order], index_state(state, order)
        running, outputs, places, ended = batch_size, [], [], []
        for t, x in enumerate(inputs[:, : max(counts)].unbind(1)):
            still = sum(count > t for count in counts)
            if still < running:
                ended.append(index_state(state, slice(still, None)))
                state, running = index_state(state, slice(still)), still
            out, state = step(x[:running], self._cut(start + t, state))
            outputs.append(out)  # (running, F)
            places.append(order[:running] * steps + t)
        state = stack_states([state, *reversed(ended)], pad=self.growing)
        state = index_state(state, torch.argsort(order))
        features = torch.cat(outputs) if outputs else inputs.new_zeros(0, self.cell.output_size)  # (sum of lengths, F)
        padded = features.new_zeros(batch_size * steps, features.shape[-1])
        padded = padded.index_copy(0, torch.cat([*places, order[:0]]), features)
        return padded.unflatten(0, (batch_size, steps)), state  # (B, T, F)


def _own_state(cell: Any, state: Any, inputs: Tensor) -> Any:
    """``state`` with numbers of its own for each sequence of ``inputs``; the cell's first one where it is None."""
    return dense_state(repeat_state(cell.initial_state(1), inputs.shape[0]) if state is None else state)
