"""Questions about tables of numbers, of which the answer alone is told."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.base import AnswerTask, Items
from memnets_tasks.images.checks import numpy_generator
from memnets_tasks.tables.questions import ASKED, COLUMNS, KINDS, NUMBER, Question, all_words, answer, ask

MOST_NUMBERS = 2


@dataclasses.dataclass(frozen=True, eq=False)
class TableBatch(Items):
    """Questions, each about a table of its own.

    Attributes:
        questions: ``(B, L)``, int64 tokens, zero past a question's length.
        question_lengths: ``(B,)``, int64.
        numbers: ``(B, K)``, float32, those of the question in turn; zero where there is none.
        places: ``(B, K)``, int64, where each stands in the question; -1 where there is none.
        tables: ``(B, M, C)``, float32 whole numbers; zero past the last row.
        rows: ``(B,)``, int64.
        columns: ``(B, C)``, int64 tokens, the names of the columns.
        answers: ``(B,)``, float32 whole numbers.
        spreads: ``(B,)``, float32, about how far answers to such a question lie apart: that of a sum, or of a count.
        kinds: What each asks, one of ``KINDS``.
    """

    questions: Tensor
    question_lengths: Tensor
    numbers: Tensor
    places: Tensor
    tables: Tensor
    rows: Tensor
    columns: Tensor
    answers: Tensor
    spreads: Tensor
    kinds: tuple[str, ...]


@final
class TableQuestions(AnswerTask):
    """Answer questions about tables of numbers: sums, counts, conditions, and what is put together from them.

    "The total of pears where figs above 12 and nuts less than 40" is asked of a table of as many rows as the length
    says, whose columns have names in any order. Only the answer is told, not how it is come by. It must be right to the
    last digit. A prediction has ``answers (B,)``.

    Args:
        columns: Columns of a table, at most 6.
        largest: Cells are whole numbers from minus to plus this.
        kinds: What is asked, each as often, of ``KINDS``: "sum" and "count" of all rows, "sum where" and "count where"
            of those of a condition, "sum and", "count and", "sum or" and "count or" of two, and the "difference" of two
            sums.
        min_length: Fewest rows in training.
        max_length: Most rows in training.
        evaluation_lengths: Rows of the tables that are tested on.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        After Neelakantan et al. 2015, arXiv:1511.04834, section 3.1.
    """

    threshold = 0.002

    def __init__(
        self,
        columns: int = 3,
        largest: int = 100,
        kinds: Sequence[str] = ASKED,
        min_length: int = 4,
        max_length: int = 12,
        evaluation_lengths: Sequence[int] = (12, 30, 100),
    ) -> None:
        check_at_least("columns", columns, 2)
        check_at_least("largest", largest, 5)
        if columns > len(COLUMNS):
            raise ValueError(f"columns is {columns}; give at most {len(COLUMNS)}")
        self.kinds = tuple(kinds)
        unknown = [kind for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise ValueError(f"kinds holds {unknown[0] if unknown else 'nothing'!r}; give some of {', '.join(KINDS)}")
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="rows")
        self.columns, self.largest = columns, largest
        self.words = all_words()
        self._tokens = {word: n for n, word in enumerate(self.words, 1)}
        self.vocabulary = len(self.words) + 1

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> TableBatch:
        """Draw questions and tables; see :class:`memnets_tasks.Task`."""
        device = generator.device
        rows = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        random = numpy_generator(generator)
        tables = random.integers(-self.largest, self.largest + 1, (batch_size, int(rows.max()), self.columns))
        tables *= (np.arange(tables.shape[1]) < rows.cpu().numpy()[:, None])[:, :, None]
        names = [[COLUMNS[n] for n in random.permutation(len(COLUMNS))[: self.columns]] for _ in range(batch_size)]
        asked = [ask(self.kinds[random.integers(len(self.kinds))], own, self.largest, random) for own in names]
        answers = [answer(q, table[:count]) for q, table, count in zip(asked, tables, rows.tolist())]
        return self.encode(asked, names, tables, rows, answers)

    def encode(
        self,
        asked: Sequence[Question],
        names: Sequence[Sequence[str]],
        tables: np.ndarray,
        rows: Tensor,
        answers: Sequence[int],
    ) -> TableBatch:
        """A batch of questions about ``tables (B, M, C)``."""
        device, count = rows.device, len(asked)
        lengths = torch.tensor([len(q.words) for q in asked])
        tokens = torch.zeros(count, int(lengths.max()), dtype=torch.int64)
        numbers = torch.zeros(count, MOST_NUMBERS)
        places = torch.full((count, MOST_NUMBERS), -1)
        for b, question in enumerate(asked):
            tokens[b, : len(question.words)] = torch.tensor([self._tokens[word] for word in question.words])
            where = [n for n, word in enumerate(question.words) if word == NUMBER]
            for k, (place, condition) in enumerate(zip(where, question.conditions)):
                numbers[b, k], places[b, k] = condition.number, place
        columns = torch.tensor([[self._tokens[name] for name in own] for own in names])
        return TableBatch(
            tokens.to(device),
            lengths.to(device),
            numbers.to(device),
            places.to(device),
            torch.from_numpy(tables.astype(np.float32)).to(device),
            rows,
            columns.to(device),
            torch.tensor(answers, dtype=torch.float32, device=device),
            self._spreads(asked, rows),
            tuple(question.kind for question in asked),
        )

    def _spreads(self, asked: Sequence[Question], rows: Tensor) -> Tensor:
        """The standard deviation of a sum of as many cells as there are rows, or of a count of as many."""
        cell = torch.tensor([self.largest / 3**0.5 if question.columns else 1.0 for question in asked])
        return cell.to(rows.device) * rows.to(cell.dtype).sqrt()

    def errors(self, predictions: Any, batch: TableBatch) -> Tensor:
        """0 for each answer that is right once rounded to a whole number, else 1: ``(B,)``, float32.

        Raises:
            ValueError: There is not one answer for each question.
        """
        if len(predictions.answers) != len(batch):
            raise ValueError(f"there are {len(predictions.answers)} answers for {len(batch)} questions; give each one")
        return (predictions.answers.round() != batch.answers).float()

    def corpus_scores(self, pairs: Iterable[tuple[Any, TableBatch]]) -> dict[str, Tensor]:
        """Score a corpus: the share of answers that are right, ``exact_match``, and that of each kind of question, as
        ``sum_where``; NaN where none was asked.

        Raises:
            ValueError: There is no pair, or predictions are of another number than their batch.
        """
        right: dict[str, list[bool]] = {kind: [] for kind in ("all", *self.kinds)}
        for predictions, batch in pairs:
            for kind, wrong in zip(batch.kinds, self.errors(predictions, batch).tolist()):
                right["all"].append(not wrong)
                right[kind].append(not wrong)
        if not right["all"]:
            raise ValueError("there is nothing to score; give at least one pair of predictions and their batch")
        shares = {kind.replace(" ", "_"): sum(v) / len(v) if v else float("nan") for kind, v in right.items()}
        scores = {"exact_match": shares.pop("all"), **shares}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in scores.items()}

    def figures(self, batch: TableBatch, predictions: Any, trace: Any) -> dict[str, Any]:
        """``program``: what the model chose step by step, where its predictions tell, and what that made of the table.

        They tell where they have ``operations`` of ``names``, ``columns``, ``rows`` and ``scalars``, as those of
        :class:`memnets.NeuralProgrammer`.
        """
        del trace
        if getattr(predictions, "operations", None) is None:
            return {}
        from memnets import viz

        count = int(batch.rows[0])
        said, wanted = float(predictions.answers[0]), float(batch.answers[0])
        told = f"{said:g}" if round(said) == wanted else f"{said:g}, but should be {wanted:g}"
        figure = viz.program_figure(
            batch.tables[0, :count],
            self.names(batch, 0),
            predictions.names,
            predictions.operations[0],
            predictions.columns[0],
            predictions.rows[0, :, :count],
            predictions.scalars[0],
            title=f"{self.question(batch, 0)}? {told}",
        )
        return {"program": figure}

    def question(self, batch: TableBatch, index: int) -> str:
        """One question in words, its numbers among them."""
        tokens = batch.questions[index, : int(batch.question_lengths[index])].tolist()
        numbers = iter(batch.numbers[index].tolist())
        words = [self.words[n - 1] for n in tokens]
        return " ".join(f"{next(numbers):g}" if word == NUMBER else word for word in words)

    def names(self, batch: TableBatch, index: int) -> list[str]:
        """The names of the columns of one table."""
        return [self.words[n - 1] for n in batch.columns[index].tolist()]

    def text(self, batch: TableBatch, index: int) -> str:
        """One question, and its answer."""
        table = f"a table of {int(batch.rows[index])} rows of {', '.join(self.names(batch, index))}"
        return f"{self.question(batch, index)}, of {table}; wanted {float(batch.answers[index]):g}"
