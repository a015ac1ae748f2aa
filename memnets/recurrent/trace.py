"""Looking into a memory: one record a step, stacked over time."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..base.module import SequenceModule
from ..base.records import KINDS, Record, RecordedCell, RecordedSequence, join_steps
from ..base.state import named_tensors
from ..memories.base import Memory
from .directions import reverse
from .unroll import Recurrent

Steps = list[dict[str, Record]]

BACKWARD = "backward_cell."
"""What names begin with that are of the cell which goes from a sequence's last step to its first."""


class Trace(Mapping[str, Tensor]):
    """What a memory did, step by step: a mapping from a name to a tensor with steps in the second dimension.

    For an NTM: ``read_weights (B, T, R, N)``, ``write_weights (B, T, W, N)``, ``memory (B, T, N, M)`` after each
    step's write, ``reads (B, T, R, M)``, ``key (B, T, H, M)``, ``strength``, ``interpolation_gate`` and
    ``sharpening (B, T, H)``, ``shift (B, T, H, S)``, ``erase`` and ``add (B, T, W, M)``, with the read heads first
    in H; of any memory what its ``record`` gives, by default every part of its interface and every tensor of its
    state. And ``lengths (B,)``. Steps past a sequence's length are zero. Tensors are detached. Where a module has
    several memories, names begin with the memory's own: ``first.read_weights``. A cell that ponders has ``ponder.shares
    (B, T, P)`` and ``ponder.passes (B, T)``; a memory accessed in each pass ``pass1.reads`` and so on. Of layers over
    whole sequences it holds what their ``record`` gives, as ``attention (B, T, H, N)``, where there are several
    ``blocks.0.layer.attention`` and so on. Of a module of two directions names begin with ``cell.`` and
    ``backward_cell.``, and the steps of both are those of the inputs.

    Several calls within one ``with`` block are joined over time, so a sequence fed in parts gives one trace. Of a
    decoder all steps within the block are one sequence, which is there when the block ends.

    Attributes:
        kinds: how each record is drawn, one of :data:`memnets.base.records.KINDS` by name.
    """

    def __init__(self, passes: Mapping[str, int] | None = None) -> None:
        self.kinds: dict[str, str] = {}
        self._passes = passes or {}  # accesses a step, of a memory that is accessed more than once
        self._steps: dict[str, Steps] = {}
        self._parts: dict[str, list[dict[str, Tensor]]] = {}  # of whole sequences, one after another
        self._growing: set[str] = set()  # records of whole sequences, over as many places as there were steps so far
        self._calls: list[tuple[dict[str, Tensor], Tensor]] = []

    def __getitem__(self, name: str) -> Tensor:
        """The record called ``name``; KeyError names those there are."""
        records = self._stacked()
        if name not in records:
            raise KeyError(f"the trace holds no {name!r}; it holds {', '.join(records) or 'nothing yet'}")
        return records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stacked())

    def __len__(self) -> int:
        return len(self._stacked())

    def _stacked(self) -> dict[str, Tensor]:
        if len(self._calls) > 1:
            self._calls = [_join(self._calls, self._growing)]
        if not self._calls:
            return {}
        records, lengths = self._calls[0]
        return {**records, "lengths": lengths}

    def _record(self, prefix: str, memory: Memory, args: tuple[Any, ...], result: tuple[Tensor, Any]) -> None:
        (emission, before), (reads, after) = args, result
        with torch.no_grad(), torch.autocast(emission.device.type, enabled=False):
            parts = memory.interface(emission.to(next(t for _, t in named_tensors(after)).dtype))
            records = {"reads": Record(reads, "vector"), **memory.record(parts, before, after)}
        passes = self._passes.get(prefix, 1)
        if passes > 1:
            before = sum(len(taken) for own, taken in self._steps.items() if own.startswith(f"{prefix}pass"))
            prefix = f"{prefix}pass{before % passes + 1}."
        self._keep(prefix, memory, records)

    def _record_cell(self, prefix: str, cell: Any, args: tuple[Any, ...], result: tuple[Tensor, Any]) -> None:
        self._keep(prefix, cell, cell.record(args[1], result[1]))

    def _record_part(self, prefix: str, module: nn.Module, records: Mapping[str, Record]) -> None:
        kept = self._checked(prefix, module, records)
        if kept:
            self._parts.setdefault(prefix, []).append({name: record.value for name, record in kept.items()})

    def _keep(self, prefix: str, module: nn.Module, records: Mapping[str, Record]) -> None:
        self._steps.setdefault(prefix, []).append(self._checked(prefix, module, records))

    def _checked(self, prefix: str, module: nn.Module, records: Mapping[str, Record]) -> dict[str, Record]:
        for name, record in records.items():
            if record.kind not in KINDS:
                raise ValueError(
                    f"{type(module).__name__}.record says that {name} is a {record.kind!r}, but a kind is one of "
                    f"{', '.join(KINDS)}"
                )
            self.kinds[prefix + name] = record.kind
        return {prefix + name: Record(value.detach().clone(), kind) for name, (value, kind) in records.items()}

    def _start(self) -> None:
        self._steps, self._parts = {}, {}

    def _finish_steps(self) -> None:
        """Of a module that takes its steps one by one: all of them, as one sequence."""
        sizes = {len(_first(step)) for steps in self._steps.values() for step in steps}
        if len(sizes) > 1:
            raise ValueError(
                f"steps of different batch sizes {sorted(sizes)} were traced together: trace one call, by attention "
                "alone and without a beam"
            )
        if sizes:
            self._finish(sizes.pop(), max(map(len, self._steps.values())), None)

    def _finish(self, batch_size: int, steps: int, lengths: Any, *, sorted_rows: bool = False) -> None:
        counts = torch.full((batch_size,), steps) if lengths is None else torch.as_tensor(lengths).cpu()
        records: dict[str, Tensor] = {}
        for prefix, taken in self._steps.items():
            if len(taken) != int(counts.max()):
                name = f"the memory {prefix.rstrip('.')!r}" if prefix else "the memory"
                raise ValueError(
                    f"{name} was accessed {len(taken)} times in {int(counts.max())} steps, but a trace needs one "
                    "access a step"
                )
            stacked = _stack(taken, steps, counts)
            if prefix.startswith(BACKWARD):
                stacked = {name: reverse(tensor, counts.to(tensor.device)) for name, tensor in stacked.items()}
            records |= stacked
        for parts in self._parts.values():
            joined = _joined_parts(parts, steps, counts, sorted_rows)
            self._growing |= joined.keys()
            records |= joined
        self._start()
        if records:
            self._calls.append((records, counts))


