"""The bAbI tasks: read a story, and answer the questions that come between its sentences."""

import copy
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from memnets.base.task import check_batch_size
from memnets_tasks._checks import check_at_least, check_evaluation_lengths, expand_counts
from memnets_tasks.base import Batch, FiniteTask, Splits
from memnets_tasks.questions.babi_files import ANSWER, Story, find_files, read_stories
from memnets_tasks.scored_steps import Tally
from memnets_tasks.token_task import TokenTask

FAILED = 0.05
"""Share of wrong answers above which a task is failed: Weston et al. 2015."""

VALIDATION = 10
"""Every tenth training story of a task is kept for validation."""

PARTS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, eq=False)
class StoryBatch(Batch):
    """A batch of stories.

    Attributes:
        tasks: ``(B,)``, int64; the number of the task that each is of.
    """

    tasks: Tensor


class Stories(NamedTuple):
    """Stories side by side.

    Attributes:
        tokens: All tokens shown, one story after the other, int64.
        targets: The token wanted at each of them; 0 where none is.
        starts: Where each story begins, and after the last the end.
        tasks: The task of each.
    """

    tokens: Tensor
    targets: Tensor
    starts: Tensor
    tasks: Tensor


class _Data(NamedTuple):
    words: tuple[str, ...]
    parts: dict[str, Stories]


@lru_cache(maxsize=4)
def _load(folder: str, tasks: tuple[int, ...] | None) -> _Data:
    """The words, and the stories of all three parts."""
    root = Path(folder).expanduser()
    parts: dict[str, list[Story]] = {part: [] for part in PARTS}
    for part in ("train", "test"):
        files = find_files(root, part)
        missing = [task for task in tasks or () if task not in files]
        if missing:
            raise ValueError(f"tasks asks for {missing}, but {root} has for {part}ing {[*files]}; give some of these")
        for task in tasks or files:
            stories = [story for story in read_stories(files[task], task) if story.answers]
            kept = stories[VALIDATION - 1 :: VALIDATION] if part == "train" else []
            parts["validation"] += kept
            parts[part] += [s for n, s in enumerate(stories) if part == "test" or n % VALIDATION != VALIDATION - 1]
    everything = [story for stories in parts.values() for story in stories]
    known = {word for story in everything for word in (*story.words, *story.answers.values())} - {ANSWER}
    words = ("", ANSWER, *sorted(known))  # token 0 is padding
    numbers = {word: number for number, word in enumerate(words)}
    return _Data(words, {part: _numbered(stories, numbers) for part, stories in parts.items()})


def _numbered(stories: Sequence[Story], numbers: Mapping[str, int]) -> Stories:
    starts = np.cumsum([0, *(len(story.words) for story in stories)])
    tokens = [numbers[word] for story in stories for word in story.words]
    targets = torch.zeros(len(tokens), dtype=torch.int64)
    places = [start + place for story, start in zip(stories, starts.tolist()) for place in story.answers]
    targets[places] = torch.tensor([numbers[word] for story in stories for word in story.answers.values()]).long()
    tasks = torch.tensor([story.task for story in stories], dtype=torch.int64)
    return Stories(torch.tensor(tokens).long(), targets, torch.from_numpy(starts), tasks)


