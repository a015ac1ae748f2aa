"""Several passes over each step's input before the next: adaptive computation time, and a fixed number (Repeat)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.checks import check_number, check_whole
from ..base.records import Record, RecordedCell
from ..base.state import named_tensors, weighted_state
from ..base.state_types import known_state

HALTING_BIAS = 1.0
"""Starting bias of the halting unit: at first a cell ponders little (Graves 2016, section 2.2)."""


@known_state
class PonderState(NamedTuple):
    """The state of an :class:`ACTCell`.

    Attributes:
        cell: the state of the cell that ponders, averaged over the passes of the last step.
        ponder: passes and remainders of all steps so far, ``(B,)``: the ponder cost, in passes.
        steps: how many steps that is, ``(B,)``.
        shares: how much each pass of the last step counted, ``(B, P)``, 0 after it halted.
    """

    cell: Any
    ponder: Tensor
    steps: Tensor
    shares: Tensor


class RepeatCell(nn.Module):
    """A cell that sees each input a fixed number of times, and the first time a flag of 1 beside it.

    Args:
        cell: of ``input_size`` I + 1: the last of its inputs is the flag.
        repeats: passes a step.

    Raises:
        ValueError: ``repeats`` is below 1, or the cell has no room for an input beside the flag.

    Source:
        Fojo, Campos & Giro-i-Nieto 2018, Comparing Fixed and Adaptive Computation Time for Recurrent Neural Networks,
        arXiv:1803.08165.
    """

    def __init__(self, cell: nn.Module, repeats: int = 2):
        super().__init__()
        check_whole("repeats", repeats)
        self.cell: Any = cell
        self.input_size = _inputs_beside_flag(cell)
        self.output_size: int = self.cell.output_size
        self.passes = repeats

    @property
    def growing(self) -> bool:
        """Whether the cell's state changes shape from step to step."""
        return getattr(self.cell, "growing", False)

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Any:
        """The cell's own, on the parameters' device and in their dtype unless told."""
        own = next(self.cell.parameters())
        return self.cell.initial_state(batch_size, device=device or own.device, dtype=dtype or own.dtype)

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step: ``x (B, I)`` to the output of the last pass."""
        output, state = self.cell(_flagged(x, 1.0), state)
        for _ in range(1, self.passes):
            output, state = self.cell(_flagged(x, 0.0), state)
        return output, state


class ACTCell(nn.Module, RecordedCell):
    """A cell that chooses how often it sees each input: adaptive computation time.

    Pass n gives a state s_n, an output y_n and ``h_n = sigmoid(W y_n + b)``; the last, N, is the first at which the h
    sum to ``1 - epsilon``, and ``max_passes`` at the most. It counts with what is left, ``R = 1 - sum_{n<N} h_n``, and
    those before with h_n (section 2, p_t^n); state and output of the step are the means of s_n and y_n so weighted. The
    ponder cost of a step is ``N + R``, whose gradient is that of R (section 2.1).

    All passes are computed, and those after N count 0: the time of a step is that of ``max_passes`` steps of the cell.

    Args:
        cell: of ``input_size`` I + 1: the last of its inputs is 1 at the first pass, and then 0.
        ponder_cost: tau, what a pass costs beside the task's loss. Both are means over steps here.
        epsilon: how far from 1 the sum may stay.
        max_passes: P, passes at the most.

    Raises:
        ValueError: a number out of its range, or the cell has no room for an input beside the flag.
        TypeError: the cell's state has whole numbers in it or grows, so that there is no mean of it.

    Source:
        @article{graves2016adaptive, title={Adaptive Computation Time for Recurrent Neural Networks}, author={Graves,
        Alex}, year={2016}}, arXiv:1603.08983, section 2.
    """

    trace_name = "ponder"

    def __init__(self, cell: nn.Module, *, ponder_cost: float = 1e-2, epsilon: float = 0.01, max_passes: int = 10):
        super().__init__()
        check_whole("max_passes", max_passes)
        for name, value in {"ponder_cost": ponder_cost, "epsilon": epsilon}.items():
            check_number(name, value)
        if ponder_cost < 0:
            raise ValueError(f"ponder_cost is {ponder_cost}, but must be at least 0")
        if not 0 < epsilon < 1:
            raise ValueError(f"epsilon is {epsilon}, but must lie between 0 and 1")
        self.cell: Any = cell
        self.input_size = _inputs_beside_flag(cell)
        self.output_size: int = self.cell.output_size
        self.ponder_cost, self.epsilon, self.passes = ponder_cost, epsilon, max_passes
        _check_mean(self.cell)
        self.halt = nn.Linear(self.output_size, 1)
        with torch.no_grad():
            self.halt.bias.fill_(HALTING_BIAS)

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> PonderState:
        """The cell's own, and nothing pondered yet."""
        options: dict[str, Any] = {
            "device": device or self.halt.weight.device,
            "dtype": dtype or self.halt.weight.dtype,
        }
        zeros = torch.zeros(batch_size, **options)
        shares = torch.zeros(batch_size, self.passes, **options)
        return PonderState(self.cell.initial_state(batch_size, **options), zeros, zeros.clone(), shares)

    def forward(self, x: Tensor, state: PonderState) -> tuple[Tensor, PonderState]:
        """One step: ``x (B, I)`` to the mean output of its passes."""
        outputs, states, shares = [], [], []
        inner = state.cell
        halted = state.ponder.new_zeros(len(x))  # 1 once a sequence has, (B,)
        total, passes, remainder = halted, halted, halted
        for n in range(self.passes):
            output, inner = self.cell(_flagged(x, 0.0 if n else 1.0), inner)
            h = torch.sigmoid(self.halt(output)).squeeze(-1).to(halted.dtype)  # (B,)
            last = torch.ones_like(h) if n == self.passes - 1 else (total + h >= 1 - self.epsilon).to(h.dtype)
            share = (1 - halted) * torch.where(last > 0, 1 - total, h)
            remainder = remainder + (1 - halted) * last * (1 - total)
            passes = passes + (1 - halted)
            total = total + share
            halted = torch.maximum(halted, last)
            outputs.append(output)
            states.append(inner)
            shares.append(share)
        ponder = state.ponder + passes + remainder
        after = PonderState(weighted_state(shares, states), ponder, state.steps + 1, torch.stack(shares, 1))
        return weighted_state([share.to(x.dtype) for share in shares], outputs), after

    def auxiliary_loss(self, state: PonderState) -> Tensor:
        """The ponder cost, tau times the mean over sequences of ``N + R`` a step, as a scalar.

        It is of all steps since the state was made; where the gradient is cut, of those since then.
        """
        own = self.ponder_cost * (state.ponder / state.steps.clamp(min=1)).mean()
        inner = getattr(self.cell, "auxiliary_loss", None)
        more = None if inner is None else inner(state.cell)
        return own if more is None else own + more

    def record(self, prev_state: PonderState, state: PonderState) -> dict[str, Record]:
        """How much each pass counted, and how many there were."""
        del prev_state
        return {
            "shares": Record(state.shares, "weighting"),
            "passes": Record((state.shares > 0).sum(1).to(state.shares.dtype), "scalar"),
        }


def _check_mean(cell: Any) -> None:
    """Raise TypeError where the state of a cell cannot be averaged."""
    if getattr(cell, "growing", False):
        raise TypeError(f"the state of {type(cell).__name__} grows, and has no mean over passes: use memnets.Repeat")
    for name, tensor in named_tensors(cell.initial_state(1, device=torch.device("meta")), "state"):
        if not tensor.is_floating_point():
            raise TypeError(
                f"{name} of {type(cell).__name__} is {tensor.dtype}, and has no mean over passes: use memnets.Repeat"
            )


def _inputs_beside_flag(cell: Any) -> int:
    if cell.input_size < 2:
        raise ValueError(
            f"{type(cell).__name__} has input_size={cell.input_size}, but needs one input more than there are: the "
            "last is 1 at the first pass of a step"
        )
    return cell.input_size - 1


def _flagged(x: Tensor, flag: float) -> Tensor:
    return F.pad(x, (0, 1), value=flag)
