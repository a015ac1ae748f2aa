"""One trial of a sweep, in a process of its own."""

import contextlib
import datetime
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ..base.errors import UsageError
from ..base.terminal import escaped
from .engines.local import HELD, PARENT
from .lock import HeldError, hold
from .sweeps.directory import SweepDir, find_trial
from .sweeps.machine import describe_machine, is_follower
from .sweeps.plan import Plan, PlanError, Trial


def run_trial(sweep: str, name: str, said: Sequence[str] = (), *, vouched: bool = False) -> int:
    """From the start, from where it stopped, or not at all if it is done; returns the exit status.

    Args:
        sweep: the sweep's directory.
        name: of the trial.
        said: settings of W&B that the user has said, in place of those of the sweep's files.
        vouched: the user said ``--trust``.

    Raises:
        UsageError: there is no such sweep or trial, or its files name classes that the user has not vouched for.
    """
    try:
        place, plan = SweepDir.open(Path(sweep))
        item = find_trial(plan, name)
        directory = place.trial(item)
    except PlanError as error:
        raise UsageError(str(error)) from error
    if directory.is_done:
        print(escaped(f"{item.name} is done: {directory.result}"))
        return 0
    trusted = place.is_trusted(vouched)
    if is_follower():
        return _train(place, plan, item, trusted, said)
    directory.path.mkdir(parents=True, exist_ok=True)
    try:
        with hold(directory.path, on_beat=_end_with_parent):
            return 0 if directory.is_done else _attempt(place, plan, item, trusted, said)
    except HeldError as error:
        print(f"memnets: error: trial: {escaped(str(error))}", file=sys.stderr)
        return HELD


def _attempt(place: SweepDir, plan: Plan, item: Trial, trusted: bool, said: Sequence[str]) -> int:
    directory = place.trial(item)
    try:
        import torch

        directory.begin_attempt(describe_machine(torch.get_num_threads()))
        return _train(place, plan, item, trusted, said)
    except Exception as error:
        with contextlib.suppress(OSError):  # of a full disk the first error is what matters
            directory.fail(1, " ".join(str(error).split()) or type(error).__name__)
        raise


def _train(place: SweepDir, plan: Plan, item: Trial, trusted: bool, said: Sequence[str]) -> int:
    from .run_dir import RunDir
    from .start import prepare, resume_run

    path = place.trial(item).path
    if (path / "config.yaml").is_file():
        run = RunDir.open(path)
        return resume_run(run, said, trusted=run.is_trusted(trusted))
    overrides = [*item.arguments, "--seed", str(item.seed), *said]
    settings = {"wandb.group": plan.name}
    work = prepare(item.experiment, place.config(item.experiment), overrides, settings, said=said, trusted=trusted)
    begun = f"{datetime.datetime.now():%Y%m%d-%H%M%S}"  # another sweep of this name is another run in W&B
    work.config.run_id = "-".join([plan.name, *item.name.split("/")[1:], begun])
    return work.start(lambda: RunDir.at(path))


def _end_with_parent() -> None:
    """Save and stop where the process that started this trial is gone: no one would see its end."""
    parent = os.environ.get(PARENT)
    if parent and os.getppid() != int(parent):
        del os.environ[PARENT]
        os.kill(os.getpid(), signal.SIGTERM)
