"""Nondeterministic stack (DuSell & Chiang 2020, 2022)."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import ops
from ..base.checks import check_whole
from ..base.records import Record
from ..base.state_types import known_state
from .base import Memory
from .interface import Interface, Part


@known_state
class NondeterministicStackState(NamedTuple):
    """The state of a nondeterministic stack after N - 1 steps, with Q states and S symbols.

    Where sequences of a batch start at different steps, N - 1 are those of the longest; of the others some slots are
    empty, which changes nothing.

    Attributes:
        tops: ``(B, Q, S)``, the share of runs in each state with each symbol on top.
        standing: ``(B, N, Q, S, Q, S)``, the share whose top stands on what was the top at each time.
        beneath: ``(B, N, N, Q, S, Q, S)``, the same of each of these tops.
    """

    tops: Tensor
    standing: Tensor
    beneath: Tensor


class NondeterministicStackMemory(Memory):
    """The stack of a pushdown automaton that does all that it may at once, each run by the weights of its actions.

    At each step the controller weighs every action: from each state and top symbol to each state, by pushing a symbol,
    replacing the top, or popping it. What is read are the shares of all runs by their state and top symbol. Runs may
    split, as they must for languages without a marked middle; exact sums over all of them take time that grows with the
    square of the steps so far, and a state of as many numbers times (Q S)^2. What is kept for the way back grows with
    their cube.

    Args:
        states: Q.
        symbols: S, of which the first marks the bottom, which can be replaced but not popped.
        normalized: weights of the actions from a state and symbol sum to 1, as in 2020; else any weights, as in 2022,
            by which a run can gain over others.
        read_states: read states and top symbols, as in 2022; else top symbols alone, as in 2020.

    Raises:
        ValueError: a number is below 1.

    Source:
        @inproceedings{dusell2022learning, title={Learning Hierarchical Structures with Differentiable Nondeterministic
        Stacks}, author={DuSell, Brian and Chiang, David}, booktitle={ICLR}, year={2022}}, arXiv:2109.01982; DuSell &
        Chiang 2020, arXiv:2010.04674.
    """

    growing = True

    def __init__(self, states: int = 2, symbols: int = 3, normalized: bool = False, read_states: bool = True):
        super().__init__()
        for name, value in {"states": states, "symbols": symbols}.items():
            check_whole(name, value)
        self.states = states
        self.symbols = symbols
        self.normalized = normalized
        self.read_states = read_states
        pairs, actions = states * symbols, states * (2 * symbols + 1)
        self.interface = Interface(weights=Part((pairs, actions) if normalized else (pairs * actions,), "softmax"))
        self.reads_size = pairs if read_states else symbols

    def initial_state(
        self, batch_size: int, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> NondeterministicStackState:
        """The first state, and the first symbol alone on the stack."""
        tops = torch.zeros(batch_size, self.states, self.symbols, device=device, dtype=dtype)
        tops[:, 0, 0] = 1
        pairs = self.states, self.symbols, self.states, self.symbols
        standing = tops.new_zeros(batch_size, 1, *pairs)
        standing[:, 0, 0, 0, 0, 0] = 1
        return NondeterministicStackState(tops, standing, tops.new_zeros(batch_size, 1, 1, *pairs))

    def initial_reads(self, state: NondeterministicStackState) -> Tensor:
        """The shares of runs by what is on top."""
        return (state.tops if self.read_states else state.tops.sum(1)).flatten(1)

    def step(self, parts: Any, state: NondeterministicStackState) -> tuple[Tensor, NondeterministicStackState]:
        """All runs take an action."""
        state = NondeterministicStackState(*ops.nondeterministic_stack_step(*state, *self._actions(parts)))
        return self.initial_reads(state), state

    def _actions(self, parts: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of pushing and replacing ``(B, Q, S, Q, S)`` and popping ``(B, Q, S, Q)``."""
        weights = parts.weights.reshape(-1, self.states, self.symbols, self.states, 2 * self.symbols + 1)
        push, replace, pop = weights.split([self.symbols, self.symbols, 1], dim=-1)
        return push, replace, pop.squeeze(-1)

    def record(
        self, parts: Any, prev_state: NondeterministicStackState, state: NondeterministicStackState
    ) -> dict[str, Record]:
        """The share of runs that push, replace and pop, by what they act on, and the tops after the step."""
        weighed = [(prev_state.tops.unsqueeze(-1) * w.flatten(3).sum(-1, keepdim=True)) for w in self._actions(parts)]
        actions = torch.cat(weighed, dim=-1).sum((1, 2))  # (B, 3)
        actions = actions / actions.sum(-1, keepdim=True).clamp_min(torch.finfo(actions.dtype).tiny)
        return {"actions": Record(actions, "weighting"), "tops": Record(state.tops.flatten(1), "weighting")}

    def extra_repr(self) -> str:
        """Sizes, for ``print``."""
        return f"states={self.states}, symbols={self.symbols}, normalized={self.normalized}"
