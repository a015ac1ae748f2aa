"""A tape whose head writes, then moves by a mixture of steps and jumps: Deletang et al. 2022, appendix A (Tape-RNN).

The tape is a ring, and the head stands at index 0 always: moving it turns the tape.
"""

import torch
from torch import Tensor

MOVES = 5
"""Stay, one cell to the left, one to the right, a jump to the left, one to the right."""


def tape_step(tape: Tensor, moves: Tensor, values: Tensor, jump: Tensor) -> Tensor:
    """Replace the cell under the head, then move: ``m_t[i] = sum_a p_a m'[i + d_a]``, indices on a ring.

    m' is the tape with the value at index 0, and d is 0, -1, +1, -jump and +jump.

    Args:
        tape: m_{t-1}, ``(B, tapes, N, M)``, the head at index 0.
        moves: p, ``(B, tapes, 5)``, a distribution over stay, left, right, jump left and jump right.
        values: what is written, ``(B, tapes, M)``.
        jump: how many cells a jump goes, whole numbers, ``(B,)``.

    Returns:
        m_t, ``(B, tapes, N, M)``.
    """
    stay, left, right, jump_left, jump_right = moves.unsqueeze(-1).unsqueeze(-1).unbind(2)  # (B, tapes, 1, 1) each
    written = torch.cat([values.unsqueeze(2), tape[:, :, 1:]], dim=2)
    near = stay * written + left * written.roll(1, 2) + right * written.roll(-1, 2)
    return near + jump_left * _turned(written, -jump) + jump_right * _turned(written, jump)


def tape_read(tape: Tensor) -> Tensor:
    """The cell under each head: ``(B, tapes, N, M)`` to ``(B, tapes, M)``."""
    return tape[:, :, 0]


def _turned(tape: Tensor, distance: Tensor) -> Tensor:
    """Each tape seen from ``distance (B,)`` cells further to the right."""
    slots = tape.shape[2]
    places = torch.arange(slots, device=tape.device) + distance.unsqueeze(-1)  # (B, N)
    index = places.remainder(slots).long().clamp(0, slots - 1)  # of NaN it would lie outside
    index = index.unsqueeze(1).unsqueeze(-1)  # (B, 1, N, 1)
    return tape.gather(2, index.expand(tape.shape))
