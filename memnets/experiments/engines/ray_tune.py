"""Ray Tune as the engine: local, or the cluster that RAY_ADDRESS names.

Tune schedules and shows; what is done is decided by ``result.json``, as Tune's own restore would run trials again
that have ended. Each trial is the command of :func:`memnets.experiments.engines.local.trial_command` in a process of
its own, which has signals, threads and memory to itself, and checks with the trial's lock that it runs once.
"""

import importlib.util
import logging
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from ...base.extras import remedy
from ..sweeps.directory import SweepDir, TrialDir
from ..sweeps.plan import PlanError, Trial
from .base import Engine, EngineOptions
from .display import Display
from .local import HELD, PARENT, note_failure, trial_command


def check_ray() -> None:
    """Refuse where Ray Tune is not installed, or nothing answers at RAY_ADDRESS.

    Raises:
        PlanError: with the command that installs it, or with the address.
    """
    if importlib.util.find_spec("ray") is None or importlib.util.find_spec("pyarrow") is None:
        raise PlanError(f"--engine ray needs Ray Tune: {remedy('ray')}")
    if address := os.environ.get("RAY_ADDRESS"):
        _check_address(address)


def _check_address(address: str) -> None:
    """Ray itself tries for minutes, and then ends the process."""
    if address in ("auto", "local"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise PlanError(f"RAY_ADDRESS is {address!r}, but must be host:port, ray://host:port, auto or local")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except OSError as error:
        raise PlanError(
            f"RAY_ADDRESS is {address}, where nothing answers ({error}): start Ray there (ray start --head), or unset "
            "RAY_ADDRESS to use this machine"
        ) from error


class RayEngine(Engine):
    """Each trial one of Ray Tune's."""

    def check(self) -> None:
        """See that Ray Tune is there."""
        check_ray()

    def run(self, place: SweepDir, trials: list[Trial], options: EngineOptions) -> int:
        """Run them on this machine or on the cluster."""
        run_ray(place, trials, options)
        return 0


def run_ray(sweep: SweepDir, trials: list[Trial], options: EngineOptions) -> None:
    """Run each trial as a Ray Tune trial.

    Args:
        sweep: its directory, on storage that every node sees under the same path.
        trials: those to run.
        options: how; ``processes`` holds on a Ray of this machine, and a cluster takes as many as its cores allow;
            Ray sets aside ``threads`` cores for each.

    Raises:
        PlanError: the cluster cannot be reached.
    """
    processes, threads, display = options.processes, options.threads, options.display
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # no GPU set aside: leave those there are visible
    import ray  # pyright: ignore[reportMissingImports]
    from ray import tune  # pyright: ignore[reportMissingImports]

    cluster = bool(os.environ.get("RAY_ADDRESS"))
    if not ray.is_initialized():
        local: dict[str, Any] = {} if cluster else {"num_cpus": processes * threads, "include_dashboard": False}
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **local)
        except ConnectionError as error:
            raise PlanError(f"RAY_ADDRESS is {os.environ['RAY_ADDRESS']}, where no Ray answers us: {error}") from error
    settings = {
        "sweep": str(sweep.path.resolve()),
        "threads": threads,
        "cwd": os.getcwd(),
        "words": list(options.words),
    }
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(_run_trial, **settings), {"cpu": threads, "gpu": options.gpus}),
        param_space={"trial": tune.grid_search([trial.name for trial in trials])},
        tune_config=tune.TuneConfig(max_concurrent_trials=None if cluster else processes),
        run_config=tune.RunConfig(
            name=f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}",
            storage_path=str((sweep.path / "ray").resolve()),
            verbose=0,
            callbacks=[_watch_class()(sweep, trials, display)],
        ),
    )
    with display:
        tuner.fit()


def _run_trial(config: dict[str, Any], *, sweep: str, threads: int, cwd: str, words: list[str]) -> None:
    """One trial, on any node: the same command that the other engines run."""
    from ray import tune  # pyright: ignore[reportMissingImports]

    directory = TrialDir(Path(sweep) / config["trial"])
    directory.path.mkdir(parents=True, exist_ok=True)
    settings = {"OMP_NUM_THREADS": str(threads), PARENT: str(os.getpid())}
    status = HELD
    while status == HELD:  # another process runs it, and will end or leave it
        with directory.log.open("ab") as out:
            command = trial_command(Path(sweep), config["trial"], words)
            status = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=cwd if Path(cwd).is_dir() else None,
                env={**os.environ, **settings},
            ).returncode
        if status == HELD:
            time.sleep(5)
    note_failure(directory, status)
    tune.report({"status": status})


def _watch_class() -> Any:
    """A callback that tells the display what Tune begins and ends; Ray is imported by now."""
    from ray import tune  # pyright: ignore[reportMissingImports]

    class Watch(tune.Callback):
        def __init__(self, sweep: SweepDir, trials: list[Trial], display: Display):
            self.trials = {trial.name: trial for trial in trials}
            self.sweep, self.display = sweep, display

        def __getstate__(self) -> dict[str, Any]:
            return {}  # Tune saves its callbacks, but a terminal cannot be saved

        def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            self.display.started(self.trials[trial.config["trial"]])

        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            self.note_end(self.trials[trial.config["trial"]])

        def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            self.note_end(self.trials[trial.config["trial"]])

        def note_end(self, trial: Trial) -> None:
            directory = self.sweep.trial(trial)
            ended = "done" if directory.is_done else "failed" if directory.has_failed else "stopped"
            self.display.ended(trial, ended)

    return Watch
