"""One run trained by several processes: Lightning's ddp, whoever starts them."""

import os
import subprocess
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.strategies import DDPStrategy

from ..base.errors import UsageError


def check_processes(trial: pl.Trainer, strategy: Any) -> None:
    """Refuse what would train several runs, or one run in ways that a run here cannot be saved.

    Args:
        trial: a trainer made of the settings.
        strategy: ``trainer.strategy`` as it was set.

    Raises:
        UsageError: with the settings that work.
    """
    started = int(os.environ.get("WORLD_SIZE") or 1) if "TORCHELASTIC_RUN_ID" in os.environ else trial.world_size
    ours: Any = trial.strategy
    if trial.world_size > 1 and strategy == "auto":
        raise UsageError(
            f"{trial.world_size} devices were asked for: add --trainer.strategy ddp to train one run on all "
            "of them, or take one, --trainer.devices 1"
        )
    if trial.world_size > 1 and not isinstance(ours, DDPStrategy):
        raise UsageError(f"--trainer.strategy is {strategy!r}, but several devices need ddp")
    if isinstance(ours, DDPStrategy) and ours._start_method != "popen":  # other processes would need all pickled
        raise UsageError(f"--trainer.strategy is {strategy!r}, but several devices need ddp")
    if started != trial.world_size:
        raise UsageError(
            f"{started} processes were started, but the settings make {trial.world_size}: use "
            f"--trainer.strategy ddp --trainer.devices N --trainer.num_nodes M with N times M = {started}"
        )


def keep_children_safe() -> None:
    """Have processes that Lightning starts not look for modules, Python's own among them, in the working directory."""
    os.environ.setdefault("PYTHONSAFEPATH", "1")


class ShareRunDir(pl.Callback):
    """Gives every process the run directory of the first one, which made it, as ``trainer.default_root_dir``."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Processes have met by now."""
        ours: Any = trainer
        ours._default_root_dir = trainer.strategy.broadcast(ours._default_root_dir)


def end_children(trainer: pl.Trainer, seconds: float = 10.0) -> None:
    """See that no process that the trainer started outlives a run that has failed.

    Args:
        trainer: of the first process.
        seconds: how long those that trained may take to end by themselves, as they do where all meet one error.
    """
    for child in getattr(trainer.strategy.launcher, "procs", []):
        try:
            child.wait(seconds if trainer.global_step else 0)
        except subprocess.TimeoutExpired:
            child.kill()
