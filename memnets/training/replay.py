"""Replay of sequences that failed: what is too rare among fresh sequences to be learnt from is seen again and again."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..base.kinds import taken_back
from ..base.seeding import generator
from ..base.task import Batch, StreamTask, Task

SAVED: dict[str, Any] = dict.fromkeys(("inputs", "targets", "mask", "lengths"), Tensor)
"""What a checkpoint holds of the sequences."""


class Replay:
    """Failing sequences, some of which take part in each training batch in place of fresh ones.

    Once a task is nearly solved, one sequence in some thousand may fail, as a whole: a head moves on one step early.
    Of 16 fresh sequences a step hardly any is of that kind, so that its gradient drowns; a few of each batch are enough
    to take out the fault, and the others keep what was learnt.

    Args:
        share: of each batch, drawn from the sequences that failed as soon as there is one; of batches too small for
            that, of as many batches as make it so on average.
    """

    def __init__(self, share: float):
        self.share = share
        self.failed: Batch | None = None
        """All that failed so far."""

    def add(self, batch: Batch, failing: Tensor) -> None:
        """Keep the sequences of ``batch`` that fail; ``failing`` is ``(B,)``, bool."""
        if failing.any():
            found = _rows(batch, failing)
            self.failed = found if self.failed is None else _together(self.failed, found)

    def into(self, batch: Batch, random: torch.Generator) -> Batch:
        """``batch`` with failed sequences in place of its first ones; as it is where nothing has failed."""
        if self.failed is not None and not _fits(self.failed, batch):  # as of a checkpoint of another task
            self.failed = None
        count = 0 if self.failed is None else self._count(len(batch), random)
        if self.failed is None or not count:
            return batch
        drawn = torch.randint(len(self.failed), (count,), generator=random, device=random.device)
        replayed = _rows(self.failed, drawn)
        return replayed if count == len(batch) else _together(replayed, _rows(batch, slice(count, None)))

    def _count(self, batch_size: int, random: torch.Generator) -> int:
        """How many of a batch are replayed, the share of it on average."""
        wanted = self.share * batch_size
        if wanted == int(wanted):
            return int(wanted)
        return int(wanted + float(torch.rand((), generator=random, device=random.device)))

    def state_dict(self) -> dict[str, Tensor] | None:
        """The sequences, as plain tensors; None without any."""
        return None if self.failed is None else dict(vars(self.failed))

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Take them back."""
        self.failed = None if state is None else Batch(**taken_back(state, SAVED, {}))


def check_replay(share: float, task: Task) -> None:
    """Raise ValueError unless that share of each batch can be drawn again."""
    if not 0 < share < 1:
        raise ValueError(f"failure_replay is {share}, but must be a share of a batch such as 0.125; 0 replays nothing")
    if isinstance(task, StreamTask) or task.splits().validation is not task:
        raise ValueError(
            f"failure_replay is {share}, but {type(task).__name__} keeps what it validates on from training: leave it "
            "at 0; it is for tasks whose sequences are drawn anew each time"
        )
    if not isinstance(task.sample(1, task.min_length, generator(0, "probe", 0)), Batch):
        raise ValueError(f"failure_replay is {share}, but batches of {type(task).__name__} are of another kind: give 0")


def _fits(failed: Batch, batch: Batch) -> bool:
    """Whether sequences that were saved can stand beside others."""
    count, pairs = len(failed.mask), [(vars(failed)[name], vars(batch)[name]) for name in SAVED]
    alike = all(a.dtype is b.dtype and a.shape[2:] == b.shape[2:] and a.ndim == b.ndim for a, b in pairs)
    steps = {a.shape[1] for a, _ in pairs if a.ndim > 1}
    whole = count > 0 and len(steps) == 1 and all(len(a) == count for a, _ in pairs)
    return alike and whole and bool(((failed.lengths > 0) & (failed.lengths <= min(steps))).all())


def _rows(batch: Batch, index: Any) -> Batch:
    """Some sequences of a batch, without steps that are padding in all of them."""
    lengths = batch.lengths[index]
    longest = int(lengths.max())
    inputs, targets, mask = (values[index][:, :longest] for values in (batch.inputs, batch.targets, batch.mask))
    return Batch(inputs, targets, mask, lengths)


def _together(first: Batch, second: Batch) -> Batch:
    """The sequences of two batches as one."""
    longest = max(first.mask.shape[1], second.mask.shape[1])

    def joined(*pair: Tensor) -> Tensor:
        return torch.cat([pad(v, (0, 0) * (v.dim() - 2) + (0, longest - v.shape[1])) for v in pair])

    return Batch(
        joined(first.inputs, second.inputs),
        joined(first.targets, second.targets),
        joined(first.mask, second.mask),
        torch.cat([first.lengths, second.lengths]),
    )
