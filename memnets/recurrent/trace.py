"""Looking into a memory: one record a step, stacked over time."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..memories.base import Memory


class Trace(Mapping[str, Tensor]):
    """What a memory did, step by step: a mapping from a name to a tensor with steps in the second dimension.

    For an NTM: ``read_weights (B, T, R, N)``, ``write_weights (B, T, W, N)``, ``memory (B, T, N, M)`` after each
    step's write, ``reads (B, T, R, M)``, ``key (B, T, H, M)``, ``strength``, ``interpolation_gate`` and
    ``sharpening (B, T, H)``, ``shift (B, T, H, S)``, ``erase`` and ``add (B, T, W, M)``, with the read heads first
    in H; and ``lengths (B,)``. Steps past a sequence's length are zero. Tensors are detached.

    Several calls within one ``with`` block are joined over time, so a sequence fed in parts gives one trace. Of a
    decoder all steps within the block are one sequence, which is there when the block ends.
    """

    def __init__(self) -> None:
        self._steps: list[dict[str, Tensor]] = []
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
            sizes = [len(lengths) for _, lengths in self._calls]
            if len(set(sizes)) > 1:
                raise ValueError(f"calls with different batch sizes {sizes} were traced together: trace them apart")
            if any(len({records[name].shape[2:] for records, _ in self._calls}) > 1 for name in self._calls[0][0]):
                raise ValueError("the memory was resized between the traced calls: trace them apart")
            # A sequence that ended within a call goes on right there in the next: its steps come first, zeros last.
            order = torch.cat([_past(records, lengths) for records, lengths in self._calls], 1).argsort(
                dim=1, stable=True
            )
            joined = {name: torch.cat([records[name] for records, _ in self._calls], 1) for name in self._calls[0][0]}
            rows = torch.arange(len(order)).unsqueeze(1)  # (B, 1)
            joined = {name: records[rows, order] for name, records in joined.items()}
            self._calls = [(joined, torch.stack([lengths for _, lengths in self._calls]).sum(0))]
        if not self._calls:
            return {}
        records, lengths = self._calls[0]
        return {**records, "lengths": lengths}

    def _record(self, memory: Memory, args: tuple[Any, ...], result: tuple[Tensor, Any]) -> None:
        reads, state = result
        with torch.no_grad():
            step = {**memory.describe(args[0], state), "reads": reads}
            self._steps.append({name: tensor.detach().clone() for name, tensor in step.items()})

    def _start(self) -> None:
        self._steps = []

    def _finish_steps(self) -> None:
        """Of a module that takes its steps one by one: all of them, as one sequence."""
        sizes = [len(step["reads"]) for step in self._steps]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"steps of different batch sizes {sorted(set(sizes))} were traced together: trace one call, by "
                "attention alone and without a beam"
            )
        if sizes:
            self._finish(sizes[0], len(sizes), None)

    def _finish(self, batch_size: int, steps: int, lengths: Any) -> None:
        counts = torch.full((batch_size,), steps) if lengths is None else torch.as_tensor(lengths).cpu()
        order = torch.sort(counts, descending=True, stable=True).indices
        names = self._steps[0] if self._steps else {}
        records = {}
        for name in names:
            first = self._steps[0][name]
            whole = first.new_zeros(batch_size, steps, *first.shape[1:])  # (B, T, ...)
            for t, step in enumerate(self._steps):
                whole[order[: len(step[name])], t] = step[name]
            records[name] = whole
        self._steps = []
        if records:
            self._calls.append((records, counts))


def _past(records: dict[str, Tensor], lengths: Tensor) -> Tensor:
    """1 at the steps past each sequence's length and 0 before, (B, T)."""
    steps = next(iter(records.values())).shape[1]
    return (torch.arange(steps) >= lengths.unsqueeze(1)).int()


class trace:
    """Record what ``module``'s memory does while the block runs.

    >>> with memnets.trace(ntm) as t:
    ...     output, state = ntm(inputs)
    >>> t["write_weights"].shape  # (B, T, W, N)

    The records take B * T * N * M numbers for the memory alone: trace a few sequences, not a training set. The
    plain cell runs while a trace is recorded.

    Args:
        module: a memory module such as :class:`memnets.NTM`, or a network that holds exactly one; a
            :class:`memnets.TextReader` or :class:`memnets.Captioner` whose cell has a memory, for one greedy call
            by attention alone (the rows of a beam search are its beams, which change places).

    Raises:
        ValueError: ``module`` holds no memory, or several; at the end, the batch's size changed between steps.
    """

    def __init__(self, module: nn.Module):
        from .cell import MemoryCell
        from .unroll import Recurrent

        found: list[Any] = [m for m in module.modules() if isinstance(m, Recurrent)]
        found = [m for m in found if any(isinstance(part, Memory) for part in m.modules())]
        self.stepwise = not found  # a decoder's cell, which has no forward over a whole sequence
        found = found or [m for m in module.modules() if isinstance(m, MemoryCell)]
        if len(found) != 1:
            raise ValueError(
                f"{type(module).__name__} holds {len(found)} modules with a memory, but a trace needs exactly one: "
                "pass that module itself"
            )
        self.recurrent = found[0]
        self.memory = next(part for part in self.recurrent.modules() if isinstance(part, Memory))
        self.handles: list[Any] = []
        self.recorder = Trace()

    def __enter__(self) -> Trace:
        recorder = self.recorder = Trace()

        def before(module: Any, args: Any, kwargs: Any) -> None:
            recorder._start()

        def after(module: Any, args: Any, kwargs: Any, result: Any) -> None:
            inputs = args[0] if args else kwargs["inputs"]
            batch_size, steps = inputs.shape[:2] if module.batch_first else (inputs.shape[1], inputs.shape[0])
            recorder._finish(batch_size, steps, args[2] if len(args) > 2 else kwargs.get("lengths"))

        self.handles = [self.memory.register_forward_hook(recorder._record)]
        if not self.stepwise:
            self.handles += [
                self.recurrent.register_forward_pre_hook(before, with_kwargs=True),
                self.recurrent.register_forward_hook(after, with_kwargs=True),
            ]
        return recorder

    def __exit__(self, *exception: object) -> None:
        for handle in self.handles:
            handle.remove()
        if self.stepwise and exception[0] is None:
            self.recorder._finish_steps()
