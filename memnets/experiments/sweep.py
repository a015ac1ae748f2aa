"""A sweep from its plan to its end."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..base.errors import UsageError
from ..base.terminal import escaped
from .engines.base import EngineOptions, find_engine
from .sweeps.directory import SweepDir, TrialDir
from .sweeps.machine import usable_cores
from .sweeps.plan import PlanError, Trial
from .sweeps.planning import check_settings, make_plan
from .sweeps.results import last_line


def run_sweep(options: argparse.Namespace) -> int:
    """Run what is not done, as ``memnets sweep`` asks; exit status 1 if a trial failed.

    Raises:
        UsageError: what is asked for cannot be.
    """
    try:
        place, plan, files = make_plan(options)
        trusted = place.is_trusted(options.trust) if _is_directory(place, options.targets) else True
        place.check(plan, files)
        trials = plan.trials()
        left = [trial for trial in trials if _is_left(place.trial(trial), options.retry_failed)]
        engine = find_engine(options.engine)
        engine.check()
        if engine.trains and left:
            check_settings(plan, left, files, here=engine.here, trusted=trusted, said=_said(options))
        place.begin(plan, files, vouch=trusted)
        how = _how(options, place, trials, left, trusted)
        if not engine.trains:
            return engine.run(place, left, how) or _say_left(place, trials, left)
        path = escaped(str(place.path))
        print(
            f"sweep {path}: {_count(trials, 'trial')}, {len(left)} to run; at a time {how.processes}, of "
            f"{_count(range(how.threads), 'thread')} each",
            flush=True,
        )
        return _conclude(place, trials, engine.run(place, left, how) if left else 0)
    except PlanError as error:
        raise UsageError(str(error)) from error


def _is_directory(place: SweepDir, targets: Sequence[str]) -> bool:
    """Whether the sweep goes on from its directory's files alone, rather than from what the user names."""
    return Path(targets[0]).resolve() in (place.path.resolve(), place.plan_file.resolve())


def _how(
    options: argparse.Namespace, place: SweepDir, trials: list[Trial], left: list[Trial], trusted: bool
) -> EngineOptions:
    from .engines.display import Display

    cores = usable_cores()
    processes = min(options.processes or cores, max(len(left), 1))
    # A share of the whole plan: what is left of a stopped sweep has to run as it ran before, to round the same.
    threads = options.threads or max(1, cores // min(options.processes or cores, len(trials)))
    words = _said(options) if _is_directory(place, options.targets) else []  # which trials that have begun do not know
    words += ["--trust"] if trusted and place.needs_trust() else []  # what the user vouches for, maybe elsewhere
    return EngineOptions(processes, threads, Display(place, trials, processes), options.gpus, words)


def _said(options: argparse.Namespace) -> list[str]:
    """Where W&B is to send, as far as the user says that and not the plan's file."""
    own = [(key, value) for key, value in options.settings.items() if key in ("wandb.mode", "wandb.entity")]
    return [word for key, value in own for word in (f"--{key}", value)]


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _is_left(place: TrialDir, retry_failed: bool) -> bool:
    return not place.is_done and (retry_failed or not place.has_failed)


def _say_left(place: SweepDir, trials: list[Trial], left: list[Trial]) -> int:
    failed = sum(place.trial(trial).has_failed for trial in trials if trial not in left)
    hint = f"; {failed} failed, which --retry-failed brings back" if failed else ""
    print(f"{_count(left, 'command')} for {_count(trials, 'trial')}{hint}", file=sys.stderr)
    return 0


def _conclude(place: SweepDir, trials: list[Trial], status: int) -> int:
    """Say what failed and how to repeat it."""
    done = [trial for trial in trials if place.trial(trial).is_done]
    others = [trial for trial in trials if not place.trial(trial).is_done]
    path = escaped(str(place.path))
    print(f"\n{len(done)} of {_count(trials, 'trial')} done; tables and figures: memnets report {path}")
    for trial in [] if status else others:
        directory = place.trial(trial)
        why = escaped(directory.read_failure() or f"stopped; {last_line(directory.log)}")
        print(f"\n{'failed' if directory.has_failed else 'not done'}: {trial.name}\n  {why}")
        print(escaped(f"  log: {directory.log}\n  again: memnets trial {place.path} {trial.name}", keep="\n"))
    return status or int(bool(others))
