"""From a trace to the records of one sequence, each in the shape of its kind; the checks live here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor

from memnets.base.records import KINDS
from memnets.viz import _slots
from memnets.viz._batches import length_at, to_numpy

MOST_LINES = 7
"""As many colours as there are to tell lines apart; more gates or scalars than these are drawn as an image."""

DIMENSIONS = {"weighting": 1, "gate": 0, "vector": 1, "contents": 2, "matrix": 2, "scalar": 0}
"""How many of the last dimensions of a record are one head's, or one stack's, at one step."""


class TraceLike(Protocol):
    """What the figures read of a trace: tensors by name with batch and steps first, and what kind each is of."""

    @property
    def kinds(self) -> Mapping[str, str]:
        """The kind of each record, by name: one of ``memnets.base.records.KINDS``."""
        ...

    def __getitem__(self, name: str, /) -> Tensor:
        """The record ``(B, T, ...)``, or the ``lengths (B,)``."""
        ...


class TracedRecord(NamedTuple):
    """One record of one sequence, cut at its length L.

    Attributes:
        name: without the memory's own.
        memory: which of several memories it is of, or nothing.
        kind: one of ``memnets.base.records.KINDS``.
        values: float32 of the kind's shape: weighting ``(L, H, N)``; gate and scalar ``(L, H, A)``, where A is 1 if
            they are few enough to be lines; vector ``(L, H, M)``; contents ``(L, K, N, M)``; matrix ``(L, K, N, N)``.
    """

    name: str
    memory: str
    kind: str
    values: np.ndarray

    @property
    def title(self) -> str:
        """The name for people, without signs that matplotlib takes for mathematics."""
        return f"{self.memory}: {self.name}".removeprefix(": ").replace("_", " ").replace("$", r"\$")

    @property
    def heads(self) -> int:
        """Heads, or stacks of contents."""
        return self.values.shape[1]

    @property
    def places(self) -> int | None:
        """The N of a weighting, of contents and of a matrix."""
        axis = {"weighting": 2, "contents": 2, "matrix": 2}.get(self.kind)
        return None if axis is None else self.values.shape[axis]


def traced(trace: TraceLike, name: str, index: int, kind: str | None = None) -> TracedRecord:
    """One record of one sequence, up to the sequence's length.

    Args:
        trace: records by name with their kinds, and lengths ``(B,)``.
        name: which record.
        index: which sequence of the batch.
        kind: what it must be, or None for any.

    Raises:
        KeyError: the trace does not hold ``name``, or not ``lengths``.
        IndexError: no such sequence.
        ValueError: the record is of another kind, does not have the shape of its kind, or the sequence is empty.
    """
    values, lengths = _tensor(trace, name), _tensor(trace, "lengths")
    own = trace.kinds[name]
    if own not in KINDS:
        raise ValueError(f"trace['{name}'] is of the kind {own!r}, but a kind is one of {', '.join(KINDS)}")
    if kind not in (None, own):
        raise ValueError(f"this figure needs trace['{name}'] to be a {kind}, but it is a {own}")
    least = 2 + DIMENSIONS[own]
    if values.ndim < least or not values.numel() or values.is_complex():
        raise ValueError(
            f"trace['{name}'] is a {own} and needs at least {least} dimensions (batch and steps first), none of them "
            f"empty, and real numbers, got {tuple(values.shape)} of {values.dtype}"
        )
    if own == "matrix" and values.shape[-1] != values.shape[-2]:
        raise ValueError(f"trace['{name}'] is a matrix and must be (B, T, ..., N, N), got {tuple(values.shape)}")
    if len(lengths) != len(values):
        raise ValueError(f"trace['{name}'] holds {len(values)} sequences, but lengths {len(lengths)}")
    cut = to_numpy(values[index, : length_at(lengths, index, values.shape[1])])
    memory, _, short = name.rpartition(".")
    return TracedRecord(short, memory, own, _shaped(cut, own))


def all_records(trace: TraceLike, index: int, kinds: Iterable[str] = KINDS) -> list[TracedRecord]:
    """The records of certain kinds in the order of the trace, those named ``write...`` first among their memory's.

    Raises:
        ValueError: there is none.
    """
    wanted = tuple(kinds)
    names = [name for name in trace.kinds if trace.kinds[name] in wanted]
    if not names:
        raise ValueError(
            f"this figure needs a record of the kind {' or '.join(wanted)}, but the trace holds only {_held(trace)}"
        )
    records = [traced(trace, name, index) for name in names]
    order = list(dict.fromkeys(record.memory for record in records))
    return sorted(records, key=lambda record: (order.index(record.memory), not record.name.startswith("write")))


def by_memory(records: Sequence[TracedRecord]) -> Iterator[list[TracedRecord]]:
    """The records of each memory."""
    for memory in dict.fromkeys(record.memory for record in records):
        yield [record for record in records if record.memory == memory]


def drawable(trace: TraceLike, index: int = 0) -> tuple[TraceLike, dict[str, str]]:
    """The trace without the records that cannot be drawn, and why each of those cannot.

    Args:
        trace: records by name with their kinds, and lengths ``(B,)``.
        index: which sequence of the batch.

    Raises:
        KeyError: the trace does not hold ``lengths``.
    """
    _tensor(trace, "lengths")
    kinds, reasons = {}, {}
    for name, kind in trace.kinds.items():
        try:
            traced(trace, name, index)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            reasons[name] = str(error.args[0] if error.args else error)
        else:
            kinds[name] = kind
    return _Part(trace, kinds), reasons


class _Part(Mapping[str, Tensor]):
    """Some of the records of a trace."""

    def __init__(self, trace: TraceLike, kinds: Mapping[str, str]):
        self._trace = trace
        self.kinds = kinds

    def __getitem__(self, name: str) -> Tensor:
        if name != "lengths" and name not in self.kinds:
            raise KeyError(name)
        return self._trace[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self.kinds, "lengths"])

    def __len__(self) -> int:
        return len(self.kinds) + 1


def slots_pointed_at(records: Sequence[TracedRecord], places: int) -> np.ndarray:
    """The slots worth drawing by a memory's weightings over so many, of which there is one: see ``used_slots``."""
    over = [record.values for record in records if record.kind == "weighting" and record.places == places]
    return _slots.used_slots(_slots.of_weights(*over))


