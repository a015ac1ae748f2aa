"""Which values of the forward pass are kept for the way back, and which are computed again, by counted cost."""

import math
from collections.abc import Callable, Iterable

from .node import Node
from .schedule import CHEAP, LARGE

SAVE = 6.0
"""What keeping a number costs: written to memory, read again. A sum or product costs a half."""

COSTS = {"div": 2.0, "sqrt": 3.0, "rsqrt": 3.0, "assemble": 1.5, "gather": 3.0, "sum": 1.0, "max": 1.0}
_FIRST = ("product", "sort", "scan", "scatter")
"""Operations that are never done again."""


def choose_saved(
    back: Iterable[Node], replay: Iterable[Node], is_forward: Callable[[Node], bool], free: set[Node]
) -> list[Node]:
    """What is saved; all else is computed again where it is read.

    Args:
        back: nodes that the way back computes.
        replay: those of large states between the steps at which they are kept.
        is_forward: whether a node is one of the step's own.
        free: nodes that are there anyway.
    """
    saved, again = _wanted([*back, *replay], is_forward, free)
    twice, _ = _wanted(replay, is_forward, free)
    for _ in range(2):
        for node in sorted(saved, key=lambda n: (-n.size, n.id)):
            extra = _missing(node, saved | again | free, is_forward)
            times = 2 if node in twice else 1
            if extra is not None and times * sum(map(cost, extra)) <= SAVE * node.size:
                saved.remove(node)
                again |= extra
    return sorted(saved, key=lambda n: n.id)


def cost(node: Node) -> float:
    """What computing a node costs."""
    return math.prod(node.domain) * (0.5 if node.op in CHEAP else COSTS.get(node.op, 5.0))


def _wanted(needed: Iterable[Node], is_forward: Callable[[Node], bool], free: set[Node]) -> tuple[set[Node], set[Node]]:
    """The step's values that are read: large ones that are cheap are traced back to what they are made of."""
    saved: set[Node] = set()
    again: set[Node] = set()
    queue, seen = list(needed), set()
    while queue:
        node = queue.pop()
        if node in seen or node in free:
            continue
        seen.add(node)
        if not is_forward(node):
            queue += [a.node for a in node.args]
        elif node.size > LARGE and (node.op in CHEAP or node.op in ("assemble", "gather")):
            again.add(node)
            queue += [a.node for a in node.args]
        else:
            saved.add(node)
    return saved, again


def _missing(node: Node, there: set[Node], is_forward: Callable[[Node], bool]) -> set[Node] | None:
    """What must be computed to have ``node`` without saving it; None where that is out of the question."""
    found: set[Node] = set()
    queue = [node]
    while queue:
        n = queue.pop()
        if n in found or (n is not node and n in there) or not is_forward(n):
            continue
        if n.op in _FIRST or math.prod(n.domain) > LARGE:
            return None
        found.add(n)
        queue += [a.node for a in n.args]
    return found
