"""A model on a task's batch: the loss to train with, the numbers to report, and whether the two go together.

A :class:`memnets.Model` says itself what it makes of a batch. Any other module is taken for one over sequences, used
like ``torch.nn.LSTM``: ``model(inputs (B, T, I), lengths=(B,)) -> (outputs (B, T, O), state)``.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..base.model import Model, TrainingOutputs, as_parameters, check_sizes
from ..base.modes import evaluating
from ..base.module import SequenceModule
from ..base.task import Task
from ..memories.base import sized_for

Numbers = dict[str, Tensor]


def is_sequence_module(model: nn.Module) -> bool:
    """Whether the model gives an output at each step of a sequence of inputs."""
    return isinstance(model, SequenceModule) or not isinstance(model, Model)


def training_outputs(model: nn.Module, batch: Any, state: Any = None) -> TrainingOutputs:
    """What the task's loss of a batch is computed of; ``state`` is that of a model that carries one, or None."""
    if isinstance(model, Model):
        return model.training_outputs(batch) if state is None else carrying(model)(batch, state)
    outputs = _run(model, batch)
    return TrainingOutputs(outputs, predictions=outputs.detach())


def carrying(model: Model) -> Callable[[Any, Any], TrainingOutputs]:
    """``model.training_outputs``, of a model that takes the state before a batch as well."""
    return model.training_outputs  # pyright: ignore[reportReturnType]


def predict(model: nn.Module, batch: Any) -> Any:
    """What the task's scores and errors of a batch are computed of."""
    return model.predict(batch) if isinstance(model, Model) else _run(model, batch)


def _run(model: nn.Module, batch: Any) -> Tensor:
    """Outputs (B, T, O) of a plain module, in the precision of its parameters."""
    return model(as_parameters(model, batch.inputs), lengths=batch.lengths)[0]


class TrainingLoss(NamedTuple):
    """What came of a training batch.

    Attributes:
        loss: the task's, and the model's own beside it.
        numbers: a call that gives the other numbers to report.
        errors: a call that gives the errors of each sequence ``(B,)``; of a model that does not predict what it is
            trained on, of a run of its own.
        state: what the model's state is afterwards, where it has one; with its gradient.
    """

    loss: Tensor
    numbers: Callable[[], Numbers]
    errors: Callable[[], Tensor]
    state: Any = None


def training_loss(model: nn.Module, task: Task, batch: Any, state: Any = None) -> TrainingLoss:
    """The loss of a batch, and what else may be asked of it; ``state`` is what the batch before left behind."""
    made = training_outputs(model, batch, state)

    def numbers() -> Numbers:
        return {**made.numbers, **({} if made.predictions is None else task.scores(made.predictions, batch))}

    def errors() -> Tensor:
        if made.predictions is not None:
            return task.errors(made.predictions, batch)
        with evaluating(model), torch.no_grad():
            return task.errors(predict(model, batch), batch)

    return TrainingLoss(_total(made, task, batch), numbers, errors, made.state)


def _total(made: TrainingOutputs, task: Task, batch: Any) -> Tensor:
    loss = task.loss(made.outputs, batch)
    return loss if made.auxiliary_loss is None else loss + made.auxiliary_loss


def validation_numbers(model: nn.Module, task: Task, batch: Any) -> tuple[Tensor, Numbers]:
    """Errors of each sequence (B,), in the unit of the task's threshold, and the numbers to report.

    Predictions run free: a model that is fed the right symbols makes fewer errors than it will ever make alone.
    """
    made = training_outputs(model, batch)
    predictions = predict(model, batch) if made.predictions is None else made.predictions
    numbers = {"loss": _total(made, task, batch), **made.numbers, **task.scores(predictions, batch)}
    return task.errors(predictions, batch), numbers


def corpus_scores(model: nn.Module, task: Task, batches: Iterable[Any], *, resize: bool = True) -> dict[str, float]:
    """The task's scores of the model's predictions over batches, as one corpus.

    Args:
        model: a trained module.
        task: the task.
        batches: of the task.
        resize: give memories that are ``sized_by_input`` as many slots as a batch has steps, while it is scored.
    """
    run = predict_resized if resize else predict
    scores = task.corpus_scores((run(model, batch), batch) for batch in batches)
    return {name: float(value) for name, value in scores.items()}


def predict_resized(model: nn.Module, batch: Any) -> Any:
    """What :func:`predict` gives, while memories that are ``sized_by_input`` have as many slots as there are steps."""
    if not is_sequence_module(model):
        return predict(model, batch)
    with sized_for(model, batch.inputs.shape[1]):
        return predict(model, batch)


def check_task(model: nn.Module, task: Task) -> None:
    """Raise ValueError unless the model's sizes and symbols are those of the task."""
    if isinstance(model, Model):
        model.check_task(task)
    else:
        check_sizes(model, task)


def probe(model: nn.Module, task: Task, batch: Any) -> None:
    """Put one batch through the model and its loss, leaving no trace: whatever they raise shows that they do not go."""
    with evaluating(model), torch.no_grad():
        training_loss(model, task, batch)
