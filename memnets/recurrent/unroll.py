"""Any cell over time, used like ``torch.nn.LSTM``."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .. import kernels
from ..base.checks import (
    check_dtype,
    check_finite,
    check_inputs,
    check_length_tensor,
    check_lengths,
    check_state,
    check_whole,
)
from ..base.state import detach_state, index_state, stack_states

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


class Recurrent(nn.Module):
    """A cell applied step by step, with lengths, carried state and truncated backpropagation through time.

    Args:
        cell: a module with ``input_size``, ``output_size``, ``initial_state(batch_size, device=None)`` and
            ``forward(x (B, I), state) -> (output (B, F), state)``.
        output_size: O; outputs are projected to this size, or the cell's own outputs if None.
        batch_first: inputs and outputs are (B, T, .) if True, (T, B, .) if False. States are batch first always.
        backend: "auto", "reference", "compiled" or "fused"; see :meth:`backend_report`.
        truncated_bptt_steps: cut the gradient each time this many steps have passed, or None for never.
        checkpoint_every: trade time for memory on long sequences: keep the state each time this many steps have
            passed and nothing between, and run those steps again on the way back.
        check_finite: refuse inputs with NaN or Inf (costs a pass over the inputs).

    Raises:
        ValueError: a size below 1, or an unknown backend.
    """

    def __init__(
        self,
        cell: nn.Module,
        *,
        output_size: int | None = None,
        batch_first: bool = True,
        backend: str = "auto",
        truncated_bptt_steps: int | None = None,
        checkpoint_every: int | None = None,
        check_finite: bool = False,
    ):
        super().__init__()
        for name, value in (
            ("output_size", output_size),
            ("truncated_bptt_steps", truncated_bptt_steps),
            ("checkpoint_every", checkpoint_every),
        ):
            if value is not None:
                check_whole(name, value)
        kernels.check_name(backend)
        self.cell: Any = cell
        self.input_size: int = self.cell.input_size
        self.output_size: int = output_size or self.cell.output_size
        self.batch_first = batch_first
        self.backend = backend
        self.truncated_bptt_steps = truncated_bptt_steps
        self.checkpoint_every = checkpoint_every
        self.check_finite = check_finite
        self.output = nn.Linear(self.cell.output_size, output_size) if output_size else None

    def initial_state(self, batch_size: int) -> Any:
        """The state before the first step, for ``batch_size`` sequences."""
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, but must be at least 1")
        return self.cell.initial_state(batch_size)

    def forward(
        self, inputs: Tensor, state: Any = None, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, Any]:
        """Run the cell over a batch of sequences.

        Args:
            inputs: ``(B, T, I)``, or ``(T, B, I)`` without ``batch_first``.
            state: as returned by an earlier call, to go on with the same sequences; None starts afresh.
            lengths: ``(B,)`` integers within 0..T. Steps past a sequence's length leave its state as it was and
                output zeros. None means that all have T steps. Give ``torch.compile`` a tensor: one graph then serves
                all lengths.

        Returns:
            Outputs ``(B, T, O)`` (or ``(T, B, O)``), and the state after each sequence's last step.

        Raises:
            ValueError, TypeError: inputs, state or lengths do not fit; the message says how.
        """
        check_inputs(inputs, self.input_size, self.batch_first)
        check_dtype(inputs, self)
        if not self.batch_first:
            inputs = inputs.transpose(0, 1)  # (B, T, I)
        if self.check_finite:
            check_finite(inputs)
        batch_size, steps, _ = inputs.shape
        if state is None:
            state = self.cell.initial_state(batch_size)
        else:
            check_state(state, self.cell.initial_state(batch_size, device=torch.device("meta")), inputs.device)
        backend = kernels.choose(self.cell, self.backend, inputs)
        if backend == "fused" and isinstance(lengths, Tensor) and torch.compiler.is_compiling():
            outputs, state = self._run_fused(inputs, state, check_length_tensor(lengths, batch_size))
            return outputs if self.batch_first else outputs.transpose(0, 1), state
        counts = None if lengths is None else check_lengths(lengths, batch_size, steps)
        if backend == "fused":
            outputs, state = self._run_fused(inputs, state, counts)
        else:
            outputs, state = self._run_steps(kernels.step_function(self.cell, backend), inputs, state, counts)
        return outputs if self.batch_first else outputs.transpose(0, 1), state

    def backend_report(self) -> dict[str, str]:
        """Which backend runs, and for each other one why not: ``{"reference": "chosen: ...", ...}``."""
        return kernels.report(self.cell, self.backend)

    def _project(self, outputs: Tensor) -> Tensor:
        return outputs if self.output is None else self.output(outputs)

    def _run_fused(self, inputs: Tensor, state: Any, counts: list[int] | Tensor | None) -> tuple[Tensor, Any]:
        outputs, state = kernels.run_sequence(
            self.cell,
            inputs,
            state,
            counts,
            engine=kernels.engine_of(self.cell),
            detach_every=self.truncated_bptt_steps,
            checkpoint_every=self.checkpoint_every,
        )  # (T, B, F)
        outputs = self._project(outputs)
        if self.output is None and torch.is_grad_enabled():
            outputs = outputs.clone()  # the kernel needs its own on the way back, and users may change theirs in place
        if counts is not None and self.output is not None:  # the projection's bias reaches past the lengths
            steps = torch.arange(len(outputs), device=outputs.device).unsqueeze(1)  # (T, 1)
            over = steps >= torch.as_tensor(counts, device=outputs.device)  # (T, B)
            outputs = outputs.masked_fill(over.unsqueeze(-1), 0)
        return outputs.transpose(0, 1), state  # (B, T, O)

    def _run_steps(self, step: Step, inputs: Tensor, state: Any, counts: list[int] | None) -> tuple[Tensor, Any]:
        steps = inputs.shape[1]
        every = self.checkpoint_every or steps
        # Hooks must see a step once, and function transforms know no checkpoints.
        if every >= steps or not torch.is_grad_enabled() or kernels.hooked(self.cell) or kernels.transformed():
            return self._unroll(step, inputs, state, counts, 0)
        parts = []
        for start in range(0, steps, every):
            part = inputs[:, start : start + every]
            within = None if counts is None else [min(max(n - start, 0), part.shape[1]) for n in counts]
            out, state = checkpoint(self._unroll, step, part, state, within, start, use_reentrant=False)  # pyright: ignore[reportGeneralTypeIssues]
            parts.append(out)
        return torch.cat(parts, dim=1), state  # (B, T, O)

    def _unroll(
        self, step: Step, inputs: Tensor, state: Any, counts: list[int] | None, start: int
    ) -> tuple[Tensor, Any]:
        """The steps of ``inputs``, of which the first is step ``start`` of the sequence."""
        if counts is None:
            return self._unroll_even(step, inputs, state, start)
        return self._unroll_ragged(step, inputs, state, counts, start)

    def _cut(self, t: int, state: Any) -> Any:
        every = self.truncated_bptt_steps
        return detach_state(state) if every and t and t % every == 0 else state

    def _unroll_even(self, step: Step, inputs: Tensor, state: Any, start: int) -> tuple[Tensor, Any]:
        outputs = []
        for t, x in enumerate(inputs.unbind(1), start):
            out, state = step(x, self._cut(t, state))
            outputs.append(out)
        return self._project(torch.stack(outputs, dim=1)), state  # (B, T, O)

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
        state = stack_states([state, *reversed(ended)])
        state = index_state(state, torch.argsort(order))
        features = torch.cat(outputs) if outputs else inputs.new_zeros(0, self.cell.output_size)
        filled = self._project(features)  # (sum of lengths, O)
        padded = filled.new_zeros(batch_size * steps, filled.shape[-1])
        padded = padded.index_copy(0, torch.cat([*places, order[:0]]), filled)
        return padded.unflatten(0, (batch_size, steps)), state  # (B, T, O)