@final
class BAbI(TokenTask, FiniteTask):
    """The bAbI tasks, of the files in which they are published: answer questions about short stories.

    Weston et al. 2015, "Towards AI-Complete Question Answering" (arXiv:1502.05698), as Graves et al. 2016 (the DNC)
    show them: a sequence is a story with all of its questions, a word a step, in lower case, with full stops and
    question marks. Each word of an answer is left out and a "-" shown in its place, at which it is wanted. Several
    tasks are one with a common vocabulary: joint training. The files hold lines "<number> <sentence>" and
    "<number> <question><tab><answer><tab><numbers of the facts>"; number 1 begins a story.

    A question counts as right if every word of its answer is. Scores are ``accuracy``, of questions;
    ``sequence_accuracy``, of stories without a wrong answer; ``error_qa1`` and so on, the share of wrong answers of
    each task; ``mean_error``, their mean; and ``failed_tasks``, how many are above 5 %. Those of a batch say little of
    tasks that are not in it (NaN), those of a corpus are the paper's. The threshold is 5 % of a story's questions.

    Args:
        folder: The folder of the files, such as ``tasks_1-20_v1-2/en-10k``.
        tasks: Numbers of the tasks; None for all that the folder has.
        split: "train"; "validation", every tenth story of the training files; or "test".

    Raises:
        ValueError: If the folder or a task is not there, or a file has bad lines, which are named.
    """

    threshold = FAILED

    def __init__(
        self,
        folder: str,
        *,
        tasks: Sequence[int] | None = None,
        split: Literal["train", "validation", "test"] = "train",
    ) -> None:
        if split not in PARTS:
            raise ValueError(f"split is {split!r}; give one of {', '.join(map(repr, PARTS))}")
        for task in tasks or ():
            check_at_least("tasks: a number", task, 1)
        self.folder = str(folder)
        self.tasks = None if not tasks else tuple(sorted(set(tasks)))
        self.words = _load(self.folder, self.tasks).words
        """What each token stands for."""
        self.vocabulary = self.output_size = len(self.words)
        self.length_unit = "words"
        self._set_split(split)

    def _set_split(self, split: str) -> None:
        self.split = split
        if not len(self):
            raise ValueError(f"{self.folder} has too few stories for {split}: give files with at least {VALIDATION}")
        ordered = self._lengths().sort().values
        self.min_length, self.max_length = int(ordered[0]), int(ordered[-1])
        quantiles = (int(ordered[int(share * (len(ordered) - 1))]) for share in (0.5, 0.9, 1.0))
        self.evaluation_lengths = check_evaluation_lengths(dict.fromkeys(quantiles), minimum=1)

    @property
    def _stories(self) -> Stories:
        return _load(self.folder, self.tasks).parts[self.split]  # type: ignore[index]

    def _lengths(self) -> Tensor:
        return self._stories.starts.diff()

    def __len__(self) -> int:
        """Stories that there are."""
        return len(self._stories.tasks)

    def splits(self) -> Splits:
        """Validation is of every tenth training story, and the test of the test files."""
        if self.split == "test":
            return Splits(self, self)
        test, validation = copy.copy(self), copy.copy(self)
        test._set_split("test")
        if len(_load(self.folder, self.tasks).parts["validation"].tasks):
            validation._set_split("validation")
        return Splits(validation, test, {"test stories": test})

    def sample_lengths(self, batch_size: int, generator: torch.Generator, max_length: int | None = None) -> Tensor:
        """Draw the lengths of stories, each story as likely as any other: ``(B,)``, int64.

        Args:
            batch_size: Number of lengths, ``B``.
            generator: Source of randomness; the lengths are made on its device.
            max_length: A cap given by a curriculum.

        Raises:
            ValueError: If ``batch_size`` is below 1, or the cap is below the shortest story.
        """
        check_batch_size(batch_size)
        lengths = self._lengths().to(generator.device)
        if max_length is not None:
            if max_length < self.min_length:
                raise ValueError(f"max_length is {max_length}; give at least {self.min_length}, of the shortest story")
            lengths = lengths[lengths <= max_length]
        return lengths[torch.randint(len(lengths), (batch_size,), generator=generator, device=generator.device)]

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> StoryBatch:
        """Draw stories, with replacement.

        Args:
            batch_size: Number of stories, ``B``.
            length: Words of each story: one number for all, or ``(B,)``, int64. Where no story has as many, one of the
                nearest length is drawn.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` or a length is below 1, or ``length`` has another shape or dtype.
        """
        device = generator.device
        wanted = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        ordered, places = self._lengths().to(device).sort(stable=True)
        known = ordered.unique()
        near = known[(known.unsqueeze(0) - wanted.unsqueeze(1)).abs().argmin(1)]
        first, end = (torch.searchsorted(ordered, near, right=right) for right in (False, True))
        draws = torch.rand(batch_size, generator=generator, device=device, dtype=torch.float64)
        return self._batch(places[first + (draws * (end - first)).long()].cpu()).to(device)

    def batches(self, batch_size: int) -> Iterator[StoryBatch]:
        """Every story once, in the order of the files, on the CPU.

        Raises:
            ValueError: If ``batch_size`` is below 1.
        """
        check_at_least("batch_size", batch_size, 1)
        for numbers in torch.arange(len(self)).split(batch_size):
            yield self._batch(numbers)

    def _batch(self, numbers: Tensor) -> StoryBatch:
        stories = self._stories
        lengths = self._lengths()[numbers]
        t = torch.arange(int(lengths.max()))
        inside = t < lengths.unsqueeze(1)  # (B, T)
        place = torch.where(inside, stories.starts[numbers].unsqueeze(1) + t, 0)
        targets = stories.targets[place] * inside
        return StoryBatch(stories.tokens[place] * inside, targets, targets > 0, lengths, stories.tasks[numbers])

    def errors(self, predictions: Tensor, batch: Batch) -> Tensor:
        """The share of each story's questions that are answered wrong: ``(B,)``, float32."""
        wrong, asked = self._questions(predictions, batch)
        return wrong.sum(1).float() / asked.sum(1)

    def _questions(self, predictions: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Which questions are answered wrong, and which there are: ``(B, T)``, bool, at the first word of an answer."""
        right = self.right(predictions, batch)
        first = batch.mask & ~torch.nn.functional.pad(batch.mask, (1, 0))[:, :-1]
        number = first.cumsum(1)  # (B, T), of the question that a step belongs to, from 1
        wrong = torch.zeros((len(batch), number.shape[1] + 1), device=right.device)
        wrong = wrong.scatter_add(1, number, (batch.mask & ~right).float()) > 0  # (B, T + 1), by question
        return wrong.gather(1, number) & first, first

    def tallies(self, predictions: Tensor, batch: Batch) -> dict[str, Tally]:
        """Right questions and stories, and wrong questions of each task."""
        wrong, asked = self._questions(predictions, batch)
        wrong, asked = wrong.sum(1), asked.sum(1)  # (B,)
        tallies = {
            "accuracy": Tally((asked - wrong).sum(), asked.sum()),
            "sequence_accuracy": Tally((wrong == 0).sum(), asked.new_tensor(len(batch))),
        }
        tasks = batch.tasks if isinstance(batch, StoryBatch) else asked.new_zeros(len(batch))
        for task in self.tasks or self._stories.tasks.unique().tolist():
            of_it = tasks == task
            tallies[f"error_qa{task}"] = Tally(wrong[of_it].sum(), asked[of_it].sum())
        return tallies

    def scores(self, predictions: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Score a batch: see the class."""
        return self.corpus_scores([(predictions, batch)])

    def corpus_scores(self, pairs: Iterable[tuple[Any, Any]]) -> dict[str, Tensor]:
        """Score a corpus; ``mean_error`` and ``failed_tasks`` are of the tasks that it holds.

        Raises:
            ValueError: If there is no pair.
        """
        scores = super().corpus_scores(pairs)
        errors = torch.stack([value for name, value in scores.items() if name.startswith("error_qa")])
        errors = errors[~errors.isnan()]
        return {**scores, "mean_error": errors.mean(), "failed_tasks": (errors > FAILED).sum().double()}

    def text(self, batch: Batch, index: int) -> str:
        """One story with a "-" for each word of an answer, and these words."""
        given = [self.words[token] for token in batch.inputs[index, : int(batch.lengths[index])].tolist()]
        wanted = [self.words[token] for token in batch.targets[index][batch.mask[index]].tolist()]
        return f"given {' '.join(given)}; wanted {' '.join(wanted)}"
