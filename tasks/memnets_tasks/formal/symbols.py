"""Scoring of tasks whose answers are symbols, and the layout of a string followed by its answer."""

import abc
from typing import NamedTuple

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, check_logits, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.base import Batch
from memnets_tasks.formal._strings import one_hot, take_symbols
from memnets_tasks.scored_steps import StepTask, Tally


class SymbolTask(StepTask):
    """A task in which each scored step asks for one symbol: the output channel with the highest logit.

    Symbols are one-hot in inputs and targets, where those of a :class:`memnets_tasks.TokenTask` are whole numbers.
    Abstract: a subclass defines ``sample`` and sets the attributes of ``Task`` and these.

    Attributes:
        symbols: what is shown for each input channel, for people.
        answers: what is shown for each output channel, for people.
    """

    symbols: tuple[str, ...]
    answers: tuple[str, ...]

    @property
    def softmax_size(self) -> int:
        """All outputs of a step are the classes of one answer."""
        return self.output_size

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Cross entropy in nats, averaged over all scored steps of the batch.

        Computed in float32 or better. Outputs that are not scored take no part, even where they are NaN or infinite.

        Args:
            outputs: ``(B, T, O)``, the network's output, before the softmax.
            batch: The batch the output belongs to.

        Returns:
            A scalar.

        Raises:
            ValueError: If ``outputs`` does not have the shape of ``batch.targets``.
        """
        check_logits(outputs, batch)
        logits = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        # Masked before the entropy: a NaN in an output that is not scored would reach the gradient through 0 * NaN.
        logits = torch.where(batch.mask.unsqueeze(-1), logits, 0.0)
        entropy = -(batch.targets * logits.log_softmax(-1)).sum()  # targets are zero where nothing is scored
        return entropy / batch.mask.sum().clamp_min(1)

    def right(self, predictions: Tensor, batch: Batch) -> Tensor:
        """Where the largest logit is that of the symbol wanted: ``(B, T)``, bool. A step with a NaN is wrong.

        Args:
            predictions: ``(B, T, O)``, the network's output, before the softmax.
            batch: The batch the output belongs to.

        Raises:
            ValueError: If ``predictions`` does not have the shape of ``batch.targets``.
        """
        check_logits(predictions, batch)
        return (predictions.argmax(-1) == batch.targets.argmax(-1)) & ~predictions.isnan().any(-1)

    def tallies(self, predictions: Tensor, batch: Batch) -> dict[str, Tally]:
        """Those of every task that is scored step by step, and ``symbol_errors``, the wrong symbols per sequence.

        ``accuracy`` is over all scored symbols of a batch, as in Deletang et al. 2022.
        """
        found = super().tallies(predictions, batch)
        right, scored = found["accuracy"]
        return {**found, "symbol_errors": Tally(scored - right, found["sequence_accuracy"].number)}

    def text(self, batch: Batch, index: int) -> str:
        """The string of one sequence, and the answer that is wanted."""
        given = batch.inputs[index, : batch.lengths[index], : len(self.symbols)]  # without the channel of empty steps
        shown = [self.symbols[i] for i in given[given.any(-1)].argmax(-1).tolist()]
        wanted = [self.answers[i] for i in batch.targets[index][batch.mask[index]].argmax(-1).tolist()]
        return f"given {_joined(shown)}; wanted {_joined(wanted)}"


class Exercise(NamedTuple):
    """Strings and their answers, before they are laid out as steps.

    Attributes:
        string: ``(B, S)``, int64; anything past a string's length.
        length: ``(B,)``, the symbols of each string.
        answer: ``(B, A)``, int64; anything past what is scored.
        asked: ``(B,)``, the steps in which each answer is given.
        scored: ``(B,)``, how many of them are scored, from the first on.
    """

    string: Tensor
    length: Tensor
    answer: Tensor
    asked: Tensor
    scored: Tensor


class StringTask(SymbolTask):
    """A task in the format of Deletang et al. 2022: a string, then empty steps in which the answer is given.

    A string of n symbols with an answer of m has T = n + m steps:

    | steps          | symbol channels | empty channel | targets               | scored |
    |----------------|-----------------|---------------|-----------------------|--------|
    | 0 to n - 1     | symbol t        | 0             | 0                     | no     |
    | n to n + m - 1 | 0               | 1             | symbol t - n of answer | yes    |

    ``input_size`` is the number of symbols and one (the empty channel is the last), ``output_size`` the number of
    symbols of answers. Where an answer ends with an end symbol, steps after it are asked but not scored.

    With ``computation`` c there are c n empty steps between the string and its answer, in which to work, as the public
    code of the paper can have them. A channel before the empty one, which adds 1 to ``input_size``, is then 1 in the
    steps of the answer, and 0 elsewhere.

    Abstract: a subclass defines ``draw``, ``symbols`` and ``answers``.

        @inproceedings{deletang2023neural,
          title={Neural Networks and the Chomsky Hierarchy},
          author={Del{\\'e}tang, Gr{\\'e}goire and Ruoss, Anian and Grau-Moya, Jordi and Genewein, Tim and others},
          booktitle={ICLR},
          year={2023}
        }

    Args:
        min_length: Fewest symbols in training.
        max_length: Most symbols in training; the paper has 40.
        evaluation_lengths: Symbols at which generalisation is measured; the paper has each from 41 to 500, which is
            ``memnets_tasks.PAPER_LENGTHS``.
        computation: Empty steps before the answer, for each symbol of the string.

    Raises:
        ValueError: If a length is below 1, ``max_length`` below ``min_length``, or ``computation`` below 0.
    """

    def __init__(
        self,
        *,
        min_length: int = 1,
        max_length: int = 40,
        evaluation_lengths: tuple[int, ...] = (41, 92, 143, 194, 245, 296, 347, 398, 449, 500),
        computation: int = 0,
    ) -> None:
        check_at_least("computation", computation, 0)
        self.computation = computation
        self.input_size = len(self.symbols) + 1 + (computation > 0)
        self.output_size = len(self.answers)
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="symbols")

    @abc.abstractmethod
    def draw(self, length: Tensor, generator: torch.Generator) -> Exercise:
        """Draw strings of the given lengths ``(B,)``, int64, and their answers."""

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of strings.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Symbols of a string: one number for all sequences, or ``(B,)``, int64. At least 1.
            generator: Source of randomness; the tensors are made on its device.

        Returns:
            The batch; its ``lengths`` count the steps of the answer as well.

        Raises:
            ValueError: If ``batch_size`` or a length is below 1, or ``length`` has another shape or dtype.
        """
        length = expand_counts("length", length, batch_size, generator.device, minimum=1, unit=self.length_unit)
        return self._lay_out(self.draw(length, generator))

    def _lay_out(self, exercise: Exercise) -> Batch:
        string, length, answer, asked, scored = exercise
        start = (1 + self.computation) * length  # the first step of the answer
        lengths = start + asked
        t = steps(lengths.max(), string.device)  # (1, T)
        valid, answering = t < lengths.unsqueeze(1), t >= start.unsqueeze(1)  # (B, T)
        mask = answering & (t < (start + scored).unsqueeze(1))
        empty = self.input_size - 1
        shown = torch.where(t < length.unsqueeze(1), take_symbols(string, t), empty)
        inputs = one_hot(shown, empty + 1, valid)  # (B, T, I)
        if self.computation:
            inputs[..., empty - 1] = (answering & valid).to(inputs.dtype)
        targets = one_hot(take_symbols(answer, t - start.unsqueeze(1)), len(self.answers), mask)  # (B, T, O)
        return Batch(inputs, targets, mask, lengths)


def _joined(symbols: list[str]) -> str:
    """Symbols as one text, parted by spaces where one of them is longer than a character."""
    return ("" if all(len(symbol) == 1 for symbol in symbols) else " ").join(symbols) or "nothing"
