"""Running the command line from tests: a tiny experiment, in this process or in another."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import forked
from memnets.cli import main

ROOT = Path(__file__).resolve().parent.parent

TINY_TASK = ["--task.bits", "3", "--task.max_length", "4", "--task.evaluation_lengths", "[3,6]"]
TINY_MODEL = ["--model.hidden_size", "12", "--model.slots", "9", "--model.width", "5"]
TINY = [
    *TINY_TASK,
    *TINY_MODEL,
    *("--training.batch_size", "4", "--training.validation_size", "8"),
    *("--training.evaluation_sequences", "5", "--training.pictures_every", "0", "--training.min_slots", "5"),
]
"""Settings that make copy-ntm train at hundreds of steps a second."""


def fit(
    runs: Path,
    *more: str,
    experiment: str = "copy-ntm",
    run_id: str = "run",
    wandb: str = "disabled",
    drawn: bool = False,
) -> Path:
    """Train the tiny experiment in this process; its figures at the end, which take long, only if ``drawn``."""
    arguments = ["fit", experiment, *TINY, "--runs", str(runs), "--run_id", run_id, "--wandb.mode", wandb]
    with drawing(drawn):
        assert main([*arguments, *more]) == 0
    return runs / Path(experiment).stem / run_id


@contextmanager
def drawing(drawn: bool) -> Iterator[None]:
    """Runs that end within this have figures, or none."""
    with pytest.MonkeyPatch.context() as patch:
        if not drawn:
            patch.setattr("memnets.experiments.finish.draw_run", lambda *_, **__: {})
        yield


QUIET = ["--wandb.mode", "disabled", "--training.pictures_every", "0", "--run_id", "a", "--trainer.val_check_interval"]
SMALL = ["--training.validation_size", "8", "--training.evaluation_sequences", "4"]


def fit_images(runs, experiment, steps, *settings, drawn=False):
    """A run of that many steps; its figures at the end, which take longer than a step, only if ``drawn``."""
    more = ["--trainer.max_steps", str(steps), *settings, "--runs", str(runs)]
    with drawing(drawn):
        assert main(["fit", experiment, *QUIET, str(steps), *SMALL, *more]) == 0
    return runs / experiment / "a"


def command(*arguments: str, drawn: bool = False, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run ``memnets`` in a process of its own; ``settings`` are environment variables."""
    return forked.run(list(arguments), environment(**settings), Path(settings.get("PWD", ROOT)), drawn=drawn)


def new_command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The same in a new interpreter, for what depends on how Python was started."""
    return subprocess.run(
        [sys.executable, "-m", "memnets", *arguments],
        capture_output=True,
        text=True,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        timeout=300,
        cwd=settings.get("PWD", ROOT),
    )


def environment(**settings: str) -> dict[str, str]:
    """This environment without W&B's settings, with one thread, and with ``settings``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return {**kept, "OMP_NUM_THREADS": "1", **settings}


def result(run: Path) -> dict:
    """``result.json``."""
    return json.loads((run / "result.json").read_text())
