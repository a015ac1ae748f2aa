"""Figures of what a trained module does with one sequence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .. import viz
from ..base.modes import evaluating
from ..base.seeding import generator
from ..base.task import Task
from ..memories.base import Memory
from ..models.captioner import Caption, Captioner
from ..models.text_reader import TextReader
from ..recurrent.cell import MemoryCell
from ..recurrent.trace import Trace, trace
from .adapters import is_sequence_module, predict


def has_memory(model: nn.Module) -> bool:
    """Whether there is a memory to look into, in a model that runs over a sequence of inputs."""
    return is_sequence_module(model) and any(isinstance(part, Memory) for part in model.modules())


@torch.no_grad()
def run_example(model: nn.Module, task: Task, *, seed: int = 0, length: int | None = None) -> tuple[Any, Any, Any]:
    """One fresh sequence through the model.

    Returns:
        The batch of one, the model's predictions (1, T, O), before any activation, and the trace, or None without a
        memory; all on the CPU.
    """
    random = generator(seed, "example", 0, next(model.parameters()).device)
    batch = task.sample(1, length or task.max_length, random)
    record: Trace | None = None
    with evaluating(model):
        if has_memory(model):
            with trace(model) as record:
                predictions = predict(model, batch)
        else:
            predictions = predict(model, batch)
    return batch.to("cpu"), predictions.cpu(), _to_cpu(record)


def _to_cpu(record: Trace | None) -> dict[str, torch.Tensor] | None:
    return None if record is None else {name: tensor.cpu() for name, tensor in record.items()}


def draw_example(model: nn.Module, task: Task, *, seed: int = 0, length: int | None = None) -> Any:
    """The memory at work on one sequence; without a memory, its inputs, targets and outputs; or what was read."""
    if not is_sequence_module(model):
        return next(iter(draw_prediction(model, task, seed=seed, length=length).values()))
    batch, predictions, record = run_example(model, task, seed=seed, length=length)
    outputs = predictions.float().sigmoid()
    if record is None:
        return viz.sequence_figure(batch, outputs)
    return viz.memory_work_figure(batch, outputs, record)


def draw_all(model: nn.Module, task: Task, *, seed: int = 0, length: int | None = None) -> dict[str, Any]:
    """Every figure of one sequence, those of the task's own included, by file name without its ending."""
    if not is_sequence_module(model):
        return draw_prediction(model, task, seed=seed, length=length)
    batch, predictions, record = run_example(model, task, seed=seed, length=length)
    outputs = predictions.float().sigmoid()
    figures = {"sequence": viz.sequence_figure(batch, outputs)}
    if record is not None:
        figures["memory-at-work"] = viz.memory_work_figure(batch, outputs, record)
        figures["weightings"] = viz.weightings_figure(record)
        figures["memory"] = viz.memory_figure(record)
        figures["gates"] = viz.gates_figure(record)
    return {**figures, **task.figures(batch, predictions, record)}


@torch.no_grad()
def draw_prediction(model: Any, task: Task, *, seed: int = 0, length: int | None = None) -> dict[str, Any]:
    """What a reader or captioner makes of one fresh image, and where it looked, by file name without its ending; with
    a memory in its cell, also where it wrote and read meanwhile."""
    random = generator(seed, "example", 0, next(model.parameters()).device)
    longest = torch.tensor([task.max_length], device=random.device)  # a tensor: of files, the nearest will do
    batch = task.sample(1, length or longest, random)
    with evaluating(model):
        (prediction,) = model.predict(batch)
        figures = _draw_memory(model, batch)
    image = batch.images[0].cpu()
    if isinstance(prediction, Caption):
        return {"caption": viz.caption_figure(image, prediction), **figures}
    line, padded = image[:, :, : int(batch.widths[0])], image.shape[2]
    return {"reading": viz.reading_figure(line, prediction, truth=batch.texts[0], padded_width=padded), **figures}


def _draw_memory(model: Any, batch: Any) -> dict[str, Any]:
    """What a decoder's one memory did, if it has one, while it wrote greedily: beams and scores take other steps."""
    cells = [part for part in model.modules() if isinstance(part, MemoryCell)]
    if len(cells) != 1 or not isinstance(model, (TextReader, Captioner)):
        return {}
    with _greedy(model), trace(cells[0]) as trace_of_cell:
        model.predict(batch)
    record = _to_cpu(trace_of_cell)
    return {"weightings": viz.weightings_figure(record)} if record else {}


@contextmanager
def _greedy(model: TextReader | Captioner) -> Iterator[None]:
    """By attention alone where CTC would be asked as well, and without a beam."""
    beam_size, reader = model.beam_size, model if isinstance(model, TextReader) else None
    decode = reader.decode if reader else ""
    model.beam_size = 1
    if reader and decode == "joint":
        reader.decode = "attention"
    try:
        yield
    finally:
        model.beam_size = beam_size
        if reader:
            reader.decode = decode
