"""What runs the trials of a sweep: one small protocol, and the table of those there are."""

import abc
import dataclasses
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..sweeps.directory import SweepDir
    from ..sweeps.plan import Trial
    from .display import Display

ENGINES = {
    "local": "local.LocalEngine",
    "ray": "ray_tune.RayEngine",
    "commands": "commands.CommandsEngine",
}
"""Each engine's class, in a module here that is imported when it is used."""


@dataclasses.dataclass(frozen=True)
class EngineOptions:
    """How trials are run.

    Attributes:
        processes: at a time.
        threads: of each process.
        display: is told what happens.
        gpus: that are set aside for each, such as 0.5.
        words: further words of each trial's command.
    """

    processes: int
    threads: int
    display: "Display"
    gpus: float = 0.0
    words: Sequence[str] = ()


class Engine(abc.ABC):
    """Runs trials somewhere; what is done is decided by each trial's ``result.json``."""

    trains = True
    """Whether trials have ended when :meth:`run` has; if not, they are only handed out."""
    here = False
    """Whether they are trained on this machine, so that their settings can be tried on it."""

    def check(self) -> None:
        """Raise PlanError where it cannot be used, before anything is written."""
        return

    @abc.abstractmethod
    def run(self, place: "SweepDir", trials: "list[Trial]", options: EngineOptions) -> int:
        """Run trials until each is done, has failed or was stopped; returns the exit status."""


def find_engine(name: str) -> Engine:
    """The engine of that name in :data:`ENGINES`."""
    module, _, kind = ENGINES[name].rpartition(".")
    found: Any = getattr(importlib.import_module(f".{module}", __package__), kind)
    return found()