def _joined_parts(parts: list[dict[str, Tensor]], steps: int, counts: Tensor, sorted_rows: bool) -> dict[str, Tensor]:
    """Records (B, T, ...) of a call in parts, zero past each sequence's length; rows may be the longest first."""
    records = {name: join_steps([part[name] for part in parts]) for name in parts[0]}
    taken = {tuple(value.shape[:2]) for value in records.values()}
    if taken != {(len(counts), steps)}:
        raise ValueError(
            f"records of {', '.join(records)} are of {sorted(taken)} sequences and steps, but the call was of "
            f"{(len(counts), steps)}: give values (B, T, ...)"
        )
    if sorted_rows:
        back = torch.sort(counts, descending=True, stable=True).indices.argsort()
        records = {name: value[back.to(value.device)] for name, value in records.items()}
    past = torch.arange(steps) >= counts.unsqueeze(1)  # (B, T)
    return {
        name: value.masked_fill(past.view(*past.shape, *[1] * (value.dim() - 2)).to(value.device), 0)
        for name, value in records.items()
    }


def _first(step: dict[str, Record]) -> Tensor:
    return next(iter(step.values())).value


def _stack(taken: Steps, steps: int, counts: Tensor) -> dict[str, Tensor]:
    """Records (B, T, ...) of steps, whose rows are the longest sequences first; what grows is filled up with zeros."""
    order = torch.sort(counts, descending=True, stable=True).indices
    records = {}
    for name in taken[0]:
        values = [step[name].value for step in taken]
        shape = [max(sizes) for sizes in zip(*(value.shape[1:] for value in values))]
        whole = values[0].new_zeros(len(counts), steps, *shape)  # (B, T, ...)
        for t, value in enumerate(values):
            inside = tuple(slice(size) for size in value.shape[1:])
            whole[(order[: len(value)], t, *inside)] = value
        records[name] = whole
    return records


