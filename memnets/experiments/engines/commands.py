"""The engine of job arrays: one command a trial, to be run by whatever can run commands."""

import shlex

from ..sweeps.directory import SweepDir
from ..sweeps.plan import Trial
from .local import trial_command


def trial_commands(sweep: SweepDir, trials: list[Trial]) -> list[str]:
    """A shell-quoted command for each trial, which may be run in any order, anywhere the files are, and again."""
    return [shlex.join(trial_command(sweep.path.resolve(), trial.name)) for trial in trials]
