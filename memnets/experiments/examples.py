"""What tasks there are, and examples of one: in words, and as a picture."""

import dataclasses
import importlib
import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import viz
from ..base.errors import UsageError, suggest
from ..base.seeding import generator
from ..base.task import Task
from .config import make_task
from .printing import print_paths, say

MOST_CLASSES = 64
"""Tokens and classes up to this many are drawn as rows, one each; of more, a single row of greys."""


def task_classes() -> dict[str, type[Task]]:
    """The tasks that ship, by the name of their class."""
    tasks: Any = importlib.import_module("memnets_tasks")
    found = {name: getattr(tasks, name) for name in tasks.__all__}
    return {name: kind for name, kind in found.items() if _is_task(kind)}


def _is_task(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, Task) and not inspect.isabstract(kind)


def summary(kind: type) -> str:
    """The first line of a class's docstring, without where else to look."""
    first = (inspect.getdoc(kind) or "").partition("\n")[0].replace("``", "")
    return re.sub(r"\s*(See|Arguments) .*", "", first)


def print_tasks() -> None:
    """A line each, the class first."""
    known = task_classes()
    width = max(map(len, known))
    for name, kind in sorted(known.items(), key=lambda item: item[0].lower()):
        print(f"{name:<{width}}  {summary(kind)}")


def find_task(name: str, overrides: Sequence[str] = ()) -> Task:
    """The task of that class, with its settings as on the command line (``--task.bits 3``).

    Raises:
        UsageError: there is no such task, or it refuses a setting.
    """
    if "." not in name and name not in task_classes():
        raise UsageError(f"unknown task {name!r}{suggest(name, task_classes())} (`memnets tasks` lists all)")
    class_path = name if "." in name else f"memnets_tasks.{name}"
    return make_task({"task": {"class_path": class_path}}, overrides)


def print_examples(
    name: str, overrides: Sequence[str], *, count: int, length: int | None, seed: int, save: str | None
) -> None:
    """What a task is, ``count`` examples in words, and, with ``save``, as a picture in that file.

    Raises:
        UsageError: there is no such task, it has no such example, or the file has another ending than a picture's.
    """
    task = find_task(name, overrides)
    try:
        if save:
            viz.check_ending(Path(save))
        random = generator(seed, "example", 0)
        lengths = task.sample_lengths(count, random) if length is None else torch.full((count,), length)
        batch = task.sample(count, lengths, random)
        figure = draw_batch(task, batch) if save else None
        print(f"{type(task).__name__}: {summary(type(task))}")
        print(_sizes(task))
        for index in range(count):
            say(task.text(batch, index))
        if save and figure is not None:
            print_paths({"figure": viz.save_figure(figure, save)})
    except ValueError as error:
        raise UsageError(str(error)) from error


def _sizes(task: Task) -> str:
    """Lengths, and what goes in and out of a model."""
    unit = task.length_unit
    tested = ", ".join(map(str, task.evaluation_lengths))
    parts = [f"trained on {task.min_length} to {task.max_length} {unit}, tested on {tested}"]
    if isinstance(task.vocabulary, int):
        parts.append(f"{task.vocabulary} tokens in")
    elif task.input_size is not None:
        parts.append(f"{task.input_size} inputs")
    if task.output_size is not None:
        parts.append(f"{task.output_size} outputs")
    return "; ".join(parts)


def draw_batch(task: Task, batch: Any) -> Any:
    """A figure of a batch of any task: images with their texts, or inputs and targets over time."""
    if hasattr(batch, "images"):
        images = batch.images if batch.images.dim() == 4 else torch.cat(batch.images.unbind(1), dim=-1)  # side by side
        return viz.images_figure(images, [task.text(batch, index) for index in range(len(batch))])
    if not hasattr(batch, "inputs"):
        raise ValueError(f"{type(task).__name__} has neither images nor inputs to draw: leave --save out")
    shown: Mapping[str, Tensor] = {
        "inputs": _as_rows(batch.inputs, task.vocabulary, batch.lengths),
        "targets": _as_rows(batch.targets, task.output_size, batch.mask),
    }
    return viz.batch_figure(dataclasses.replace(batch, **shown))


def _as_rows(values: Tensor, classes: Any, there: Tensor) -> Tensor:
    """Tokens or classes ``(B, T)`` as ``(B, T, rows)`` that can be drawn; numbers as they are.

    Args:
        values: numbers ``(B, T, F)``, or classes.
        classes: how many classes there are, where it is known.
        there: the lengths ``(B,)``, or a mask ``(B, T)``: elsewhere nothing is shown.
    """
    if values.dim() == 3:
        return values
    if there.dim() == 1:
        there = torch.arange(values.shape[1]) < there.unsqueeze(1)
    if not values.is_floating_point() and isinstance(classes, int) and classes <= MOST_CLASSES:
        return torch.nn.functional.one_hot(values, classes).float() * there.unsqueeze(-1)
    largest = max(float(values.max()), 1.0)
    return (values.float() / largest * there).unsqueeze(-1)
