"""``memnets sweep``, ``trial`` and ``report``."""

import argparse
import contextlib
import datetime
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ..base.errors import UsageError
from ..experiments.engines.commands import trial_commands
from ..experiments.engines.local import HELD, PARENT, Interrupted, run_local
from ..experiments.reports.results import last_line
from ..experiments.sweeps.directory import SweepDir, TrialDir, find_trial
from ..experiments.sweeps.lock import HeldError, hold
from ..experiments.sweeps.machine import describe_machine, is_follower, usable_cores
from ..experiments.sweeps.plan import Plan, PlanError, Trial
from ..experiments.sweeps.planning import check_settings, make_plan


def sweep(options: argparse.Namespace) -> int:
    """``memnets sweep``: run what is not done; exit status 1 if a trial failed."""
    try:
        place, plan, files = make_plan(options)
        place.check(plan, files)
        trials = plan.trials()
        left = [trial for trial in trials if _is_left(place.trial(trial), options.retry_failed)]
        if options.engine == "ray":
            from ..experiments.engines.ray_tune import check_ray

            check_ray()
        if options.engine != "commands" and left:
            check_settings(plan, left, files, here=options.engine == "local")
        place.begin(plan, files)
        if options.engine == "commands":
            return _print_commands(place, trials, left)
        return _run(options, place, trials, left)
    except PlanError as error:
        raise UsageError(f"sweep: {error}") from error


def _run(options: argparse.Namespace, place: SweepDir, trials: list[Trial], left: list[Trial]) -> int:
    cores = usable_cores()
    processes = min(options.processes or cores, max(len(left), 1))
    # A share of the whole plan: what is left of a stopped sweep has to run as it ran before, to round the same.
    threads = options.threads or max(1, cores // min(options.processes or cores, len(trials)))
    print(
        f"sweep {place.path}: {_count(trials, 'trial')}, {len(left)} to run; at a time {processes}, of "
        f"{_count(range(threads), 'thread')} each",
        flush=True,
    )
    status = _train_all(options, place, trials, left, processes, threads) if left else 0
    return _conclude(place, trials, status)


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _is_left(place: TrialDir, retry_failed: bool) -> bool:
    return not place.is_done and (retry_failed or not place.has_failed)


def _print_commands(place: SweepDir, trials: list[Trial], left: list[Trial]) -> int:
    for line in trial_commands(place, left):
        print(line)
    failed = sum(place.trial(trial).has_failed for trial in trials if trial not in left)
    hint = f"; {failed} failed, which --retry-failed brings back" if failed else ""
    print(f"{_count(left, 'command')} for {_count(trials, 'trial')}{hint}", file=sys.stderr)
    return 0


def _train_all(
    options: argparse.Namespace, place: SweepDir, trials: list[Trial], left: list[Trial], processes: int, threads: int
) -> int:
    from ..experiments.engines.display import Display

    display = Display(place, trials, processes)
    if options.engine == "ray":
        from ..experiments.engines.ray_tune import run_ray

        run_ray(place, left, processes=processes, threads=threads, gpus=options.gpus, display=display)
        return 0
    try:
        run_local(place, left, processes=processes, threads=threads, display=display)
    except Interrupted as stopped:
        print(f"{stopped}; go on with: memnets sweep {place.path}")
        return 128 + stopped.number
    return 0


def _conclude(place: SweepDir, trials: list[Trial], status: int) -> int:
    """Say what failed and how to repeat it."""
    done = [trial for trial in trials if place.trial(trial).is_done]
    others = [trial for trial in trials if not place.trial(trial).is_done]
    print(f"\n{len(done)} of {_count(trials, 'trial')} done; tables and figures: memnets report {place.path}")
    for trial in [] if status else others:
        directory = place.trial(trial)
        failure = directory.read(directory.failure) or {"error": f"stopped; {last_line(directory.log)}"}
        print(f"\n{'failed' if directory.has_failed else 'not done'}: {trial.name}\n  {failure['error']}")
        print(f"  log: {directory.log}\n  again: memnets trial {place.path} {trial.name}")
    return status or int(bool(others))


def trial(options: argparse.Namespace) -> int:
    """``memnets trial``: one trial, from the start, from where it stopped, or not at all if it is done."""
    try:
        place, plan = SweepDir.open(Path(options.sweep_dir))
        item = find_trial(plan, options.trial)
    except PlanError as error:
        raise UsageError(f"trial: {error}") from error
    directory = place.trial(item)
    if directory.is_done:
        print(f"{item.name} is done: {directory.result}")
        return 0
    if is_follower():
        return _train(place, plan, item)
    directory.path.mkdir(parents=True, exist_ok=True)
    try:
        with hold(directory.path, on_beat=_end_with_parent):
            return 0 if directory.is_done else _attempt(place, plan, item)
    except HeldError as error:
        print(f"memnets: error: trial: {error}", file=sys.stderr)
        return HELD


def _attempt(place: SweepDir, plan: Plan, item: Trial) -> int:
    directory = place.trial(item)
    try:
        import torch

        directory.begin_attempt(describe_machine(torch.get_num_threads()))
        return _train(place, plan, item)
    except Exception as error:
        with contextlib.suppress(OSError):  # of a full disk the first error is what matters
            directory.fail(1, " ".join(str(error).split()) or type(error).__name__)
        raise


def _train(place: SweepDir, plan: Plan, item: Trial) -> int:
    from ..experiments.run_dir import RunDir
    from ..experiments.start import prepare, resume_run

    path = place.trial(item).path
    if (path / "config.yaml").is_file():
        return resume_run(RunDir.open(path))
    overrides = [*item.arguments, "--seed", str(item.seed)]
    work = prepare(item.experiment, place.config(item.experiment), overrides, {"wandb.group": plan.name})
    begun = f"{datetime.datetime.now():%Y%m%d-%H%M%S}"  # another sweep of this name is another run in W&B
    work.config.run_id = "-".join([plan.name, *item.name.split("/")[1:], begun])
    return work.start(lambda: RunDir.at(path))


def _end_with_parent() -> None:
    """Save and stop where the process that started this trial is gone: no one would see its end."""
    parent = os.environ.get(PARENT)
    if parent and os.getppid() != int(parent):
        del os.environ[PARENT]
        os.kill(os.getpid(), signal.SIGTERM)


def report(options: argparse.Namespace) -> int:
    """``memnets report``: tables and curves of a sweep, finished or not."""
    from ..experiments.printing import print_paths
    from ..experiments.reports.report import make_report

    try:
        place, plan = SweepDir.open(Path(options.sweep_dir))
        markdown_file, csv_file = (Path(path) if path else None for path in (options.markdown, options.csv))
        paths = make_report(place, plan, markdown_file=markdown_file, csv_file=csv_file)
    except PlanError as error:
        raise UsageError(f"report: {error}") from error
    print(paths["markdown"].read_text())
    print_paths(paths)
    return 0
