"""A model on a task's batch, in either of two ways.

Most models give logits, which the task scores: ``task.loss(logits, batch)`` and ``task.metrics``. A model that writes
symbols of its own choice (a reader, a captioner) has ``batch_loss(batch)``, which trains it on the right ones, and
``predict(batch)``, which runs free and is scored by ``task.score(predictions, batch)``.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..base.modes import evaluating

Numbers = dict[str, Tensor]


def predicts(model: nn.Module) -> bool:
    """Whether the model has a loss and predictions of its own."""
    return hasattr(model, "batch_loss") and hasattr(model, "predict")


def apply(model: nn.Module, batch: Any) -> Tensor:
    """Logits (B, T, O) of a model of the contract of :class:`memnets.Recurrent`, in the precision of its parameters."""
    parameter = next(model.parameters(), None)
    inputs = batch.inputs if parameter is None else batch.inputs.to(parameter.dtype)
    return model(inputs, lengths=batch.lengths)[0]


def training_loss(model: Any, task: Any, batch: Any) -> tuple[Tensor, Callable[[], Numbers]]:
    """The loss of a batch, and a call that gives the other numbers to report."""
    if predicts(model):
        loss, numbers = model.batch_loss(batch)
        return loss, lambda: numbers
    logits = apply(model, batch)
    return task.loss(logits, batch), lambda: task.metrics(logits.detach(), batch)


def validation_numbers(model: Any, task: Any, batch: Any) -> tuple[Tensor, Numbers]:
    """Errors of each sequence (B,), in the unit of the task's threshold, and the numbers to report.

    Predictions run free: a model that is fed the right symbols makes fewer errors than it will ever make alone.
    """
    if predicts(model):
        loss, numbers = model.batch_loss(batch)
        predictions = model.predict(batch)
        errors = task.per_sequence_errors(predictions, batch)
        return errors, {"loss": loss, **numbers, **task.score(predictions, batch)}
    logits = apply(model, batch)
    numbers = {"loss": task.loss(logits, batch), **task.metrics(logits, batch)}
    return task.per_sequence_errors(logits, batch), numbers


def corpus_metrics(model: Any, task: Any, batches: Iterable[tuple[int, Any]]) -> dict[str, float]:
    """The task's metrics over batches, each with its number of sequences, as one corpus where the task can."""
    if predicts(model) and hasattr(task, "score_all"):
        scores = task.score_all((model.predict(batch), batch) for _, batch in batches)
        return {name: float(value) for name, value in scores.items()}
    totals: dict[str, float] = {}
    sequences = 0
    for count, batch in batches:
        sequences += count
        predictions = model.predict(batch) if predicts(model) else apply(model, batch)
        metrics = task.score(predictions, batch) if predicts(model) else task.metrics(predictions, batch)
        for name, value in metrics.items():
            totals[name] = totals.get(name, 0.0) + float(value) * count
    return {name: total / sequences for name, total in totals.items()}


def check_fit(model: Any, task: Any) -> None:
    """Raise ValueError unless the model's sizes and symbols are those of the task."""
    if getattr(model, "batch_first", True) is False:
        raise ValueError("the model has batch_first=False, but tasks have the batch first: leave it at True")
    kind = type(task).__name__
    for name in ("input_size", "output_size"):
        wanted, got = getattr(task, name, None), getattr(model, name, None)
        if None not in (wanted, got) and got != wanted:
            raise ValueError(f"the model's {name} is {got}, but {kind} needs {wanted}")
    if predicts(model) != hasattr(task, "score"):
        has, lacks = ("batch_loss", "no score") if predicts(model) else ("no batch_loss", "score")
        raise ValueError(
            f"{type(model).__name__} has {has}, but {kind} has {lacks}: readers go with tasks of lines, captioners "
            "with tasks of scenes, and sequence models with the others"
        )
    for name in ("charset", "vocabulary"):
        wanted, got = getattr(task, name, None), getattr(model, name, None)
        missing = [symbol for symbol in wanted or () if got is not None and symbol not in got]
        if missing:
            raise ValueError(f"the model's {name} lacks {missing[0]!r}, which {kind} has: give it the task's")


def probe(model: nn.Module, task: Any, batch: Any) -> None:
    """Put one batch through the model and its loss, leaving no trace: whatever they raise shows that they do not go."""
    with evaluating(model), torch.no_grad():
        training_loss(model, task, batch)
