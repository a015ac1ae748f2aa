"""A neural memory written by gradient descent: Behrouz, Zhong & Mirrokni 2024 (Titans), section 3; with a window of
keys, the Omega rule of Behrouz et al. 2025 (ATLAS), section 3.

The memory of a head is a network of L square layers without biases, SiLU between them; with one layer it is a matrix.
Step t goes down the gradient of how badly it recalls the last c keys, ``u_t = sum_i g_i grad |M'(k_i) - v_i|^2 / 2``:

    S_t = eta_t S_{t-1} - rate_t u_t          (momentum; equation 10)
    M_t = (1 - alpha_t) M_{t-1} + S_t         (decay; equation 13)
    o_t = M_t(q_t)                            (equation 15)

M' is the memory at the start of a chunk of b steps (section 3.2, equation 16); with b = 1 it is M_{t-1}. The gradient
of a layer for a key is an outer product, so that within a chunk all M_t are sums of the same outer products: see
``in_chunks``. Chunks go on from call to call, and each sequence may be at another place in its own.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..base.autocast import without_autocast
from ..base.state_types import known_state
from .sequences import in_float32


@known_state
class NeuralMemoryState(NamedTuple):
    """What a neural memory carries; of a model of L layers each with L after B. A part that is not in use has size 0.

    Attributes:
        memory: M, ``(B, H, L, W, W)``.
        momentum: S, ``(B, H, L, W, W)``; no layers without momentum.
        anchor: M', ``(B, H, L, W, W)``; no layers with chunks of one step.
        keys: the last c - 1, ``(B, c - 1, H, W)``.
        values: theirs, ``(B, c - 1, H, W)``.
        weights: theirs, g, ``(B, c - 1, H)``.
        place: steps into the present chunk, ``(B,)``, int64.
    """

    memory: Tensor
    momentum: Tensor
    anchor: Tensor
    keys: Tensor
    values: Tensor
    weights: Tensor
    place: Tensor


class Steps(NamedTuple):
    """What the steps of a sequence bring, each ``(B, T, H, ...)``; see :func:`neural_memory`."""

    q: Tensor
    k: Tensor
    v: Tensor
    rate: Tensor
    log_momentum: Tensor
    log_keep: Tensor
    weight: Tensor


def neural_memory(
    steps: Steps, state: NeuralMemoryState, chunk: int, lengths: Tensor | None = None, *, parallel: bool = True
) -> tuple[Tensor, NeuralMemoryState]:
    """A sequence of steps, chunk by chunk or one by one; both give the same.

    Half-precision inputs are computed in float32, also under autocast.

    Args:
        steps: queries, keys and values ``(B, T, H, W)``; and ``(B, T, H)`` the rate; log eta and log (1 - alpha), at
            most 0; and the weight g of a key in its windows.
        state: before the first step.
        chunk: b, steps whose gradient is taken at the same memory. It changes the result.
        lengths: ``(B,)``; later steps leave a sequence's state as it was. None for all T.
        parallel: take a chunk at once; False is the recurrence, step by step.

    Returns:
        o, ``(B, T, H, W)``, and the state after the last step.
    """
    dtype, batch, count = steps.v.dtype, len(steps.v), steps.v.shape[1]
    numbers = in_float32(*steps, *state[:-1])
    steps, state = Steps._make(numbers[:7]), NeuralMemoryState._make([*numbers[7:], state.place])
    if lengths is None:
        lengths = torch.full((batch,), count, device=steps.v.device)
    with without_autocast(steps.v.device.type):
        run = in_chunks if parallel else one_by_one
        o, memory, momentum, anchor = run(steps, state, chunk, lengths)
    recent = [
        _last(torch.cat([old, new], 1), lengths, old.shape[1])
        for old, new in zip(state[3:6], (steps.k, steps.v, steps.weight))
    ]
    after = NeuralMemoryState._make([memory, momentum, anchor, *recent, (state.place + lengths) % chunk])
    return o.to(dtype), after


def recall(memory: Tensor, x: Tensor) -> Tensor:
    """``M(x)``: ``(B, H, L, W, W)`` and ``(B, H, N, W)`` to ``(B, H, N, W)``."""
    for number, weights in enumerate(memory.unbind(2)):
        x = (F.silu(x) if number else x) @ weights
    return x


def surprise(memory: Tensor, keys: Tensor, values: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """The gradient of ``|M(k) - v|^2 / 2`` for each layer's weights and each key, as an outer product of two vectors.

    Args:
        memory: ``(B, H, L, W, W)``.
        keys: ``(B, H, N, W)``.
        values: ``(B, H, N, W)``.

    Returns:
        What each layer is given, and the gradient of what it gives, ``(B, H, N, W)`` each.
    """
    layers, before, given = memory.unbind(2), [], [keys]
    for weights in layers:
        before.append(given[-1] @ weights)
        given.append(F.silu(before[-1]))
    error = before[-1] - values
    errors = [error]
    for weights, z in zip(layers[:0:-1], before[-2::-1]):
        gate = torch.sigmoid(z)
        error = (error @ weights.transpose(-1, -2)) * gate * (1 + z * (1 - gate))
        errors.append(error)
    return given[:-1], errors[::-1]


Run = tuple[Tensor, Tensor, Tensor, Tensor]


def one_by_one(steps: Steps, state: NeuralMemoryState, chunk: int, lengths: Tensor) -> Run:
    """The recurrence: outputs, and the last memory, momentum and anchor."""
    memory, momentum, anchor, keys, values, weights, place = state
    outputs = []
    for t, (q, k, v, rate, log_momentum, log_keep, weight) in enumerate(zip(*(part.unbind(1) for part in steps))):
        there = t < lengths  # (B,)
        if chunk > 1:
            anchor = torch.where(_wide(there & ((place + t) % chunk == 0)), memory, anchor)
        keys, values, weights = (
            torch.cat([old, new.unsqueeze(1)], 1) for old, new in ((keys, k), (values, v), (weights, weight))
        )  # (B, c, H, .)
        given, errors = surprise(anchor if chunk > 1 else memory, keys.transpose(1, 2), values.transpose(1, 2))
        shares = (rate.unsqueeze(1) * weights).transpose(1, 2).unsqueeze(-1)  # (B, H, c, 1)
        change = -torch.stack([left.transpose(-1, -2) @ (shares * right) for left, right in zip(given, errors)], 2)
        if momentum.shape[2]:
            change = log_momentum.exp().view(*change.shape[:2], 1, 1, 1) * momentum + change
        new = log_keep.exp().view(*change.shape[:2], 1, 1, 1) * memory + change
        memory = torch.where(_wide(there), new, memory)
        momentum = torch.where(_wide(there), change, momentum) if momentum.shape[2] else momentum
        outputs.append(recall(new, q.unsqueeze(2)).squeeze(2))
        keys, values, weights = keys[:, 1:], values[:, 1:], weights[:, 1:]
    return torch.stack(outputs, 1), memory, momentum, anchor


def in_chunks(steps: Steps, state: NeuralMemoryState, chunk: int, lengths: Tensor) -> Run:
    """The same by matrix products over each chunk.

    A sequence that is p steps into its chunk is moved on by p, so that the chunks of all begin together; the steps in
    the gap, as those past its length, leave memory and momentum alone. With D and A the decays of memory and momentum
    between steps, m_s 1 where there is a step, and W the band of the windows' weights,

        M_t = D_t0 M_0 + (D m A)_t0 S_0 - sum_i (D m A rate W)_ti k_i (gradient of i).
    """
    memory, momentum, anchor = state.memory, state.momentum, state.anchor
    count, window = steps.q.shape[1], state.keys.shape[1] + 1
    chunks = -(-(count + chunk - 1) // chunk)
    moved = torch.arange(chunks * chunk, device=lengths.device) - state.place.unsqueeze(1)  # (B, J), the step at j
    there = (moved >= 0) & (moved < lengths.unsqueeze(1))  # (B, J)
    q, rate, log_momentum, log_keep = (_moved(part, moved, there) for part in (steps.q, *steps[3:6]))
    seen = torch.arange(window - 1 + chunks * chunk, device=lengths.device) - state.place.unsqueeze(1)
    known = (seen >= 0) & (seen < window - 1 + count)
    k, v, weight = (
        _moved(torch.cat(pair, 1), seen, known) for pair in zip(state[3:6], (steps.k, steps.v, steps.weight))
    )
    real = there.to(q.dtype).unsqueeze(1)  # (B, 1, J)
    outputs = []
    for start in range(0, chunks * chunk, chunk):
        now, near = slice(start, start + chunk), slice(start, start + chunk + window - 1)
        if chunk > 1:
            fresh = (state.place == 0) & (lengths > 0) if start == 0 else start < state.place + lengths
            anchor = torch.where(_wide(fresh), memory, anchor)
        given, errors = surprise(anchor if chunk > 1 else memory, k[:, :, near], v[:, :, near])
        keep, kept = _between(log_keep[:, :, now])
        shares = _band(weight[:, :, near], window) * rate[:, :, now].unsqueeze(-1)  # (B, H, b, c - 1 + b)
        total = keep * real[:, :, now].unsqueeze(-2)
        carried = slow = slowed = None
        if momentum.shape[2]:
            slow, slowed = _between(log_momentum[:, :, now])
            carried = (total @ slowed.unsqueeze(-1)).squeeze(-1)  # what S_0 adds to each M_t, (B, H, b)
            total = total @ slow
        shares_of_memory = total @ shares
        outputs.append(_read(q[:, :, now], memory, momentum, kept, carried, shares_of_memory, given, errors))
        last = kept[:, :, -1].view(*kept.shape[:2], 1, 1, 1)
        changed = last * memory - _outer(given, errors, shares_of_memory[:, :, -1])
        if carried is not None and slow is not None and slowed is not None:
            changed = changed + carried[:, :, -1].view(*kept.shape[:2], 1, 1, 1) * momentum
            shares_of_momentum = (slow @ shares)[:, :, -1]
            slowest = slowed[:, :, -1].view(*kept.shape[:2], 1, 1, 1)
            momentum = slowest * momentum - _outer(given, errors, shares_of_momentum)
        memory = changed
    o = torch.cat(outputs, 2).transpose(1, 2)  # (B, J, H, W)
    back = torch.arange(count, device=lengths.device) + state.place.unsqueeze(1)  # (B, T)
    return o.take_along_dim(back.view(*back.shape, 1, 1), 1), memory, momentum, anchor


def _moved(part: Tensor, index: Tensor, there: Tensor) -> Tensor:
    """``part (B, T, H, ...)`` at ``index (B, J)``, 0 where nothing is there, as ``(B, H, J, ...)``."""
    wide = (...,) + (None,) * (part.dim() - 2)
    taken = part.take_along_dim(index.clamp(0, part.shape[1] - 1)[wide], 1)
    return torch.where(there[wide], taken, 0.0).transpose(1, 2)


def _between(logs: Tensor) -> tuple[Tensor, Tensor]:
    """Products of ``exp(logs) (B, H, b)`` over the steps after s up to t, ``(B, H, t, s)``, and over all up to t."""
    size = logs.shape[-1]
    after = torch.ones(size, size, dtype=torch.bool, device=logs.device).tril(-1)  # [r, s]: r after s
    sums = torch.where(after, logs.unsqueeze(-1), 0.0).cumsum(-2)
    return sums.exp().tril(), logs.cumsum(-1).exp()


def _band(weight: Tensor, window: int) -> Tensor:
    """Each step's weights of the last c keys: ``(B, H, c - 1 + b)`` to ``(B, H, b, c - 1 + b)``, 0 outside."""
    size = weight.shape[-1]
    ones = torch.ones(size - window + 1, size, dtype=torch.bool, device=weight.device)
    inside = ones.triu() & ones.tril(window - 1)  # [j, i]: j <= i < j + c
    return torch.where(inside, weight.unsqueeze(-2), 0.0)


