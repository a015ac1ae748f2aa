"""The local engine: each trial a process of its own on this machine."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..lock import holder
from ..sweeps.directory import SweepDir, TrialDir
from ..sweeps.plan import Trial
from ..sweeps.results import LogReader, last_line
from .base import Engine, EngineOptions
from .display import Display

HELD = 75
"""Exit status of ``memnets trial`` where another process runs the trial (EX_TEMPFAIL)."""
PARENT = "MEMNETS_SWEEP_PROCESS"
"""Environment variable with the process without which a trial stops, checkpoint saved."""
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL)
"""Exit statuses of a trial that was stopped from outside: it did not fail, and is resumed next time."""


class Interrupted(Exception):
    """The sweep was asked to stop, and its trials have; ``number`` is the signal."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class Child:
    """A trial that runs.

    Args:
        trial: which.
        directory: its run directory, made if need be.
        process: what runs it.
    """

    def __init__(self, trial: Trial, directory: TrialDir, process: subprocess.Popen[bytes], log: LogReader):
        self.trial = trial
        self.directory = directory
        self.process = process
        self.log = log
        self.started = time.monotonic()


class LocalEngine(Engine):
    """Each trial a process of its own on this machine."""

    here = True

    def run(self, place: SweepDir, trials: list[Trial], options: EngineOptions) -> int:
        """Run trials until each is done or has failed; where a signal stops that, say how to go on."""
        try:
            run_local(place, trials, options)
        except Interrupted as stopped:
            options.display.say(f"{stopped}; go on with: memnets sweep {place.path}")
            return 128 + stopped.number
        return 0


def trial_command(sweep: Path, name: str, words: Sequence[str] = ()) -> list[str]:
    """The command that runs one trial, or goes on with it, or returns at once if it is done."""
    # Without -P Python looks in the working directory first, for its own modules too.
    return [sys.executable, "-P", "-m", "memnets", "trial", str(sweep), name, *words]


def run_local(sweep: SweepDir, trials: list[Trial], options: EngineOptions) -> None:
    """Run trials until each is done or has failed; one that another process runs is waited for.

    Args:
        sweep: its directory, begun.
        trials: those to run.
        options: how.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the trials were saved and can be resumed.
    """
    display = options.display
    waiting, running = deque(trials), list[Child]()
    with _signals() as asked, display, _end_with_errors(running):
        while (waiting or running) and not asked:
            for _ in range(len(waiting)):
                if len(running) < options.processes:
                    _start_next(sweep, waiting, running, options)
            for child in [child for child in running if child.process.poll() is not None]:
                running.remove(child)
                if not _end(child, display):
                    waiting.append(child.trial)
            for child in running:
                child.log.read()
            display.tick(running)
            time.sleep(0.1)
        if asked:
            display.say(f"stopping {len(running)} trials; once more to end them at once")
            _stop(running, asked)
    if asked:
        raise Interrupted(asked[0])


def _start_next(sweep: SweepDir, waiting: deque[Trial], running: list[Child], options: EngineOptions) -> None:
    display = options.display
    trial = waiting.popleft()
    directory = sweep.trial(trial)
    if directory.path.is_dir() and holder(directory.path):
        display.held(trial)
        waiting.append(trial)
        return
    if directory.is_done:  # asked after the holder, who may just have ended it
        display.ended(trial, "done")
        return
    directory.path.mkdir(parents=True, exist_ok=True)
    log = LogReader(directory.log)
    with directory.log.open("ab") as out:
        process = subprocess.Popen(
            trial_command(sweep.path, trial.name, options.words),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(options.threads), PARENT: str(os.getpid())},
            start_new_session=True,  # a terminal's Ctrl-C is for the sweep, which passes it on
        )
    running.append(Child(trial, directory, process, log))
    display.started(trial)


def _end(child: Child, display: Display) -> bool:
    """Take note of a trial's end; False if another process runs it."""
    status, directory = child.process.returncode, child.directory
    if directory.is_done:
        display.ended(child.trial, "done", time.monotonic() - child.started)
    elif status == HELD:
        return False
    elif status in STOPPED:
        number = status - 128 if status > 0 else -status
        display.ended(child.trial, f"stopped by {signal.Signals(number).name}")
    else:
        note_failure(directory, status)
        display.ended(child.trial, "failed")
    return True


def note_failure(directory: TrialDir, status: int) -> None:
    """Note that a trial ended with an error, unless it did so itself or was stopped."""
    if status in STOPPED or directory.is_done or directory.has_failed:
        return
    with contextlib.suppress(OSError):  # a full disk: it is reported, and run again next time
        directory.fail(status, last_line(directory.log) or f"exit status {status} without a word")


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """A list into which SIGINT and SIGTERM go while the block runs."""
    asked: list[int] = []
    previous = {n: signal.signal(n, lambda n, _: asked.append(n)) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _end_with_errors(running: list[Child]) -> Iterator[None]:
    """An error of the sweep itself, such as a full disk, leaves no trial running unwatched."""
    try:
        yield
    except BaseException:
        for child in running:
            child.process.terminate()
        raise


def _stop(running: list[Child], asked: list[int]) -> None:
    """Ask all to save and stop; a second signal, or two minutes, ends them."""
    for child in running:
        child.process.terminate()
    deadline = time.monotonic() + 120
    while any(child.process.poll() is None for child in running):
        if len(asked) > 1 or time.monotonic() > deadline:
            for child in running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)
        time.sleep(0.05)
