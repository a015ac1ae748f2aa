"""The next character of a text, of each that came: min-char-rnn."""

import copy
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional as F

from memnets_tasks._checks import check_at_least, check_evaluation_lengths, expand_counts
from memnets_tasks.base import Batch, Splits, StreamTask
from memnets_tasks.language.ngrams import InterpolatedNGrams, longest_order
from memnets_tasks.language.texts import Text, read_text
from memnets_tasks.scored_steps import Tally
from memnets_tasks.token_task import TokenTask


@lru_cache(maxsize=2)
def _count(source: tuple, order: int) -> InterpolatedNGrams:
    """The n-grams of the training part of a text."""
    text = read_text(*source)
    return InterpolatedNGrams(text.parts["train"], len(text.charset) + 1, order)


@final
class Characters(TokenTask, StreamTask):
    """Say after each character of a text which comes next.

    Training reads the text in ``batch_size`` streams, ``length`` characters a step, each stream from a place of its own
    on and without an end: after the last character comes the first again. Every character is scored. Validation and
    test read other files, or the end of one, that training does not see: ``length`` characters from any place on, of
    which the first half is only read. The test also says what interpolated n-grams, counted on what training saw,
    make of the same characters.

    A text that is given as it stands, rather than as a file, is learnt by heart: it is all three parts.

    Args:
        path: a file, or a folder whose files with one of the ``endings`` are read; None for the modules of Python's
            standard library, some 4.7 million characters.
        text: the text itself, in place of ``path``.
        endings: of the files of a folder that are read.
        length: characters of a piece.
        evaluation_lengths: characters of the pieces that are tested on.
        min_count: characters seen less often in the whole text count as one unknown character.
        max_characters: read no more than so many; None for all.
        ngram_order: n of the n-grams beside the test; 0 for none.
        threshold: bits a character below which the task counts as solved.

    Raises:
        ValueError: there is nothing to read, or a number is out of range; the message says how.

    Source:
        Karpathy 2015, "The Unreasonable Effectiveness of Recurrent Neural Networks", and min-char-rnn.
    """

    def __init__(
        self,
        path: str | None = None,
        text: str | None = None,
        endings: Sequence[str] = (".py", ".txt", ".md", ".rst"),
        length: int = 128,
        evaluation_lengths: Sequence[int] = (128, 512),
        min_count: int = 20,
        max_characters: int | None = None,
        ngram_order: int = 6,
        threshold: float = 0.1,
    ) -> None:
        if path is not None and text is not None:
            raise ValueError(f"path is {path!r} and text {text[:20]!r}; give one of the two")
        check_at_least("length", length, 2)
        check_at_least("min_count", min_count, 1)
        check_at_least("ngram_order", ngram_order, 0)
        if max_characters is not None:
            check_at_least("max_characters", max_characters, 1)
        self._source = (text, path, tuple(endings), 1 if text is not None else min_count, max_characters)
        self._text: Text = read_text(*self._source)
        self.charset = self._text.charset
        self.vocabulary = self.output_size = len(self.charset) + 1
        if ngram_order > longest_order(self.vocabulary):  # known now, and not after the training
            raise ValueError(
                f"ngram_order is {ngram_order}, but of {len(self.charset):,} characters can be at most "
                f"{longest_order(self.vocabulary)}: give that, or a larger min_count"
            )
        self.min_length = self.max_length = length
        self.evaluation_lengths = check_evaluation_lengths(evaluation_lengths, minimum=2)
        self.length_unit = "characters"
        self.threshold = threshold
        self.ngram_order = ngram_order
        self.split = "train"

    def __len__(self) -> int:
        """Characters of the part, ends of files included."""
        return len(self._tape)

    @property
    def _tape(self) -> Tensor:
        return self._text.parts[self.split]

    def splits(self) -> Splits:
        """The parts that are kept from training."""
        return Splits(self._part("validation"), self._part("test"))

    def _part(self, name: str) -> "Characters":
        other = copy.copy(self)
        other.split = name
        return other

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Pieces of the part from any place on; see :class:`memnets_tasks.Task`.

        Args:
            batch_size: B.
            length: characters of each, the first half of which is not scored.
            generator: source of randomness.

        Raises:
            ValueError: a length is below 2.
        """
        device = generator.device
        lengths = expand_counts("length", length, batch_size, device, minimum=2, unit=self.length_unit)
        starts = torch.randint(len(self), (batch_size,), generator=generator, device=device)
        t = torch.arange(int(lengths.max()), device=device)
        inside = t < lengths.unsqueeze(1)  # (B, T)
        return self._read(starts, lengths, inside, inside & (t >= (lengths // 2).unsqueeze(1)))

    def piece(self, batch_size: int, step: int, generator: torch.Generator) -> Batch:
        """The next ``length`` characters of each stream; see :class:`memnets_tasks.StreamTask`."""
        device, length = generator.device, self.max_length
        first = torch.randint(len(self), (1,), generator=generator, device=device)
        apart = torch.arange(batch_size, device=device) * len(self) // batch_size  # (B,)
        lengths = torch.full((batch_size,), length, device=device)
        everywhere = torch.ones(batch_size, length, dtype=torch.bool, device=device)
        return self._read(first + apart + step * length, lengths, everywhere, everywhere)

    def _read(self, starts: Tensor, lengths: Tensor, inside: Tensor, mask: Tensor) -> Batch:
        """The characters from ``starts (B,)`` on, and after each the next."""
        places = starts.unsqueeze(1) + torch.arange(inside.shape[1] + 1, device=starts.device)  # (B, T + 1)
        tokens = self._tape[(places % len(self)).cpu()].to(starts.device)
        return Batch(tokens[:, :-1] * inside, tokens[:, 1:] * mask, mask, lengths)

    def tallies(self, predictions: Tensor, batch: Batch) -> dict[str, Tally]:
        """``bits`` a character, the ``accuracy`` of the likeliest; and ``ngram_bits`` of the n-grams, in the test."""
        scored = batch.mask.sum()
        right = self.right(predictions, batch) & batch.mask
        tallies = {
            "bits": Tally((self._bits(predictions, batch) * batch.mask).sum(), scored),
            "accuracy": Tally(right.sum(), scored),
        }
        if self.split == "test" and self.ngram_order:
            model = _count(self._source, self.ngram_order)
            tallies["ngram_bits"] = Tally((model.bits(batch.inputs, batch.targets) * batch.mask.cpu()).sum(), scored)
        return tallies

    def errors(self, predictions: Tensor, batch: Batch) -> Tensor:
        """Bits a character, of each sequence: ``(B,)``."""
        return (self._bits(predictions, batch) * batch.mask).sum(1) / batch.mask.sum(1)

    def _bits(self, predictions: Tensor, batch: Batch) -> Tensor:
        """What each target cost, ``(B, T)``, in float32."""
        self._check_outputs(predictions, batch)
        return F.cross_entropy(predictions.float().transpose(1, 2), batch.targets, reduction="none") / math.log(2)

    def figures(self, batch: Batch, predictions: Tensor, trace: Any) -> dict[str, Any]:
        """``surprise``: the text of a piece, each character that is scored coloured by the bits that it cost."""
        del trace
        from memnets import viz

        count = int(batch.lengths[0])
        bits = (self._bits(predictions, batch) * batch.mask)[0, :count]
        text = self.show(torch.cat([batch.inputs[0, 1:count], batch.targets[0, count - 1 : count]]))
        return {"surprise": viz.characters_figure(text, bits.numpy(), "What each character cost, in bits", "bits")}

    def whole_text(self) -> str:
        """All of the part."""
        return self.show(self._tape)

    def show(self, tokens: Tensor) -> str:
        """Tokens ``(T,)`` as text, the end of a file as a line feed."""
        return "".join(self.charset[n - 1] if n else "\n" for n in tokens.tolist())

    def text(self, batch: Batch, index: int) -> str:
        """What is only read, and what is to be foretold."""
        tokens, mask = batch.inputs[index][: int(batch.lengths[index])], batch.mask[index]
        first = int(mask.int().argmax())
        last = batch.targets[index][: len(tokens)][-1:]
        return f"given {self.show(tokens[: first + 1])!r}; wanted {self.show(torch.cat([tokens[first + 1 :], last]))!r}"
