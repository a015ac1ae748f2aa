"""Figures of what a trained module does with one sequence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .. import viz
from ..base.modes import evaluating
from ..base.seeding import generator
from ..memories.base import Memory
from ..recurrent.cell import MemoryCell
from ..recurrent.trace import Trace, trace
from .adapters import apply, predicts


def has_memory(model: nn.Module) -> bool:
    """Whether there is a memory to look into, in a model that runs over a sequence of inputs."""
    return not predicts(model) and any(isinstance(part, Memory) for part in model.modules())


@torch.no_grad()
def run_example(model: nn.Module, task: Any, *, seed: int = 0, length: int | None = None) -> tuple[Any, Any, Any]:
    """One fresh sequence through the model.

    Returns:
        The batch of one, the outputs as probabilities (1, T, O), and the trace, or None without a memory.
    """
    random = generator(seed, "example", 0, next(model.parameters()).device)
    batch = task.sample(1, length or task.max_length, random)
    record: Trace | None = None
    with evaluating(model):
        if has_memory(model):
            with trace(model) as record:
                logits = apply(model, batch)
        else:
            logits = apply(model, batch)
    return batch.to("cpu"), torch.sigmoid(logits.float()).cpu(), _to_cpu(record)


def _to_cpu(record: Trace | None) -> dict[str, torch.Tensor] | None:
    return None if record is None else {name: tensor.cpu() for name, tensor in record.items()}


def draw_example(model: nn.Module, task: Any, *, seed: int = 0, length: int | None = None) -> Any:
    """The memory at work on one sequence; without a memory, its inputs, targets and outputs; or what was read."""
    if predicts(model):
        return next(iter(draw_prediction(model, task, seed=seed, length=length).values()))
    batch, outputs, record = run_example(model, task, seed=seed, length=length)
    if record is None:
        return viz.sequence_figure(batch, outputs)
    return viz.memory_work_figure(batch, outputs, record)


def draw_all(model: nn.Module, task: Any, *, seed: int = 0, length: int | None = None) -> dict[str, Any]:
    """Every figure of one sequence, by file name without its ending.

    A task may have figures of its own: ``task.figures(batch, outputs, record)`` gives them by name, from the batch
    of one, the outputs as probabilities (1, T, O), and the trace, or None without a memory.
    """
    if predicts(model):
        return draw_prediction(model, task, seed=seed, length=length)
    batch, outputs, record = run_example(model, task, seed=seed, length=length)
    figures = {"sequence": viz.sequence_figure(batch, outputs)}
    if record is not None:
        figures["memory-at-work"] = viz.memory_work_figure(batch, outputs, record)
        figures["weightings"] = viz.weightings_figure(record)
        figures["memory"] = viz.memory_figure(record)
        figures["gates"] = viz.gates_figure(record)
    own = getattr(task, "figures", None)
    return {**figures, **own(batch, outputs, record)} if own else figures


@torch.no_grad()
def draw_prediction(model: Any, task: Any, *, seed: int = 0, length: int | None = None) -> dict[str, Any]:
    """What a reader or captioner makes of one fresh image, and where it looked, by file name without its ending; with
    a memory in its cell, also where it wrote and read meanwhile."""
    random = generator(seed, "example", 0, next(model.parameters()).device)
    longest = torch.tensor([task.max_length], device=random.device)  # a tensor: of files, the nearest will do
    batch = task.sample(1, length or longest, random)
    with evaluating(model):
        (prediction,) = model.predict(batch)
        figures = _draw_memory(model, batch)
    image = batch.images[0].cpu()
    if hasattr(prediction, "words"):
        return {"caption": viz.caption_figure(image, prediction), **figures}
    line, padded = image[:, :, : int(batch.widths[0])], image.shape[2]
    return {"reading": viz.reading_figure(line, prediction, truth=batch.texts[0], padded_width=padded), **figures}


def _draw_memory(model: Any, batch: Any) -> dict[str, Any]:
    """What a decoder's one memory did, if it has one, while it wrote greedily: beams and scores take other steps."""
    cells = [part for part in model.modules() if isinstance(part, MemoryCell)]
    if len(cells) != 1 or not hasattr(model, "beam_size"):
        return {}
    with _greedy(model), trace(cells[0]) as trace_of_cell:
        model.predict(batch)
    record = _to_cpu(trace_of_cell)
    return {"weightings": viz.weightings_figure(record)} if record else {}


@contextmanager
def _greedy(model: Any) -> Iterator[None]:
    """By attention alone where CTC would be asked as well, and without a beam."""
    before = {name: getattr(model, name) for name in ("beam_size", "decode") if hasattr(model, name)}
    model.beam_size = 1
    if before.get("decode") == "joint":
        model.decode = "attention"
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(model, name, value)
