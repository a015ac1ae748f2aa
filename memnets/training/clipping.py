"""Clipping gradients, by a bound and by what is usual for them."""

import math
import statistics
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from ..base.kinds import NUMBER, taken_back

ALGORITHMS = ("norm", "value")


class Clipping:
    """Clips gradients in place: to a bound, then to what their norms have been of late.

    Args:
        bound: of the norm, or of each number; None or 0 for none.
        algorithm: "norm" or "value", what ``bound`` is of.
        spikes: a bound on the norm that follows it; None for none.

    Raises:
        ValueError: a bound below 0, or another algorithm.
    """

    def __init__(self, bound: float | None = None, algorithm: str | None = None, spikes: "SpikeClip | None" = None):
        if bound is not None and not bound >= 0:
            raise ValueError(f"gradient_clip_val is {bound}, but must be at least 0; null does not clip")
        if algorithm is not None and algorithm not in ALGORITHMS:
            raise ValueError(f"gradient_clip_algorithm is {algorithm!r}, but must be one of {', '.join(ALGORITHMS)}")
        self.bound = bound
        self.algorithm = algorithm or "norm"
        self.spikes = spikes

    def __call__(self, parameters: Iterable[nn.Parameter], norm: Tensor) -> None:
        """Clip the gradients of ``parameters``, whose norm is ``norm``."""
        parameters = list(parameters)
        if self.bound and self.algorithm == "value":
            nn.utils.clip_grad_value_(parameters, self.bound)
        elif self.bound:
            nn.utils.clip_grad_norm_(parameters, self.bound)
        if self.spikes is not None and math.isfinite(float(norm)):
            usual = self.spikes.bound(float(norm))
            if usual is not None:
                nn.utils.clip_grad_norm_(parameters, usual)


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
        self.norms = list(taken_back(state, {"norms": [NUMBER]}, self.state_dict())["norms"])
