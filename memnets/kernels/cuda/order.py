"""Which pieces of a step may run side by side: between two barriers none reads what another writes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..generate.node import Node, View
from ..generate.places import Buffer, Place, turned, whole_place
from ..generate.schedule import Nest, Plan
from .nests import Text


class Span(NamedTuple):
    """Numbers of a room: ``at`` is sorted, and each stands there once."""

    base: str
    at: np.ndarray


@dataclass(eq=False)
class Piece:
    """Code, and what it reads and writes."""

    text: Text
    reads: list[Span] = field(default_factory=list)
    writes: list[Span] = field(default_factory=list)


def stretch(base: str, first: int, size: int) -> Span:
    """Numbers in a row."""
    return Span(base, np.arange(first, first + size))


def span_of(place: Place, shape: Sequence[int]) -> Span:
    """What a place takes of its room over a range."""
    strides = place.buffer.strides
    at = np.array([place.buffer.first + sum(o * st for o, st in zip(place.offset, strides))])
    for axis, n in enumerate(shape):
        step = sum(row[axis] * st for row, st in zip(place.coef, strides))
        if step:
            at = (at[:, None] + step * np.arange(n)).ravel()
    return Span(place.buffer.base, np.unique(at))


def spans_of_nest(plan: Plan, nest: Nest, searched: set[Node]) -> tuple[list[Span], list[Span]]:
    """What a nest reads and writes; of the nodes ``searched`` any part may be read."""
    reads, writes = [], []
    for statement, order in zip(nest.statements, nest.orders):
        for read in statement.reads:
            if read.node not in plan.buffers:  # a constant
                continue
            view = read if statement.kind == "opaque" else turned(read, order)
            if view.key in nest.made.get(read.node, ()):
                continue
            reads.append(_read_span(plan.buffers[read.node], read, read.node in searched))
        if statement.kind == "opaque" and statement.node is not None:
            writes.append(span_of(whole_place(statement.node.shape, statement.place.buffer), statement.node.shape))
        elif statement.node is None or statement.node in plan.kept:
            writes.append(span_of(statement.place, statement.range))
            if statement.kind == "add":
                reads.append(writes[-1])
    return [r for r in reads if not r.base.startswith("par")], writes


def _read_span(buffer: Buffer, view: View, whole: bool) -> Span:
    if whole:
        return span_of(whole_place(view.node.shape, buffer), view.node.shape)
    return span_of(Place(buffer, view.offset, view.coef), view.shape)


def levels(pieces: Sequence[Piece], same: dict[str, str]) -> list[list[Piece]]:
    """The pieces between one barrier and the next; each comes as early as what it meets in the given order allows.

    Args:
        pieces: in an order in which each comes after what it reads.
        same: rooms that are laid over another, by name.
    """
    found: list[list[Piece]] = []
    known: dict[str, list[tuple[int, bool, np.ndarray]]] = {}
    for piece in pieces:
        level = 0
        for spans, writing in ((piece.reads, False), (piece.writes, True)):
            for base, at in spans:
                for other, wrote, its in known.get(same.get(base, base), ()):
                    if other >= level and (writing or wrote) and _meet(at, its):
                        level = other + 1
        for spans, writing in ((piece.reads, False), (piece.writes, True)):
            for base, at in spans:
                known.setdefault(same.get(base, base), []).append((level, writing, at))
        while len(found) <= level:
            found.append([])
        found[level].append(piece)
    return found


def _meet(a: np.ndarray, b: np.ndarray) -> bool:
    if not len(a) or not len(b) or a[0] > b[-1] or b[0] > a[-1]:
        return False
    return len(np.intersect1d(a, b, assume_unique=True)) > 0


def side_by_side(pieces: Sequence[Piece], threads: int) -> list[str]:
    """The pieces of a level, each by the threads after those of the one before, round and round."""
    lines, first = [], 0
    for piece in pieces:
        me = f"(thread + {(threads - first) % threads}) & {threads - 1}" if first else "thread"
        lines += [f"{{ const int me = {me};", *piece.text.lines, "}"]
        first = (first + min(piece.text.threads, threads)) % threads
    return lines
