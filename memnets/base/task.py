"""What training asks of a task and of a curriculum: batches, a loss, scores, and the lengths to train and to test on.

The tasks themselves are in ``memnets_tasks``, which hands these names on: a task of one's own is a
``memnets_tasks.Task``.
"""

import abc
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor


def check_batch_size(batch_size: int) -> None:
    """Raise ValueError unless ``batch_size`` is a whole number of at least 1."""
    if not isinstance(batch_size, Integral) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; give a whole number of at least 1")


class Items:
    """What every batch can do: a frozen dataclass whose fields each have one entry an item, first.

    A field is a tensor ``(B, ...)``, a sequence of B values, or None; the first is never None.
    """

    def __len__(self) -> int:
        """B, the number of items."""
        return len(next(iter(self._values().values())))

    def _values(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    def to(self, device: torch.device | str) -> Self:
        """The same batch with every tensor on ``device``."""
        moved = {name: v.to(device) for name, v in self._values().items() if isinstance(v, Tensor)}
        return dataclasses.replace(self, **moved)  # type: ignore[type-var]

    def shard(self, rank: int, count: int) -> Self:
        """Every ``count``-th item from number ``rank`` on: what one of ``count`` processes trains on."""
        taken = {name: value[rank::count] for name, value in self._values().items() if value is not None}
        return dataclasses.replace(self, **taken)  # type: ignore[type-var]


@dataclasses.dataclass(frozen=True, eq=False)
class Batch(Items):
    """Sequences to be processed together, padded with zeros to the longest of them.

    Attributes:
        inputs: ``(B, T, I)`` numbers, or ``(B, T)`` tokens, int64.
        targets: ``(B, T, O)`` numbers, or ``(B, T)`` classes, int64; zero where the output is not scored.
        mask: ``(B, T)``, bool; True at the steps whose output is scored.
        lengths: ``(B,)``, int64; the steps of each sequence, those of the answer included. Steps past a sequence's
            length are padding: zero in ``inputs`` and ``targets``, False in ``mask``.
    """

    inputs: Tensor
    targets: Tensor
    mask: Tensor
    lengths: Tensor


class Splits(NamedTuple):
    """The tasks of data that training does not see; the task itself where batches are drawn anew each time.

    Attributes:
        validation: looked at while training, and to choose by.
        test: evaluated on at last, at each of its lengths.
        unseen: further tasks to evaluate on at last, by what is new to the model, such as "unseen words".
    """

    validation: "Task"
    test: "Task"
    unseen: Mapping[str, "Task"] = {}


class Task(abc.ABC):
    """What a model is asked to do.

    A task has a size that makes it harder, called its length and counted in ``length_unit``. Training draws lengths
    uniformly from ``min_length`` to ``max_length``, both included; evaluation uses ``evaluation_lengths``, most of them
    longer. The length of a task is not the number of steps: that is ``Batch.lengths``.

    A subclass sets the attributes that have no value here in its ``__init__``, and defines the abstract methods.

    Attributes:
        min_length: shortest training length, in ``length_unit``.
        max_length: longest training length, in ``length_unit``.
        evaluation_lengths: lengths at which generalisation is measured, in ``length_unit``.
        length_unit: what a length counts, in the plural: "vectors", "items".
        threshold: mean of :meth:`errors` below which the task counts as solved. 0.1 is that of Collier & Beel 2018,
            "Implementing Neural Turing Machines", in bits a sequence.
        input_size: I, where the inputs of a step are numbers.
        output_size: O, where the model gives numbers at each step.
        softmax_size: how many successive outputs are the classes of one softmax, of which the largest counts; None
            where each output is scored by itself, after a sigmoid. For targets that are numbers.
        vocabulary: of tasks whose inputs are tokens, their number; of tasks that are answered in words, these.
        charset: of tasks that are answered in characters, these.
        split: the part of a data set that the batches are of, where it has parts: "train", "test".
        path_arguments: names of the arguments that are paths, or lists of them, which a run keeps in full.
    """

    min_length: int
    max_length: int
    evaluation_lengths: tuple[int, ...]
    length_unit: str
    threshold: float = 0.1
    input_size: Any = None
    output_size: Any = None
    softmax_size: Any = None
    vocabulary: Any = None
    charset: Any = None
    split: Any = None
    path_arguments: ClassVar[tuple[str, ...]] = ()

    def sample_lengths(self, batch_size: int, generator: torch.Generator, max_length: int | None = None) -> Tensor:
        """Draw training lengths, uniform over ``min_length`` to ``max_length`` inclusive.

        Args:
            batch_size: B, the number of lengths.
            generator: source of randomness; the lengths are made on its device.
            max_length: a cap given by a curriculum; the task's own ``max_length`` still holds above it.

        Returns:
            ``(B,)``, int64, in ``length_unit``.

        Raises:
            ValueError: ``batch_size`` is below 1 or ``max_length`` below the task's ``min_length``.
        """
        check_batch_size(batch_size)
        longest = self.max_length if max_length is None else min(max_length, self.max_length)
        if longest < self.min_length:
            raise ValueError(
                f"max_length is {max_length}, below the task's min_length {self.min_length}; "
                f"give a cap of {self.min_length} to {self.max_length} {self.length_unit}, or None"
            )
        return torch.randint(self.min_length, longest + 1, (batch_size,), generator=generator, device=generator.device)

    @abc.abstractmethod
    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Any:
        """Draw a batch, a function of the arguments and of the generator's state alone.

        Args:
            batch_size: B, the number of sequences.
            length: one length for all sequences, or one for each: ``(B,)``, int64. In ``length_unit``. It may lie
                outside the training range.
            generator: source of randomness; the tensors are made on its device.

        Returns:
            A :class:`Batch`, or other :class:`Items` that the models of the task take.

        Raises:
            ValueError: ``batch_size`` or a length is too small, or ``length`` has another shape or dtype.
        """

    @abc.abstractmethod
    def loss(self, outputs: Any, batch: Any) -> Tensor:
        """The training loss.

        Args:
            outputs: what the model's ``training_outputs`` gave: of sequence modules ``(B, T, O)``, before any
                activation.
            batch: the batch the outputs belong to.

        Returns:
            A scalar, averaged so that it does not grow with the batch or the length.
        """

    def loss_weight(self, batch: Any) -> Tensor:
        """How much a batch counts beside others: the number of elements :meth:`loss` averages over, as a scalar.

        Processes that train together weigh the losses of their shares by it, so that the sum is the loss of the whole
        batch. The scored steps, here; a loss that averages over something else overrides it.
        """
        return batch.mask.sum()

    @abc.abstractmethod
    def scores(self, predictions: Any, batch: Any) -> dict[str, Tensor]:
        """What is reported of a batch: scalars by name, each averaged over the sequences.

        Args:
            predictions: what the model's ``predict`` gave: of sequence modules ``(B, T, O)``, before any activation.
            batch: the batch that the predictions are of.
        """

    @abc.abstractmethod
    def errors(self, predictions: Any, batch: Any) -> Tensor:
        """Errors of each sequence, in the unit of ``threshold``: ``(B,)``, float32. Takes what :meth:`scores` does."""

    def corpus_scores(self, pairs: Iterable[tuple[Any, Any]]) -> dict[str, Tensor]:
        """Score many batches together: the mean over their sequences, of what :meth:`scores` says of each batch.

        Args:
            pairs: ``(predictions, batch)`` for each batch; taken one at a time.

        Raises:
            ValueError: there is no pair.
        """
        totals: dict[str, float] = {}
        count = 0
        for predictions, batch in pairs:
            count += len(batch)
            for name, value in self.scores(predictions, batch).items():
                totals[name] = totals.get(name, 0.0) + float(value) * len(batch)
        if not count:
            raise ValueError("there is nothing to score; give at least one pair of predictions and their batch")
        return {name: torch.tensor(total / count, dtype=torch.float64) for name, total in totals.items()}

    def splits(self) -> Splits:
        """The tasks to validate on and to evaluate on; the task itself where it has no data set to be parted."""
        return Splits(self, self)

    def figures(self, batch: Any, predictions: Any, trace: Any) -> dict[str, Any]:
        """Figures of the task's own, by file name, drawn beside those of every task; none by default.

        Args:
            batch: a batch of one, on the CPU.
            predictions: as :meth:`scores` takes them.
            trace: what the model's memories did, a :class:`memnets.Trace`; None without a memory.
        """
        del batch, predictions, trace
        return {}

    def text(self, batch: Any, index: int) -> str:
        """One example of a batch for people to read: what is given, and what is wanted; nothing by default."""
        del batch, index
        return ""


class FiniteTask(Task):
    """A task of a data set: there are only so many examples, each of which can be scored once."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """Examples that there are."""

    @abc.abstractmethod
    def batches(self, batch_size: int) -> Iterator[Any]:
        """Every example once, in order, on the CPU; the last batch may be smaller than ``batch_size``."""

    def distinct(self, length: int) -> int | None:
        """How many different examples of a length there are to draw from; None where that is not counted."""
        del length

    @property
    def skipped(self) -> dict[str, int]:
        """How many examples could not be used, by reason."""
        return {}


class StreamTask(Task):
    """A task of sequences without an end, read piece by piece: each goes on where the step before left off.

    Training takes its batches from :meth:`piece` in place of ``sample``, and hands the state of a model that can carry
    it (:attr:`memnets.Model.carries_state`) from one step to the next, unless it grows with every step, as that of a
    Transformer does: such a model starts afresh with each piece.
    """

    @abc.abstractmethod
    def piece(self, batch_size: int, step: int, generator: torch.Generator) -> Any:
        """What each of ``batch_size`` sequences goes on with at ``step``, a function of the arguments alone.

        Args:
            batch_size: B, the number of sequences.
            step: from 0. Item b at ``step`` begins where item b at ``step - 1`` ended.
            generator: the same at each step; it may say where sequences begin. Tensors are made on its device.

        Returns:
            What ``sample`` returns.
        """


class LoadedImages(NamedTuple):
    """What became of image files.

    Attributes:
        paths: those that could be read, in the order given.
        batch: their images, without what they show: texts and captions are empty. None where none could be read.
        problems: why the others could not be read, by path.
    """

    paths: tuple[str, ...]
    batch: Any
    problems: dict[str, str]


class AnswerTask(Task):
    """A task whose answers are sequences of symbols of any length, or whole images.

    The loss is the model's own, as it alone knows the classes of its symbols, or what its latent variables cost; the
    task scores what the model reads, says or draws.
    """

    def loss(self, outputs: Any, batch: Any) -> Tensor:
        """The loss that the model gave with its outputs, ``outputs.loss``."""
        return outputs.loss

    def loss_weight(self, batch: Any) -> Tensor:
        """What the loss of a batch counts among others: its items."""
        return torch.tensor(len(batch))

    def scores(self, predictions: Any, batch: Any) -> dict[str, Tensor]:
        """Score one batch by itself. Takes one prediction for each item; raises what :meth:`corpus_scores` does."""
        return self.corpus_scores([(predictions, batch)])

    @abc.abstractmethod
    def corpus_scores(self, pairs: Iterable[tuple[Any, Any]]) -> dict[str, Tensor]:
        """Score a corpus: ``(predictions, batch)`` for each of its batches.

        Not the mean of the batches' scores: errors are summed over all of the corpus before they are divided.

        Raises:
            ValueError: there is no pair, or predictions are of another number than their batch.
        """


class ImageTask(AnswerTask):
    """A task whose inputs are images and whose answers are sequences of symbols."""

    @abc.abstractmethod
    def load_images(self, paths: Sequence[str]) -> LoadedImages:
        """Image files as the task's own images are: a batch, and why the files that are not in it cannot be read."""

    @classmethod
    def loader(cls, settings: Mapping[str, Any]) -> Any:
        """An object with the ``load_images`` of a task of these settings, made without its data; None if there is none.

        With it a trained model reads files where the data it was trained on are no longer at hand.
        """
        del settings


class Curriculum(abc.ABC):
    """A cap on the training length: a function of the step and of the errors that were observed before it.

    Training asks for the cap of a step, then has the errors of the step's sequences observed. One that looks at the
    step alone holds no state; another hands it out for checkpoints, so that a run that resumes at a step trains on the
    lengths it would have met there.
    """

    @abc.abstractmethod
    def max_length(self, step: int, task: Task) -> int:
        """The longest length to train on, for :meth:`Task.sample_lengths`.

        Args:
            step: training steps already taken, from 0.
            task: the task that is trained.

        Returns:
            A length from ``task.min_length`` to ``task.max_length``, in the task's ``length_unit``.

        Raises:
            ValueError: ``step`` is negative.
        """

    def observe(self, errors: Tensor) -> None:
        """Take note of the errors of the training step whose cap was asked for last; nothing by default.

        Args:
            errors: ``(B,)``, :meth:`Task.errors` of all of the step's sequences, those of other processes included.
        """
        del errors

    def state_dict(self) -> dict[str, Any]:
        """What the curriculum has to remember, as plain values; nothing by default."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        del state
