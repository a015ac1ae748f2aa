"""A trained reader's confidence, calibrated on validation data at the end of a run and kept in its checkpoints."""

import copy
import io
from typing import Any

import torch

from ..base.files import write_atomically
from ..base.seeding import generator
from ..base.task import Task
from ..models.text_reader import TextReader
from .run_dir import RunDir

LINES = 256
"""Lines that the temperatures are fitted on, at most."""

AT_ONCE = 32


def calibrate_run(run: RunDir, model: Any, task: Task, *, seed: int, lines: int = LINES) -> dict[str, float]:
    """Calibrate a reader, and each of the run's checkpoints with its own weights; returns the model's temperatures.

    Args:
        run: of the model, at its end.
        model: other models than readers are left as they are.
        task: validation lines are those of ``task.splits().validation``.
        seed: of the lines.
        lines: how many of them.
    """
    if not isinstance(model, TextReader):
        return {}
    found = model.calibrate(_batches(model, task, seed, lines))
    for which, path in (("last", run.last), ("best", run.best)):
        if path.is_file():
            _rewrite(run, which, model, task, seed, lines)
    return found


def _batches(model: TextReader, task: Task, seed: int, lines: int) -> list[Any]:
    validation, device = task.splits().validation, next(model.parameters()).device
    random = generator(seed, "calibrate", 0, device)
    counts = [min(AT_ONCE, lines - start) for start in range(0, lines, AT_ONCE)]
    return [validation.sample(n, validation.sample_lengths(n, random), random) for n in counts]


def _rewrite(run: RunDir, which: str, model: TextReader, task: Task, seed: int, lines: int) -> None:
    """Put into a checkpoint the calibration of its own weights."""
    checkpoint = run.read_checkpoint(which)
    own = copy.deepcopy(model)
    own.load_state_dict({k.removeprefix("model."): v for k, v in checkpoint["state_dict"].items()})
    own.calibrate(_batches(own, task, seed, lines))
    for name, value in own.calibration.named_buffers():
        checkpoint["state_dict"][f"model.calibration.{name}"] = value.cpu()
    data = io.BytesIO()
    torch.save(checkpoint, data)
    write_atomically({run.last if which == "last" else run.best: data.getvalue()})
