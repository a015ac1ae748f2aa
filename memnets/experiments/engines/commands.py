"""The engine of job arrays: one command a trial, to be run by whatever can run commands."""

import shlex
from collections.abc import Sequence

from ..sweeps.directory import SweepDir
from ..sweeps.plan import Trial
from .base import Engine, EngineOptions
from .local import trial_command


class CommandsEngine(Engine):
    """Prints the commands, and leaves running them to others."""

    trains = False

    def run(self, place: SweepDir, trials: list[Trial], options: EngineOptions) -> int:
        """Print a line a trial."""
        for line in trial_commands(place, trials, options.words):
            print(line)
        return 0


def trial_commands(sweep: SweepDir, trials: list[Trial], words: Sequence[str] = ()) -> list[str]:
    """A shell-quoted command for each trial, which may be run in any order, anywhere the files are, and again."""
    return [shlex.join(trial_command(sweep.path.resolve(), trial.name, words)) for trial in trials]