def _join(calls: list[tuple[dict[str, Tensor], Tensor]], growing: set[str]) -> tuple[dict[str, Tensor], Tensor]:
    """Several calls as one, each sequence going on where it ended in the call before."""
    sizes = [len(lengths) for _, lengths in calls]
    if len(set(sizes)) > 1:
        raise ValueError(f"calls with different batch sizes {sizes} were traced together: trace them apart")
    if any(len({records[name].shape[2:] for records, _ in calls}) > 1 for name in {*calls[0][0]} - growing):
        raise ValueError("the memory was resized between the traced calls: trace them apart")
    # A sequence that ended within a call goes on right there in the next: its steps come first, zeros last.
    order = torch.cat([_past(records, lengths) for records, lengths in calls], 1).argsort(dim=1, stable=True)
    rows = torch.arange(len(order)).unsqueeze(1)  # (B, 1)
    joined = {name: join_steps([records[name] for records, _ in calls])[rows, order] for name in calls[0][0]}
    return joined, torch.stack([lengths for _, lengths in calls]).sum(0)


def _past(records: dict[str, Tensor], lengths: Tensor) -> Tensor:
    """1 at the steps past each sequence's length and 0 before, (B, T)."""
    steps = next(iter(records.values())).shape[1]
    return (torch.arange(steps) >= lengths.unsqueeze(1)).int()


class trace:
    """Record what ``module``'s memories do while the block runs, and its cells that ponder.

    >>> with memnets.trace(ntm) as t:
    ...     output, state = ntm(inputs)
    >>> t["write_weights"].shape  # (B, T, W, N)

    The records take B * T * N * M numbers for the memory alone: trace a few sequences, not a training set. The
    plain cell runs while a trace is recorded, also of a compiled module; calls from other threads are not recorded.

    Args:
        module: a memory module such as :class:`memnets.NTM`, or a network that holds exactly one; a
            :class:`memnets.TextReader` or :class:`memnets.Captioner` whose cell has a memory, for one greedy call
            by attention alone (the rows of a beam search are its beams, which change places).

    Raises:
        ValueError: ``module`` holds no memory, or several modules with one; at the end, the batch's size changed
            between steps.
    """

    def __init__(self, module: nn.Module):
        found: list[Any] = _over_time(module)
        self.stepwise = not found  # a decoder's cell, which has no forward over a whole sequence
        within: Any = module if self.stepwise else found[0]
        if isinstance(within, Recurrent) and within.backward_cell is None:
            within = within.cell
        self.memories, self.cells = _memories(within), _cells(within)
        self.sequences = {} if self.stepwise else _sequences(within)
        if not (self.memories or self.cells or self.sequences):
            raise ValueError(
                f"{type(module).__name__} records nothing of its steps: a trace is of a memnets.Memory, such as that "
                "of memnets.NTM; of other modules the returned state says what they hold"
            )
        if len(found) > 1:
            raise ValueError(
                f"{type(module).__name__} holds {len(found)} modules with a memory, but a trace needs exactly one: "
                "pass that module itself"
            )
        self.recurrent = None if self.stepwise else found[0]
        self.handles: list[Any] = []
        self.passes = {_prefix(name): _passes(within, memory) for name, memory in self.memories.items()}
        self.recorder = Trace()

    def __enter__(self) -> Trace:
        recorder = self.recorder = Trace(self.passes)
        thread = threading.get_ident()

        def before(*_: Any) -> None:
            if threading.get_ident() == thread:
                recorder._start()

        def listen(prefix: str, part: Any) -> Callable[[Mapping[str, Record]], None]:
            def take(records: Mapping[str, Record]) -> None:
                if threading.get_ident() == thread:
                    recorder._record_part(prefix, part, records)

            return take

        def after(module: Any, args: Any, *given: Any) -> None:  # in another thread, while they are removed, no kwargs
            if threading.get_ident() == thread:
                kwargs: Any = given[0]
                inputs = args[0] if args else kwargs["inputs"]
                if module.is_unbatched(inputs):  # the call within, of a batch of one, has been recorded
                    return
                batch_size, steps = inputs.shape[:2] if module.batch_first else (inputs.shape[1], inputs.shape[0])
                lengths, resets = (
                    args[place] if len(args) > place else kwargs.get(name)
                    for place, name in ((2, "lengths"), (3, "resets"))
                )
                recorder._finish(batch_size, steps, lengths, sorted_rows=None not in (lengths, resets))

        for name, memory in self.memories.items():
            self.handles.append(memory.register_forward_hook(_Recording(recorder._record, _prefix(name), thread)))
        for name, cell in self.cells.items():
            self.handles.append(cell.register_forward_hook(_Recording(recorder._record_cell, _prefix(name), thread)))
        for name, part in self.sequences.items():
            part.recorder = listen(_prefix(name), part)
        if self.recurrent is not None:
            self.handles += [
                self.recurrent.register_forward_pre_hook(before, with_kwargs=True),
                self.recurrent.register_forward_hook(after, with_kwargs=True),
            ]
        self.stance = torch.compiler.set_stance("force_eager")  # a compiled graph would not call the hooks
        self.stance.__enter__()
        return recorder

    def __exit__(self, *exception: Any) -> None:
        self.stance.__exit__(*exception)
        for handle in self.handles:
            handle.remove()
        self.handles = []
        for part in self.sequences.values():
            part.recorder = None
        if self.stepwise and exception[0] is None:
            self.recorder._finish_steps()


