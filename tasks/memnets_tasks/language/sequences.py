"""Sequences of symbols with a label each, or a tag a symbol: from lists to batches, and those of data sets."""

import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from memnets_tasks._checks import check_evaluation_lengths, expand_counts
from memnets_tasks.base import Batch, FiniteTask, Splits
from memnets_tasks.token_task import TokenTask

PADDING, UNKNOWN = 0, 1
"""The first two tokens; symbol n (from 0) is token n + 2."""

PARTS = ("train", "validation", "test")

HELD_OUT = 20
"""One example of so many is kept for validation, and one for the test."""

MOST_BYTES = 1 << 28
"""Largest file that is read."""


class Example(NamedTuple):
    """Symbols, and what is wanted: one label of them all, or a tag for each."""

    symbols: tuple[str, ...]
    labels: tuple[str, ...]


def read_file(path: str, what: str) -> str:
    """The text of a file; ValueError with ``what`` to give in its place where it cannot be read."""
    from pathlib import Path

    from memnets.base.regular_files import UnusableFile, read_regular

    try:
        return read_regular(Path(path).expanduser(), MOST_BYTES).decode("utf-8").removeprefix("\ufeff")
    except (UnusableFile, UnicodeDecodeError) as error:
        reason = "is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ValueError(f"{path} {reason}; give {what}") from error


def as_batch(tokens: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]) -> Batch:
    """A batch of sequences; of one label alone, the last step is scored."""
    longest = max(map(len, tokens))
    inputs = [[*row, *[0] * (longest - len(row))] for row in tokens]
    before = [len(row) - len(classes) for row, classes in zip(tokens, wanted)]  # steps that are not scored
    targets = [[0] * n + [*classes] + [0] * (longest - n - len(classes)) for n, classes in zip(before, wanted)]
    lengths, first = torch.tensor([len(row) for row in tokens]), torch.tensor(before)
    step = torch.arange(longest)
    mask = (step >= first.unsqueeze(1)) & (step < lengths.unsqueeze(1))
    return Batch(torch.tensor(inputs), torch.tensor(targets), mask, lengths)


class SymbolNames(TokenTask):
    """A task of symbols with names, for people to read.

    Abstract: a subclass calls :meth:`name_symbols`, sets the other attributes of ``Task`` and defines ``sample``.

    Attributes:
        symbols: What tokens from 2 on stand for.
        labels: What classes stand for.
        joint: What stands between symbols when they are shown.
    """

    symbols: tuple[str, ...]
    labels: tuple[str, ...]
    joint = " "

    def name_symbols(self, symbols: Iterable[str], labels: Iterable[str]) -> None:
        """Set the symbols and labels, and by them the sizes."""
        self.symbols, self.labels = tuple(symbols), tuple(labels)
        self._tokens = {symbol: n for n, symbol in enumerate(self.symbols, UNKNOWN + 1)}
        self._classes = {label: n for n, label in enumerate(self.labels)}
        self.vocabulary, self.output_size = len(self.symbols) + UNKNOWN + 1, len(self.labels)

    def encode(self, examples: Sequence[Example]) -> Batch:
        """Examples as a batch; symbols that have no token are unknown."""
        tokens = [[self._tokens.get(symbol, UNKNOWN) for symbol in example.symbols] for example in examples]
        return as_batch(tokens, [[self._classes[label] for label in example.labels] for example in examples])

    def text(self, batch: Batch, index: int) -> str:
        """One example."""
        shown = self._shown(batch, index)
        wanted = [self.labels[n] for n in batch.targets[index][batch.mask[index]].tolist()]
        return f"given {self.joint.join(shown)}; wanted {' '.join(wanted)}"

    def _shown(self, batch: Batch, index: int) -> list[str]:
        """The symbols of one example."""
        tokens = batch.inputs[index][: int(batch.lengths[index])].tolist()
        return [self.symbols[n - 2] if n > UNKNOWN else "?" for n in tokens]

    def figures(self, batch: Batch, predictions: Tensor, trace: Any) -> dict[str, Any]:
        """``opinions``: the probability of each label after each symbol, and the labels wanted."""
        del trace
        from memnets import viz

        symbols = self._shown(batch, 0)
        wanted = [n if scored else None for n, scored in zip(batch.targets[0].tolist(), batch.mask[0].tolist())]
        chances = predictions[0, : len(symbols)].float().softmax(-1)
        title = "What it takes the label to be, symbol by symbol"
        return {"opinions": viz.opinions_figure(symbols, self.labels, chances, wanted[: len(symbols)], title)}


