"""Translation: a sentence in, a sentence out, of any lengths; what batches are and how they are scored."""

import abc
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from memnets_tasks._checks import expand_counts
from memnets_tasks.base import AnswerTask, Items

Words = tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class PairBatch(Items):
    """Sentences and what they are to be turned into.

    Attributes:
        sources: B sentences, each its words in order.
        targets: The same sentences in the other language.
    """

    sources: tuple[Words, ...]
    targets: tuple[Words, ...]


class TranslationTask(AnswerTask):
    """Turning sentences into others. A prediction has ``words``, and ``weights`` of attention or None.

    Abstract: a subclass sets the attributes of ``Task`` and defines ``sample``.

    Attributes:
        vocabulary: Every word of both languages.
    """

    vocabulary: tuple[str, ...]
    threshold = 0.02

    def loss_weight(self, batch: PairBatch) -> Tensor:
        """The words that are to be written, the ends included: what a model's loss is the mean over."""
        return torch.tensor(sum(len(words) + 1 for words in batch.targets))

    def errors(self, predictions: Sequence[Any], batch: PairBatch) -> Tensor:
        """0 for each sentence that is translated word by word as wanted, else 1: ``(B,)``, float32.

        Raises:
            ValueError: There is not one prediction for each sentence.
        """
        _check_count(predictions, batch)
        wrong = [tuple(p.words) != words for p, words in zip(predictions, batch.targets)]
        return torch.tensor(wrong, dtype=torch.float32)

    def corpus_scores(self, pairs: Iterable[tuple[Sequence[Any], PairBatch]]) -> dict[str, Tensor]:
        """Score a corpus: ``bleu4`` (Papineni et al. 2002), and ``exact_match``, the share translated as wanted.

        Raises:
            ValueError: There is no pair, or predictions are of another number than their batch.
        """
        from memnets_tasks.images.metrics import bleu

        said: list[Words] = []
        wanted: list[Words] = []
        for predictions, batch in pairs:
            _check_count(predictions, batch)
            said += [tuple(prediction.words) for prediction in predictions]
            wanted += batch.targets
        if not wanted:
            raise ValueError("there is nothing to score; give at least one pair of predictions and their batch")
        exact = sum(ours == theirs for ours, theirs in zip(said, wanted)) / len(wanted)
        scores = {"bleu4": bleu(said, [(" ".join(words),) for words in wanted])[3], "exact_match": exact}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in scores.items()}

    def text(self, batch: PairBatch, index: int) -> str:
        """One sentence, and what it is to become."""
        return f"given {' '.join(batch.sources[index])}; wanted {' '.join(batch.targets[index])}"


class GeneratedPairs(TranslationTask):
    """Pairs made from numbers that are drawn for each sentence.

    Abstract: a subclass sets the attributes, ``draws`` among them, and defines ``pair``.

    Attributes:
        draws: Whole numbers that a unit of length takes.
    """

    draws: int

    @abc.abstractmethod
    def pair(self, length: int, drawn: Sequence[int]) -> tuple[Words, Words]:
        """A sentence of ``length`` and its translation, from ``length * draws`` whole numbers of 0 to 2**31 - 1."""

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> PairBatch:
        """Draw a batch of pairs; see :class:`memnets_tasks.Task`."""
        device = generator.device
        lengths = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        shape = (batch_size, int(lengths.max()) * self.draws)
        drawn = torch.randint(2**31, shape, generator=generator, device=device).tolist()
        made = [self.pair(n, row[: n * self.draws]) for n, row in zip(lengths.tolist(), drawn)]
        return PairBatch(tuple(source for source, _ in made), tuple(target for _, target in made))


def _check_count(predictions: Sequence[Any], batch: PairBatch) -> None:
    if len(predictions) != len(batch.targets):
        raise ValueError(
            f"there are {len(predictions)} predictions for {len(batch.targets)} sentences, but each needs its own"
        )