def _memories(module: nn.Module) -> dict[str, Memory]:
    """By what its records' names begin with: nothing where there is one alone."""
    found = {name: part for name, part in module.named_modules() if isinstance(part, Memory)}
    return found if len(found) > 1 else dict(zip([""], found.values()))


def _cells(module: nn.Module) -> dict[str, Any]:
    """Those that say what they did, as those that ponder, by what their records' names begin with."""
    found = {name: part for name, part in module.named_modules() if isinstance(part, RecordedCell)}
    if len(found) == 1:
        return {part.trace_name: part for part in found.values()}
    return {".".join(filter(None, (name, part.trace_name))): part for name, part in found.items()}


def _sequences(module: nn.Module) -> dict[str, RecordedSequence]:
    """Those that say what they did over whole sequences: nothing of those that leave it to what is within them."""
    found = {name: part for name, part in module.named_modules() if isinstance(part, RecordedSequence)}
    return found if len(found) > 1 else dict(zip([""], found.values()))


def _over_time(module: nn.Module) -> list[SequenceModule]:
    """The modules that go over whole sequences and have something to say about it, but not those around them."""
    found = [part for part in module.modules() if isinstance(part, SequenceModule) and is_traceable(part)]
    return [part for part in found if not any(other is not part and other in part.modules() for other in found)]


def is_traceable(module: nn.Module) -> bool:
    """Whether a trace of ``module`` has anything to record."""
    return any(isinstance(part, (Memory, RecordedCell, RecordedSequence)) for part in module.modules())


def _passes(module: nn.Module, memory: Memory) -> int:
    """How often a memory within ``module`` is accessed a step."""
    around = [part for part in module.modules() if any(inner is memory for inner in part.modules())]
    return math.prod(getattr(part, "passes", 1) for part in around)


def _prefix(name: str) -> str:
    return f"{name}." if name else ""


class _Recording:
    """A hook that records a step of one thread; the plain cell, which calls it, is what a trace is meant to run."""

    expected = True

    def __init__(self, record: Any, prefix: str, thread: int):
        self.record, self.prefix, self.thread = record, prefix, thread

    def __call__(self, module: Any, args: tuple[Any, ...], result: Any) -> None:
        if threading.get_ident() == self.thread:
            self.record(self.prefix, module, args, result)