class ExampleTask(SymbolNames, FiniteTask):
    """A data set of examples, parted into training, validation and test.

    Abstract: a subclass calls :meth:`take_examples` in its ``__init__``. The length is the number of symbols; of a
    length that no example has, the nearest is drawn.
    """

    def take_examples(
        self,
        parts: dict[str, list[Example]],
        *,
        min_count: int,
        evaluation_lengths: Sequence[int],
        skipped: Counter[str],
        where: str,
    ) -> None:
        """Set everything from the examples of each part.

        Args:
            parts: Examples by part.
            min_count: Symbols seen less often in training are unknown.
            evaluation_lengths: Of the task.
            skipped: What was left out, by reason.
            where: Where they come from, for messages.

        Raises:
            ValueError: A part has no example, no symbol is frequent enough, or all have the same label.
        """
        empty = [part for part in PARTS if not parts[part]]
        if empty:
            left_out = "".join(f", {count} left out: {reason}" for reason, count in skipped.items())
            raise ValueError(f"{where} has no example for the {empty[0]}{left_out}; give at least {HELD_OUT}")
        counts = Counter(symbol for example in parts["train"] for symbol in example.symbols)
        known = [symbol for symbol, count in counts.most_common() if count >= min_count]
        if not known:
            raise ValueError(f"min_count is {min_count}, but no symbol of {where} is as frequent: give less")
        labels = sorted({label for part in parts.values() for e in part for label in e.labels})
        if len(labels) < 2:
            raise ValueError(f"{where} has the label {labels[0]!r} alone; give examples of at least two")
        self.name_symbols(known, labels)
        self._parts, self._skipped = parts, dict(skipped)
        self.evaluation_lengths = check_evaluation_lengths(evaluation_lengths, minimum=1)
        self._take("train")
        self.min_length, self.max_length = int(self._lengths.min()), int(self._lengths.max())

    def _take(self, part: str) -> Self:
        self.split = part
        self._lengths = torch.tensor([len(example.symbols) for example in self._parts[part]])
        return self

    def splits(self) -> Splits:
        """The examples that are kept from training."""
        return Splits(copy.copy(self)._take("validation"), copy.copy(self)._take("test"))

    @property
    def skipped(self) -> dict[str, int]:
        """What could not be used, by reason."""
        return self._skipped

    def __len__(self) -> int:
        """Examples of the part."""
        return len(self._lengths)

    def sample_lengths(self, batch_size: int, generator: torch.Generator, max_length: int | None = None) -> Tensor:
        """Lengths as often as the part's examples have them, so that each example is as likely as any other."""
        longest = self.max_length if max_length is None else max_length
        if longest < self.min_length:
            return super().sample_lengths(batch_size, generator, max_length)  # which says so
        lengths = self._lengths[self._lengths <= longest].clamp(self.min_length, self.max_length)
        lengths = (lengths if len(lengths) else torch.tensor([self.min_length])).to(generator.device)
        return lengths[torch.randint(len(lengths), (batch_size,), generator=generator, device=generator.device)]

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw examples of the length, or of the nearest there is; see :class:`memnets_tasks.Task`."""
        device = generator.device
        lengths = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        draws = torch.rand(batch_size, generator=generator, device=device, dtype=torch.float64).tolist()
        chosen = []
        for wanted, draw in zip(lengths.tolist(), draws):
            away = (self._lengths - wanted).abs()
            nearest = (away == away.min()).nonzero().flatten()
            chosen.append(self._parts[self.split][int(nearest[int(draw * len(nearest))])])
        return self.encode(chosen).to(device)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Every example of the part once, in order."""
        examples = self._parts[self.split]
        for start in range(0, len(examples), batch_size):
            yield self.encode(examples[start : start + batch_size])


def part(examples: Sequence[Any]) -> dict[str, list[Any]]:
    """Every twentieth example for validation, every twentieth for the test, the others for training."""
    places = [n % HELD_OUT for n in range(1, len(examples) + 1)]
    names = ["validation" if n == HELD_OUT // 2 else "test" if n == 0 else "train" for n in places]
    return {name: [e for e, own in zip(examples, names) if own == name] for name in PARTS}
