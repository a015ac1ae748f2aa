"""A controller that answers questions about tables by a program: operations and columns, chosen step by step."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.adopting import Adopted
from ..base.checks import check_whole
from ..base.model import Model, TrainingOutputs
from ..base.modes import evaluating
from ..base.module import check_network
from ..base.saving import Pretrained
from ..base.task import Task
from ..decoding.cells import make_cell
from ..ops.programs import PROGRAM_OPERATIONS as OPERATIONS
from ..ops.programs import compare_cells, program_step, start_program

CLOSING = -0.2
"""What becomes of the reward of open choices in the end, as a share of what it was at first."""


class Programs(NamedTuple):
    """What programs chose and computed; T steps.

    Attributes:
        answers: ``(B,)``, what the last step computed.
        operations: ``(B, T, 8)``, how much of each of ``memnets.ops.PROGRAM_OPERATIONS``.
        columns: ``(B, T, C)``, how much of each column.
        pivots: ``(B, 2, K)``, how much of each number of the question was compared with, for greater and for lesser.
        rows: ``(B, T, M)``, the rows that each step selected.
        scalars: ``(B, T)``, what each step computed.
        loss: of a training batch, a scalar.
        names: of the operations.
    """

    answers: Tensor
    operations: Tensor
    columns: Tensor
    pivots: Tensor
    rows: Tensor
    scalars: Tensor
    loss: Tensor | None = None
    names: tuple[str, ...] = OPERATIONS


class NeuralProgrammer(Model, Pretrained):
    """Questions about tables to numbers, by a program that is found from the answers alone.

    A network reads the question; a cell then chooses at each step an operation and a column, from the question and from
    what it chose before. While it learns, choices are soft, and a step computes the mean of all operations; when it
    answers, the likeliest is taken alone, so that answers are exact, of tables of any length.

    Choices that are sure of themselves too early never change again. The paper adds noise to gradients against it; here
    the entropy of the choices is rewarded, less and less, over the first ``exploration_steps`` training steps, and then
    costs a little, so that no mixture of operations is left which computes right together what none does alone. And the
    loss is in units of the spread of such answers (``spreads`` of a batch), so that sums do not outweigh counts.

    In a file: ``encoder: {class_path: memnets.GRU, init_args: {input_size: 32, hidden_size: 64}}``.

    Args:
        vocabulary: number of tokens, of which questions and the names of columns are.
        encoder: a network of sequences, which takes embeddings of ``input_size`` (the paper's is an RNN); give it no
            ``output_size`` and no ``vocabulary``.
        cell: of the history: "rnn" (the paper's), "lstm", "gru", "feedforward" or "ntm"; or a function that makes one
            of your own for a size of inputs.
        hidden_size: units of the cell.
        steps: T.
        delta: the error from which on the loss is linear in it (Huber), in units of the spread of such answers.
        exploration: how much the entropy of choices counts at first, in nats beside that loss.
        exploration_steps: training steps until it counts nothing; it goes on falling to a fifth of that below.

    Raises:
        ValueError: a value is out of range; the message says how.
        TypeError: the encoder is no network of sequences.

    Source:
        Neelakantan, Le & Sutskever 2015, "Neural Programmer: Inducing Latent Programs with Gradient Descent",
        arXiv:1511.04834, sections 2.1 to 2.4.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        encoder: nn.Module,
        cell: str | Callable[[int], nn.Module] = "rnn",
        hidden_size: int = 64,
        steps: int = 4,
        delta: float = 1.0,
        exploration: float = 0.1,
        exploration_steps: int = 1000,
    ):
        super().__init__()
        check_whole("vocabulary", vocabulary)
        check_whole("steps", steps)
        if not delta > 0:
            raise ValueError(f"delta is {delta}, but must be above 0")
        if not exploration >= 0:
            raise ValueError(f"exploration is {exploration}, but must be at least 0")
        check_whole("exploration_steps", exploration_steps)
        self.encoder = check_network("encoder", encoder, "NeuralProgrammer")
        self.vocabulary, self.steps, self.delta = vocabulary, steps, delta
        self.exploration, self.exploration_steps = exploration, exploration_steps
        self.trained: Tensor
        self.register_buffer("trained", torch.zeros((), dtype=torch.int64))  # training steps so far
        names, size = self.encoder.input_size, self.encoder.output_size
        self.embedding = nn.Embedding(vocabulary, names)
        self.operations = nn.Parameter(torch.randn(len(OPERATIONS), size) * size**-0.5)  # U
        self.cell = make_cell(cell, size + names, hidden_size)
        seen = size + self.cell.output_size
        self.for_operation = nn.Linear(seen, size)  # W_op
        self.for_column = nn.Linear(seen, names)  # W_col

    def check_task(self, task: Task) -> None:
        """Raise ValueError unless the task's questions are of as many tokens."""
        if not isinstance(task.vocabulary, int) or task.input_size is not None:
            raise ValueError(
                f"NeuralProgrammer needs a task of questions about tables, but {type(task).__name__} is none"
            )
        if task.vocabulary != self.vocabulary:
            raise ValueError(f"the model's vocabulary is {self.vocabulary}, but the task needs {task.vocabulary}")

    def adopt_state(self, weights: Mapping[str, Any], config: Mapping[str, Any]) -> Adopted:
        """Start from the weights of another training, with choices open anew; see :meth:`memnets.Model.adopt_state`."""
        return super().adopt_state({**weights, "trained": self.trained}, config)

    def forward(self, batch: Any, *, hard: bool = False) -> Programs:
        """Find programs and run them.

        Args:
            batch: ``questions (B, L)`` and the names of ``columns (B, C)``, tokens; ``question_lengths (B,)``;
                ``numbers (B, K)`` and their ``places (B, K)`` in the questions, -1 where there is none; ``tables (B,
                M, C)``, zero at padding, and their ``rows (B,)``.
            hard: take the likeliest operation, column and number alone.
        """
        tables = batch.tables.to(self.operations.dtype)
        names = self.embedding(batch.columns)  # P (B, C, e)
        outputs, _ = self.encoder(self.embedding(batch.questions), lengths=batch.question_lengths)  # Z (B, L, d)
        each = torch.arange(len(outputs), device=outputs.device)
        question = outputs[each, batch.question_lengths - 1]  # q (B, d)
        pivots = self._pivots(outputs, batch.places, hard)
        inside = torch.arange(tables.shape[1], device=tables.device) < batch.rows.unsqueeze(1)
        inside = inside.to(tables.dtype)  # (B, M)
        compared = compare_cells(tables, batch.numbers.to(tables.dtype), pivots)
        history = self.cell.initial_state(len(tables), device=tables.device, dtype=tables.dtype)
        h = question.new_zeros(len(tables), self.cell.output_size)
        state, steps = start_program(inside), []
        for _ in range(self.steps):
            seen = torch.cat([question, h], dim=1)
            operation = choose(torch.tanh(self.for_operation(seen)) @ self.operations.T, hard)
            column = choose(torch.einsum("be,bce->bc", torch.tanh(self.for_column(seen)), names), hard)
            state = program_step(operation, column, tables, compared, inside, state)
            chosen = torch.cat([operation @ self.operations, torch.einsum("bc,bce->be", column, names)], dim=1)
            h, history = self.cell(chosen, history)
            steps.append((operation, column, state.rows[:, 0], state.scalars[:, 0]))
        operations, columns, rows, scalars = (torch.stack(parts, dim=1) for parts in zip(*steps))
        return Programs(scalars[:, -1], operations, columns, pivots, rows, scalars)

    def _pivots(self, outputs: Tensor, places: Tensor, hard: bool) -> Tensor:
        """How much of each number is compared with, by what was read up to it: ``softmax(Z U(op))``, (B, 2, K)."""
        there = places >= 0  # (B, K)
        index = places.clamp_min(0).unsqueeze(-1).expand(-1, -1, outputs.shape[-1])
        keys = self.operations[[OPERATIONS.index("greater"), OPERATIONS.index("lesser")]]
        scores = torch.einsum("bkd,od->bok", outputs.gather(1, index), keys)
        scores = scores.masked_fill(~there.unsqueeze(1), torch.finfo(scores.dtype).min)
        return choose(scores, hard) * there.unsqueeze(1)

    def training_outputs(self, batch: Any) -> TrainingOutputs:
        """Soft programs of a batch with ``answers (B,)`` and their ``spreads (B,)``, and their loss.

        By name: ``openness``, the mean entropy of a choice of an operation and of a column, in nats.
        """
        made = self(batch)
        error = (made.answers - batch.answers) / batch.spreads
        made = made._replace(loss=F.huber_loss(error, torch.zeros_like(error), delta=self.delta))
        openness = entropy(made.operations).mean() + entropy(made.columns).mean()
        bonus = None
        if self.training:
            left = (1 - self.trained / self.exploration_steps).clamp_min(CLOSING)
            bonus = -self.exploration * left * openness
            self.trained += 1
        return TrainingOutputs(made, bonus, numbers={"openness": openness.detach()})

    @torch.no_grad()
    def predict(self, batch: Any) -> Programs:
        """Programs of the likeliest choices alone, in evaluation mode."""
        with evaluating(self):
            return self(batch, hard=True)


def entropy(choice: Tensor) -> Tensor:
    """In nats, over the last dimension."""
    return -(choice * choice.clamp_min(torch.finfo(choice.dtype).tiny).log()).sum(-1)


def choose(scores: Tensor, hard: bool) -> Tensor:
    """A softmax over the last dimension, or 1 for the largest alone."""
    if hard:
        return F.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)
    return scores.softmax(-1)
