"""Order statistics over seeds, some of which may never have come to an end, and how they are shown."""

import math
from collections.abc import Callable, Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of them lie, linear between two; infinity where one of the two is.

    Args:
        values: at least one; infinity for what never came.
        share: from 0 to 1.
    """
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    if math.isinf(high):
        return low if place == math.floor(place) else high
    return low + (high - low) * (place - math.floor(place))


def show_spread(values: Sequence[float], show: Callable[[float], str]) -> str:
    """``median [lower quartile, upper quartile]``; values that are all the same as one, nothing as a dash."""
    if not values:
        return "-"
    if min(values) == max(values):
        return show(values[0])
    return f"{show(quantile(values, 0.5))} [{show(quantile(values, 0.25))}, {show(quantile(values, 0.75))}]"


def whole(value: float) -> str:
    """A count, or "never"."""
    return "never" if math.isinf(value) else f"{value:,.0f}"


def seconds(value: float) -> str:
    """A time, or "never"."""
    return "never" if math.isinf(value) else f"{value:,.1f}"


def errors(value: float) -> str:
    """An error with two digits behind the point; a rate below a tenth with two that count."""
    return f"{value:.2f}" if value == 0 or abs(value) >= 0.1 else f"{value:.2g}"
