"""Figures of what a trained model does with one example, whatever memory it has.

A figure never ends a run: what cannot be drawn is said once, in one line, and left out.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .. import viz
from ..base.model import Model
from ..base.modes import evaluating
from ..base.seeding import generator
from ..base.task import Task
from ..models.text_reader import TextReader
from ..recurrent.trace import Trace, is_traceable, trace
from ..text.word_models import WithVocabulary
from .adapters import is_sequence_module, predict

Draw = Callable[[], Any]

_log = logging.getLogger("memnets.figures")
_log.setLevel(logging.WARNING)  # heard where the rest is quietened, as ``memnets fit`` does


class Example(NamedTuple):
    """One example of a task, and what a model made of it.

    Attributes:
        batch: of one, on the CPU.
        predictions: what the model's ``predict`` gave, on the CPU.
        trace: what its memories did; None without a memory, or where that could not be traced.
    """

    batch: Any
    predictions: Any
    trace: Trace | None


def run_example(model: nn.Module, task: Task, *, seed: int = 0, length: int | None = None) -> Example:
    """One fresh example through the model.

    Args:
        model: a :class:`memnets.Model`, or another module over sequences.
        task: what the example is of.
        seed: which example.
        length: in the task's unit; its longest in training if None.

    Raises:
        ValueError: the task has no example of that ``length``.
    """
    return _run(model, _sample(model, task, seed, length))


def _sample(model: nn.Module, task: Task, seed: int, length: int | None) -> Any:
    random = generator(seed, "example", 0, next(model.parameters(), torch.empty(0)).device)
    longest = torch.tensor([task.max_length], device=random.device)  # a tensor: of files, the nearest will do
    return task.sample(1, length or longest, random)


@torch.no_grad()
def _run(model: nn.Module, batch: Any) -> Example:
    with evaluating(model):
        predictions, traced = _traced(model, batch) if is_traceable(model) else (None, None)
        if traced is None or not is_sequence_module(model):  # greedily is not how a decoder predicts
            predictions = predict(model, batch)
    return Example(batch.to("cpu"), _to_cpu(predictions), traced)


def _traced(model: nn.Module, batch: Any) -> tuple[Any, Trace | None]:
    """Predictions, and what the model's memories did meanwhile; None, and said, where that cannot be traced."""
    try:
        with _greedy(model), trace(model) as traced:
            predictions = predict(model, batch)
        used = "lengths" in traced  # a decoder may have no use of its memory, as where CTC reads
    except Exception as error:
        _say(f"what the memory of {type(model).__name__} did is left out of the figures: {_one_line(error)}")
        return None, None
    return predictions, traced if used else None


@contextmanager
def _greedy(model: nn.Module) -> Iterator[None]:
    """A decoder by attention alone and without a beam: the rows of others are not one sequence each."""
    if not isinstance(model, (TextReader, WithVocabulary)):
        yield
        return
    beam_size, model.beam_size = model.beam_size, 1
    joint = model if isinstance(model, TextReader) and model.decode == "joint" else None
    if joint is not None:
        joint.decode = "attention"
    try:
        yield
    finally:
        model.beam_size = beam_size
        if joint is not None:
            joint.decode = "joint"


def _to_cpu(predictions: Any) -> Any:
    return predictions.cpu() if isinstance(predictions, Tensor) else predictions


def draw_example(model: nn.Module, task: Task, *, seed: int = 0, length: int | None = None) -> Any:
    """The one figure that tells the most: the memory at work; without one, what was given, wanted and made of it.

    None where nothing can be drawn.
    """
    for draw in _draws(model, task, seed, length).values():
        if (figure := draw()) and not isinstance(figure, viz.Animation):
            return figure
    return None


def draw_all(model: nn.Module, task: Task, *, seed: int = 0, length: int | None = None) -> dict[str, Any]:
    """Every figure of one example, those of the task's own included, by file name without its ending.

    Raises:
        ValueError: the task has no example of that ``length``.
    """
    figures = {name: draw() for name, draw in _draws(model, task, seed, length).items()}
    return {name: figure for name, figure in figures.items() if figure is not None}


