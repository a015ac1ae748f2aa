"""Which slots of a memory are worth drawing."""

from __future__ import annotations

import numpy as np

SHARE = 0.05
"""The part of the largest value from which on a slot counts as used."""

WORTH = 0.3
"""The part of the slots that must go for cropping to be worth it."""


def used_slots(*activities: np.ndarray) -> np.ndarray:
    """The slots worth drawing, as one unbroken stretch of the (circular) memory with a margin.

    A slot counts as used where an activity exceeds 5 % of that activity's largest. The longest circular run of unused
    slots is left out, so that a head that walks past the last slot stays in one piece; all slots are kept where less
    than 30 % of them could be left out.

    Args:
        activities: how much each slot is used, ``(N,)`` each, not negative.

    Returns:
        Slot numbers in drawing order, int64 ``(slots drawn,)``.
    """
    slots = len(activities[0])
    used = np.flatnonzero(np.any([one > SHARE * one.max(initial=0.0) for one in activities], axis=0))
    if not used.size:  # no finite activity, or none above zero
        return np.arange(slots)
    gaps = np.diff(np.append(used, used[0] + slots))  # from each used slot to the next, around the ring
    widest = int(gaps.argmax())
    if widest == len(used) - 1:  # the widest gap lies over the ring's end: nothing wraps
        first, last = int(used[0]), int(used[-1])
    else:
        first, last = int(used[widest + 1]), int(used[widest]) + slots
    margin = max(2, round(0.1 * (last - first + 1)))
    first, last = first - margin, last + margin
    if first < 0 <= last < slots:  # a margin alone is no reason to wrap
        first = 0
    elif 0 <= first < slots <= last and widest == len(used) - 1:
        last = slots - 1
    if last - first + 1 > (1 - WORTH) * slots:
        return np.arange(slots)
    return np.arange(first, last + 1) % slots


def of_weights(*weights: np.ndarray) -> np.ndarray:
    """The largest weight on each slot ``(N,)``, of weightings ``(L, heads, N)``."""
    return np.max([finite(w).max(axis=(0, 1), initial=0.0) for w in weights], axis=0)


def of_contents(contents: np.ndarray) -> np.ndarray:
    """How far each slot's content once lies from that of the slot in the middle, ``(N,)``.

    Slots that were never written share what they started with, and so does the middle of all where most are unused.

    Args:
        contents: ``(L, K, N, M)``.
    """
    contents = finite(contents)
    return np.abs(contents - np.median(contents, axis=2, keepdims=True)).max(axis=(0, 1, 3), initial=0.0)


def of_changes(contents: np.ndarray) -> np.ndarray:
    """How far each slot's content ``(L, K, N, M)`` once lies from that after the first step, ``(N,)``."""
    contents = finite(contents)
    return np.abs(contents - contents[:1]).max(axis=(0, 1, 3), initial=0.0)


def of_relations(matrix: np.ndarray) -> np.ndarray:
    """The largest magnitude in each place's row and column ``(N,)``, of matrices ``(L, K, N, N)``."""
    largest = np.abs(finite(matrix)).max(axis=(0, 1), initial=0.0)  # (N, N)
    return np.maximum(largest.max(0), largest.max(1))


def finite(values: np.ndarray) -> np.ndarray:
    """The values, zero where they are no number or without end."""
    return np.where(np.isfinite(values), values, 0.0)
