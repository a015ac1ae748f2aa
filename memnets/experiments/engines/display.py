"""What a person sees of a sweep: a live table on a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

from ...base.terminal import escaped
from ..sweeps.directory import SweepDir
from ..sweeps.plan import Trial
from ..sweeps.results import error_name, final_error, last_line, more_is_better

if TYPE_CHECKING:
    from .local import Child


class Display:
    """Follows the trials of a sweep; a context manager, which shows the live table while it is open.

    Args:
        sweep: its directory.
        trials: all of the plan.
        processes: how many run at a time.
        console: where to.
    """

    def __init__(self, sweep: SweepDir, trials: Sequence[Trial], processes: int, console: Console | None = None):
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.processes = processes
        self.sweep = sweep
        self.groups: dict[str, list[Trial]] = {}
        for trial in trials:
            self.groups.setdefault(trial.group, []).append(trial)
        self.state = {trial.name: str(sweep.trial(trial).state()) for trial in trials}
        self.errors: dict[str, float] = {}
        self.solved: set[str] = set()
        self.took: list[float] = []
        for trial in trials:
            self._take_result(trial)
        self._held: set[str] = set()
        self._running: Sequence[Child] = ()
        self._drawn = 0.0
        self._live = (
            Live(console=self.console, auto_refresh=False, transient=True) if self.console.is_terminal else None
        )

    def __enter__(self) -> "Display":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """Print a line, above the table."""
        self.console.print(escaped(text), markup=False)

    def started(self, trial: Trial) -> None:
        """A trial runs from now on."""
        again = "resumed" if self.sweep.trial(trial).config.is_file() else "started"
        self.state[trial.name] = "running"
        self.say(f"{again:<8} {trial.name}")

    def held(self, trial: Trial) -> None:
        """Another process runs the trial."""
        if trial.name not in self._held:
            self._held.add(trial.name)
            self.state[trial.name] = "running"
            self.say(f"waiting  {trial.name}: another process runs it")

    def ended(self, trial: Trial, state: str, seconds: float | None = None) -> None:
        """A trial is done, has failed or was stopped; ``seconds`` is what it took here."""
        self.state[trial.name] = state
        if seconds is not None:
            self.took.append(seconds)
        self._take_result(trial)
        place = self.sweep.trial(trial)
        if state == "done":
            result = place.read_result()
            assert result is not None
            name = error_name(result).replace("_", " ")
            error = final_error(result)
            shown = "" if error is None else f"; {name} {error:.4g}"
            how = f"solved after {result['sequences_to_solve']:,}" if result["solved"] else "not solved within"
            until = "" if result["solved"] else f" {result['sequences']:,}"
            self.say(f"done     {trial.name}: {how}{until} sequences{shown}{self._ending()}")
        else:
            self.say(f"{state:<8} {trial.name}: {last_line(place.log)}")

    def _take_result(self, trial: Trial) -> None:
        place = self.sweep.trial(trial)
        result = place.read_result()
        if result is None:
            return
        error = final_error(result)
        if error is not None and not more_is_better(error_name(result)):
            self.errors[trial.name] = error
        if result["solved"]:
            self.solved.add(trial.name)

    def tick(self, running: Sequence["Child"]) -> None:
        """Draw the table again, twice a second."""
        self._running = running
        if self._live and time.monotonic() - self._drawn > 0.5:
            self._drawn = time.monotonic()
            self._live.update(self.table(), refresh=True)

    def table(self) -> Table:
        """A row a group of seeds; of a large sweep only those at work."""
        table = Table(title=f"{self.sweep.path.name}: {self.summary()}", title_justify="left")
        for heading in ("experiment", "done", "running", "failed", "solved", "best error", "latest"):
            table.add_column(heading, justify="left" if heading in ("experiment", "latest") else "right")
        at_work = {child.trial.group for child in self._running}
        for group, trials in self.groups.items():
            if len(self.groups) > 20 and group not in at_work:
                continue
            children = [child for child in self._running if child.trial.group == group]
            errors = [self.errors[trial.name] for trial in trials if trial.name in self.errors]
            errors += [child.log.best for child in children if child.log.best is not None]
            latest = ", ".join(f"seed {child.trial.seed} step {child.log.step:,}" for child in children)
            counts = [self._count(trials, state) for state in ("done", "running", "failed")]
            solved = sum(trial.name in self.solved for trial in trials)
            done = f"{counts[0]} of {len(trials)}"
            best = f"{min(errors):.4g}" if errors else ""
            table.add_row(group, done, *map(str, counts[1:]), str(solved), best, latest)
        return table

    def _count(self, trials: Sequence[Trial], state: str) -> int:
        return sum(self.state[trial.name] == state for trial in trials)

    def summary(self) -> str:
        """``3 of 10 done, 2 running, 1 failed, about 2 min left``."""
        trials = [trial for group in self.groups.values() for trial in group]
        parts = [f"{self._count(trials, 'done')} of {len(trials)} done"]
        parts += [f"{n} {state}" for state in ("running", "failed") if (n := self._count(trials, state))]
        left = self.seconds_left()
        if left:
            parts.append(f"about {left / 60:.0f} min left" if left > 90 else f"about {left:.0f} s left")
        return ", ".join(parts)

    def seconds_left(self) -> float | None:
        """From what the trials of this sweep took so far; None before the first is done."""
        if not self.took:
            return None
        mean, now = sum(self.took) / len(self.took), time.monotonic()
        waiting = sum(state in ("waiting", "started") for state in self.state.values())
        running = sum(max(mean - (now - child.started), 0.1 * mean) for child in self._running)
        return (waiting * mean + running) / self.processes

    def _ending(self) -> str:
        return "" if self._live else f" ({self.summary()})"
