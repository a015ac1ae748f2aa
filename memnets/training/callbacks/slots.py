"""Training on memories of several sizes."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from ...base.seeding import generator
from ...memories.base import Memory


class VaryingSlots(pl.Callback):
    """Each training step runs on a number of slots of its own: drawn between ``least`` and the model's.

    Writes that stray over a memory of 128 slots do no harm to the 20 vectors of a training sequence, so nothing
    teaches the network to avoid them; at 120 vectors they do. A memory as small as the sequence makes them count in
    training already, and no number of slots can be learnt by heart. Validation and evaluation use the model's own.
    The number of a step is a function of the learner's seed and the step alone.

    Args:
        least: N at least; without effect on a memory that has no more, or on a model without one.
        sizes: of so many numbers, evenly spread, each of which has a kernel compiled once; None for all between.

    Raises:
        ValueError: ``least`` is below 1, or ``sizes`` below 2.
    """

    def __init__(self, least: int, sizes: int | None = None):
        if sizes is not None and sizes < 2:
            raise ValueError(f"slot_sizes is {sizes}, but must be at least 2; null draws among all numbers of slots")
        if least < 1:
            raise ValueError(f"min_slots is {least}, but must be at least 1; null trains on the model's own slots")
        self.least, self.sizes = least, sizes
        self.own: dict[Memory, int] = {}

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Resize the memories for the step to come."""
        random = generator(pl_module.seed, "slots", pl_module.batches)
        self.own = {memory: memory.slots for memory in memories(pl_module.model)}
        for memory, slots in self.own.items():
            if slots > self.least:
                memory.resize(self._drawn(slots, random))

    def _drawn(self, slots: int, random: torch.Generator) -> int:
        if self.sizes is None:
            return int(torch.randint(self.least, slots + 1, (1,), generator=random))
        sizes = torch.linspace(self.least, slots, self.sizes).round().int().tolist()
        return sizes[int(torch.randint(self.sizes, (1,), generator=random))]

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Give them their own number again."""
        for memory, slots in self.own.items():
            memory.resize(slots)

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        """The same when a step is broken off."""
        for memory, slots in self.own.items():
            memory.resize(slots)


def memories(model: nn.Module) -> list[Memory]:
    """The memories in a model."""
    return [part for part in model.modules() if isinstance(part, Memory)]
