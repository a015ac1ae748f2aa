"""What training asks of a task and of a curriculum; ``memnets_tasks`` has those of this project."""

from typing import Any, Protocol

import torch
from torch import Tensor


class Task(Protocol):
    """A task: see ``memnets_tasks.Task`` for the meaning of each part."""

    input_size: int
    output_size: int
    min_length: int
    max_length: int
    evaluation_lengths: tuple[int, ...]
    length_unit: str
    threshold: float

    def sample_lengths(self, batch_size: int, generator: torch.Generator, max_length: int | None = None) -> Tensor:
        """Training lengths (B,)."""
        ...

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Any:
        """A batch with ``inputs``, ``targets``, ``mask`` and ``lengths``."""
        ...

    def loss(self, logits: Tensor, batch: Any) -> Tensor:
        """A scalar."""
        ...

    def metrics(self, logits: Tensor, batch: Any) -> dict[str, Tensor]:
        """Named scalars."""
        ...

    def per_sequence_errors(self, logits: Tensor, batch: Any) -> Tensor:
        """Errors (B,) in the unit of ``threshold``."""
        ...


class PredictionTask(Protocol):
    """A task for models with a loss and predictions of their own: see ``memnets_tasks.images`` for each part.

    Any task may also have ``held_out()``, which gives the same task on data kept from training, or None: runs are
    evaluated on that; ``validation()``, likewise, for the validations of training; and ``evaluations()``, tasks by
    name that show what is new to a trained model in different ways. With ``load_images(paths)`` a run can read or
    describe image files.
    """

    min_length: int
    max_length: int
    evaluation_lengths: tuple[int, ...]
    length_unit: str
    threshold: float

    def sample_lengths(self, batch_size: int, generator: torch.Generator, max_length: int | None = None) -> Tensor:
        """Training lengths (B,)."""
        ...

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Any:
        """A batch that the model's ``batch_loss`` and ``predict`` take."""
        ...

    def score(self, predictions: Any, batch: Any) -> dict[str, Tensor]:
        """Named scalars."""
        ...

    def per_sequence_errors(self, predictions: Any, batch: Any) -> Tensor:
        """Errors (B,) in the unit of ``threshold``."""
        ...


class Curriculum(Protocol):
    """A cap on the training length, a function of the step alone."""

    def max_length(self, step: int, task: Any) -> int:
        """The longest length to train on at ``step``."""
        ...
