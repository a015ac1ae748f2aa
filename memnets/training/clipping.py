"""Clipping gradients by what is usual for them."""

import statistics
from typing import Any


class SpikeClip:
    """A bound on the gradient's norm that follows its recent median.

    Once a task is all but solved, gradients are a thousand times smaller than before, and an optimiser that divides
    by their recent size turns the first larger one into a step that undoes what was learnt. A fixed bound that
    stops such a step would also slow the beginning. After Seetharaman et al. 2020, "AutoClip: Adaptive Gradient
    Clipping for Source Separation Networks", with a multiple of the median in place of a percentile.

    Args:
        factor: times the median, above 0.
        floor: the bound is never below this, at least 0. Above 0, a rare sequence that still goes wrong can be learnt
            from: its gradient towers above those of a solved task, as a spike does.
        window: gradients that the median is taken over.

    Raises:
        ValueError: a number is too small.
    """

    def __init__(self, factor: float, floor: float = 0.0, window: int = 100):
        if not factor > 0:
            raise ValueError(f"spike_clip is {factor}, but must be above 0; null clips by gradient_clip_val alone")
        if not floor >= 0:
            raise ValueError(f"spike_floor is {floor}, but must be at least 0")
        if window < 1:
            raise ValueError(f"window is {window}, but must be at least 1")
        self.factor = factor
        self.floor = floor
        self.window = window
        self.norms: list[float] = []

    def bound(self, norm: float) -> float | None:
        """The bound for a gradient of this norm, from those before it; None for the first."""
        bound = max(self.floor, self.factor * statistics.median(self.norms)) if self.norms else None
        self.norms = [*self.norms[1 - self.window :], norm] if self.window > 1 else [norm]
        return bound

    def state_dict(self) -> dict[str, Any]:
        """The norms that the next bound depends on."""
        return {"norms": list(self.norms)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.norms = list(state["norms"])
