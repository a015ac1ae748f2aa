"""What can be said of a scene: a grammar small enough that every right caption is a reference."""

from collections.abc import Sequence
from itertools import pairwise, permutations
from typing import NamedTuple

OPENINGS = ("", "there is ")
SIZES = ("small", "large")
RELATIONS = ("left of", "right of", "above", "below")

CLEARNESS = 1.3
"""By how much two shapes must be farther apart along one axis than along the other."""


class Shape(NamedTuple):
    """One shape of a scene; x, y (down) and radius in pixels."""

    size: str
    colour: str
    kind: str
    x: float
    y: float
    radius: float


def relation(first: Shape, second: Shape) -> str | None:
    """How the first shape lies to the second; None where it lies as much beside it as above or below it."""
    dx, dy = second.x - first.x, second.y - first.y
    if abs(dx) >= CLEARNESS * abs(dy):
        return "left of" if dx > 0 else "right of"
    if abs(dy) >= CLEARNESS * abs(dx):
        return "above" if dy > 0 else "below"
    return None


def captions(shapes: Sequence[Shape]) -> tuple[str, ...]:
    """Every caption of a scene: its shapes in any order, each by its relation to the next.

    Of two shapes, "a red circle left of a blue square" and "a blue square right of a red circle"; each with and
    without sizes, and with and without "there is".

    Args:
        shapes: One or more; any two must have a relation.
    """
    found = []
    for opening in OPENINGS:
        for sized in (False, True):
            for order in permutations(shapes):
                links = [f" {relation(a, b)} " for a, b in pairwise(order)]
                names = [_name(shape, sized) for shape in order]
                found.append(opening + names[0] + "".join(link + name for link, name in zip(links, names[1:])))
    return tuple(dict.fromkeys(found))


def _name(shape: Shape, sized: bool) -> str:
    return f"a {shape.size} {shape.colour} {shape.kind}" if sized else f"a {shape.colour} {shape.kind}"


def vocabulary(colours: Sequence[str], kinds: Sequence[str]) -> tuple[str, ...]:
    """Every word of every caption, sorted."""
    words = {"a", *SIZES, *colours, *kinds}
    for phrase in (*OPENINGS, *RELATIONS):
        words.update(phrase.split())
    return tuple(sorted(words))
