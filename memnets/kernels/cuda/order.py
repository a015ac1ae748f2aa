"""The order of a step's pieces, with barriers between those that depend on each other.

Pieces of a level run side by side: none reads what another writes. Where all that passes from one piece to the next
stays within a warp, they are one strand of a level, and only the warp waits for itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..generate.node import Node, View
from ..generate.places import Buffer, Place, turned, turned_place, whole_place
from ..generate.schedule import Nest, Plan
from .nests import Layout, Mapping, Text


class Access(NamedTuple):
    """Numbers of a room that a piece reads or writes.

    Attributes:
        base: the room.
        at: which, sorted, each once.
        writes: whether it writes them.
        over: the place over the nest's range, where each thread has its own; None where any may read any.
    """

    base: str
    at: np.ndarray
    writes: bool
    over: Place | None = None


@dataclass(eq=False)
class Piece:
    """Code by what it reads and writes.

    Attributes:
        accesses: all of them.
        write: gives the code for a mapping, which is None where there is but one.
        layout: how threads may share it, or None.
    """

    accesses: list[Access]
    write: Callable[[Mapping | None], Text]
    layout: Layout | None = None
    mapping: Mapping | None = None

    def __post_init__(self) -> None:
        self.mapping = self.layout and self.layout.best()


@dataclass(eq=False)
class Strand:
    """Pieces one after another, the same warps at each."""

    pieces: list[Piece] = field(default_factory=list)


def stretch(base: str, first: int, size: int, writes: bool = False) -> Access:
    """Numbers in a row."""
    return Access(base, np.arange(first, first + size), writes)


def accesses_of(plan: Plan, nest: Nest, searched: set[Node]) -> list[Access]:
    """What a nest reads and writes; of the nodes ``searched`` any part may be read."""
    found = []
    for statement, order in zip(nest.statements, nest.orders):
        opaque = statement.kind == "opaque"
        for read in statement.reads:
            if read.node not in plan.buffers:  # a constant
                continue
            view = read if opaque else turned(read, order)
            if view.key not in nest.made.get(read.node, ()):
                found.append(_read(plan.buffers[read.node], view, read.node in searched, opaque))
        if opaque and statement.node is not None:
            whole = whole_place(statement.node.shape, statement.place.buffer)
            found.append(Access(whole.buffer.base, _numbers(whole, statement.node.shape), True))
        elif statement.node is None or statement.node in plan.kept:
            place = turned_place(statement.place, order)
            found.append(Access(place.buffer.base, _numbers(place, nest.range), True, place))
    return [access for access in found if not access.base.startswith("par")]


def _read(buffer: Buffer, view: View, searched: bool, opaque: bool) -> Access:
    if searched:
        return Access(buffer.base, _numbers(whole_place(view.node.shape, buffer), view.node.shape), False)
    place = Place(buffer, view.offset, view.coef)
    return Access(buffer.base, _numbers(place, view.shape), False, None if opaque else place)


def _numbers(place: Place, shape: Sequence[int]) -> np.ndarray:
    """What a place takes of its room over a range."""
    return np.unique(_over(place, shape))


def _over(place: Place, shape: Sequence[int], whole: bool = False) -> np.ndarray:
    """The same for each index of the range: of axes along which it is the same, of the first only unless ``whole``."""
    strides = place.buffer.strides
    at = np.array(place.buffer.first + sum(o * st for o, st in zip(place.offset, strides))).reshape([1] * len(shape))
    for axis, n in enumerate(shape):
        step = sum(row[axis] * st for row, st in zip(place.coef, strides))
        if step:
            at = at + step * np.arange(n).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return np.broadcast_to(at, shape) if whole else at


def levels(pieces: Sequence[Piece], same: dict[str, str]) -> list[list[Strand]]:
    """The strands between one barrier and the next; a piece comes as early as what it meets in the given order allows.

    Args:
        pieces: in an order in which each comes after what it reads.
        same: rooms that are laid over another, by name.
    """
    found: list[list[Strand]] = []
    known: dict[str, list[tuple[int, Strand, Piece, Access]]] = {}
    for piece in pieces:
        level, met = -1, []
        for access in piece.accesses:
            for other, strand, its, theirs in known.get(same.get(access.base, access.base), ()):
                if other >= level and (access.writes or theirs.writes) and _meet(access.at, theirs.at):
                    met = [*(met if other == level else []), (strand, its, access, theirs)]
                    level = other
        strand = met[0][0] if met and _joins(piece, met) else None
        if strand is None:
            strand, level = Strand(), level + 1
            while len(found) <= level:
                found.append([])
            found[level].append(strand)
        strand.pieces.append(piece)
        for access in piece.accesses:
            known.setdefault(same.get(access.base, access.base), []).append((level, strand, piece, access))
    return found


def _meet(a: np.ndarray, b: np.ndarray) -> bool:
    if not len(a) or not len(b) or a[0] > b[-1] or b[0] > a[-1]:
        return False
    return len(np.intersect1d(a, b, assume_unique=True)) > 0


def _joins(piece: Piece, met: list[tuple[Strand, Piece, Access, Access]]) -> bool:
    """Whether a piece can go on where another ends, warp by warp; its mapping is then such a one."""
    if piece.layout is None or len({id(strand) for strand, *_ in met}) > 1:
        return False
    if any(access.over is None or theirs.over is None for *_, access, theirs in met):
        return False
    mapping = met[0][0].pieces[-1].mapping
    if mapping is None:
        return False
    for candidate in [piece.layout.best(), *piece.layout.others(mapping.group)]:
        if all(_within_warps(its, theirs, piece.layout, candidate, access) for _, its, access, theirs in met):
            piece.mapping = candidate
            return True
    return False


def _within_warps(its: Piece, theirs: Access, layout: Layout, mapping: Mapping, access: Access) -> bool:
    assert its.layout is not None
    assert its.mapping is not None
    assert theirs.over is not None
    assert access.over is not None
    one = _warp_of_each(theirs.over, its.layout, its.mapping)
    other = _warp_of_each(access.over, layout, mapping)
    if one is None or other is None:
        return False
    _, here, there = np.intersect1d(one[0], other[0], assume_unique=True, return_indices=True)
    return bool((one[1][here] == other[1][there]).all())


def _warp_of_each(place: Place, layout: Layout, mapping: Mapping) -> tuple[np.ndarray, np.ndarray] | None:
    """The numbers and which warp has each; None where several have one."""
    at, warps = _over(place, layout.nest.range, True).ravel(), layout.warps(mapping).ravel()
    numbers, first, inverse = np.unique(at, return_index=True, return_inverse=True)
    return (numbers, warps[first]) if bool((warps == warps[first][inverse]).all()) else None


def side_by_side(strands: Sequence[Strand], threads: int) -> list[str]:
    """The strands of a level, each by the threads after those of the one before, round and round."""
    lines, first = [], 0
    for strand in strands:
        texts = [piece.write(piece.mapping) for piece in strand.pieces]
        me = f"(thread + {threads - first}) & {threads - 1}" if first else "thread"
        lines.append(f"{{ const int me = {me};")
        for k, text in enumerate(texts):
            lines += [*(["__syncwarp();"] if k else []), "{", *text.lines, "}"]
        lines.append("}")
        first = (first + min(max(text.threads for text in texts), threads)) % threads
    return lines