def slots_filled(records: Sequence[TracedRecord], places: int) -> np.ndarray:
    """The slots worth drawing by all of a memory's records over so many: weightings, contents, matrices."""
    over = [record for record in records if record.places == places]
    weights = [record.values for record in over if record.kind == "weighting"]
    contents = [record.values for record in over if record.kind == "contents"]
    relations = [_slots.of_relations(record.values) for record in over if record.kind == "matrix"]
    activities = [_slots.of_weights(*weights)] if weights else []
    measure = _slots.of_changes if weights else _slots.of_contents  # the heads tell what the first step changed
    return _slots.used_slots(*activities, *map(measure, contents), *relations)


def slots_of_memory(records: Sequence[TracedRecord]) -> int | None:
    """Over how many places the weightings go that point into a memory: as many as it holds, else the most there are.

    A weighting may also choose among other things, such as shifts or ways to read. None where there is no weighting.
    """
    places = {record.values.shape[2] for record in records if record.kind == "weighting"}
    held = {record.values.shape[2] for record in records if record.kind == "contents"}
    return max(places & held or places, default=None)


def mask_of(mask: Tensor | None, index: int, length: int) -> np.ndarray | None:
    """Which steps of the sequence are scored, ``(L,)``; None where no mask is given.

    Raises:
        ValueError: the mask is not of this batch.
    """
    if mask is None:
        return None
    if mask.ndim != 2 or not 0 <= index < len(mask) or mask.shape[1] < length:
        raise ValueError(
            f"mask must be (B, T) of the traced batch, with at least {length} steps of sequence {index}, "
            f"got {tuple(mask.shape)}"
        )
    return to_numpy(mask[index, :length]) > 0.5


def _tensor(trace: TraceLike, name: str) -> Tensor:
    held = name in trace.kinds if name != "lengths" else True
    try:
        if held:
            return trace[name]
    except KeyError:
        pass
    raise KeyError(
        f"this figure needs trace['{name}'], but the trace holds only {_held(trace)}; "
        "record it from a memory that computes it"
    ) from None


def _held(trace: TraceLike) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in trace.kinds.items()) or "nothing"


def _shaped(values: np.ndarray, kind: str) -> np.ndarray:
    """Values ``(L, ...)`` in the shape of their kind, with all dimensions of heads as one."""
    length = len(values)
    if kind in ("gate", "scalar"):
        if values.ndim > 2 and values.shape[-1] > 1:
            return values.reshape(length, -1, values.shape[-1])
        values = values.reshape(length, -1)
        return values[:, :, None] if values.shape[1] <= MOST_LINES else values[:, None, :]
    own = values.shape[values.ndim - DIMENSIONS[kind] :]
    return values.reshape(length, -1, *own)