def example_text(model: nn.Module, task: Task, *, seed: int = 0, length: int | None = None) -> str:
    """Where the memory's heads look, in characters for the terminal; nothing where there are no such heads."""
    batch = _sample(model, task, seed, length)
    example = careful("weightings", lambda: _run(model, batch))()
    traced = None if example is None else _drawable(example.trace)
    if traced is None or "weighting" not in traced.kinds.values():
        return ""
    return careful("weightings", lambda: viz.weightings_text(traced))() or ""


def save_all(
    figures: Mapping[str, Any], folder: Path, ending: str = ".png", *, asked_for: bool = False
) -> dict[str, Path]:
    """Save figures under their names; gives the path of each that could be saved.

    Args:
        figures: by name.
        folder: where to.
        ending: of those that do not move.
        asked_for: whether figures are all that is wanted: that they cannot be written is an OSError then.
    """
    paths, raised = {}, (OSError,) if asked_for else ()
    for name, figure in figures.items():
        own = ".gif" if isinstance(figure, viz.Animation) else ending
        path = careful(name, partial(viz.save_figure, figure, folder / f"{name}{own}"), raised)()
        if path is not None:
            paths[name] = path
    return paths


def _draws(model: nn.Module, task: Task, seed: int, length: int | None) -> dict[str, Draw]:
    """The figures there are, each to be drawn by a call that gives None where that fails; the most telling first."""
    given = _sample(model, task, seed, length)
    example = careful("of an example", lambda: _run(model, given))()
    if example is None:
        return {}
    batch, predictions, _ = example
    traced = _drawable(example.trace)
    draws: dict[str, Draw] = {}
    mask = None
    if is_sequence_module(model):
        mask = batch.mask
        if _is_bits(batch, predictions):
            classes = task.softmax_size
            outputs = _probabilities(predictions.float(), classes)
            if traced is not None:
                draws["memory-at-work"] = lambda: viz.memory_work_figure(batch, outputs, traced, classes=classes)
            draws["sequence"] = lambda: viz.sequence_figure(batch, outputs, classes=classes)
    own: dict[str, Any] = {}
    if isinstance(model, Model):
        own |= careful("of the model's own", lambda: model.figures(batch, predictions))() or {}
    own |= careful("of the task's own", lambda: task.figures(batch, predictions, example.trace))() or {}
    draws |= {name: lambda figure=figure: figure for name, figure in own.items()}
    if traced is not None:
        if "memory-at-work" not in draws:
            draws["memory-at-work"] = lambda: viz.records_figure(traced, mask=mask)
        draws |= viz.trace_figures(traced, mask=mask)
    return {name: careful(name, draw) for name, draw in draws.items()}


def _is_bits(batch: Any, predictions: Tensor) -> bool:
    """Whether zeros and ones are wanted, so that the predictions are logits of an output's being 1."""
    return predictions.shape == batch.targets.shape and bool(((batch.targets == 0) | (batch.targets == 1)).all())


def _probabilities(logits: Tensor, classes: int | None) -> Tensor:
    """Of each output by itself, or of each of as many ``classes`` of a softmax."""
    return logits.sigmoid() if classes is None else logits.unflatten(-1, (-1, classes)).softmax(-1).flatten(-2)


def _drawable(traced: Trace | None) -> Any:
    """The trace without the records that cannot be drawn, which are said; None where none can."""
    if traced is None:
        return None
    left, reasons = viz.drawable(traced)
    for name, reason in reasons.items():
        _say(f"the record {name} is left out of the figures: {reason}")
    return left if left.kinds else None


def careful(name: str, draw: Draw, raised: tuple[type[Exception], ...] = ()) -> Draw:
    """A call that draws, or says why not and gives None.

    Args:
        name: which figure, for what is said.
        draw: may raise whatever it likes.
        raised: errors that are not kept back.
    """

    def attempt() -> Any:
        try:
            return draw()
        except raised:
            raise
        except Exception as error:
            _say(f"the figure {name} is left out: {_one_line(error)}")
            return None

    return attempt


def _one_line(error: Exception) -> str:
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return " ".join(text.split()) or type(error).__name__


@lru_cache(maxsize=1024)
def _say(line: str) -> None:
    """Once each."""
    _log.warning(line)