def _read(
    x: Tensor,
    memory: Tensor,
    momentum: Tensor,
    kept: Tensor,
    carried: Tensor | None,
    shares: Tensor,
    given: list[Tensor],
    errors: list[Tensor],
) -> Tensor:
    """``M_t(x_t)`` of each step of a chunk, ``(B, H, b, W)``, without making the M_t."""
    for number, (left, right) in enumerate(zip(given, errors)):
        x = F.silu(x) if number else x
        new = kept.unsqueeze(-1) * (x @ memory[:, :, number]) - (shares * (x @ left.transpose(-1, -2))) @ right
        if carried is not None:
            new = new + carried.unsqueeze(-1) * (x @ momentum[:, :, number])
        x = new
    return x


def _outer(given: list[Tensor], errors: list[Tensor], shares: Tensor) -> Tensor:
    """The sum of all keys' gradients times ``shares (B, H, N)``, of each layer: ``(B, H, L, W, W)``."""
    wide = shares.unsqueeze(-1)
    return torch.stack([left.transpose(-1, -2) @ (wide * right) for left, right in zip(given, errors)], 2)


def _last(window: Tensor, lengths: Tensor, count: int) -> Tensor:
    """The last ``count`` steps of each sequence, ``(B, count, ...)``, of a window that has as many before its first."""
    index = lengths.unsqueeze(1) + torch.arange(count, device=lengths.device)  # (B, count)
    return window.take_along_dim(index.view(*index.shape, *[1] * (window.dim() - 2)), 1)


def _wide(chosen: Tensor) -> Tensor:
    return chosen.view(-1, 1, 1, 1, 1)
