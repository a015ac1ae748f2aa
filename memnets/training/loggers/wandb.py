"""Weights & Biases: offline by default, never a prompt."""

import os
import re
import zlib
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

MODES = ("online", "offline", "disabled")


class WandbUnavailableError(RuntimeError):
    """W&B was asked for in a way that cannot work here; the message gives the remedy."""


def resolve_wandb_mode(asked: str | None) -> str:
    """``WANDB_MODE``, else what the config asks for, else offline; checked so that nothing ever prompts.

    Raises:
        WandbUnavailableError: an unknown mode, or online without a key.
    """
    source = "WANDB_MODE" if os.environ.get("WANDB_MODE") else "--wandb.mode"
    mode = os.environ.get("WANDB_MODE") or asked or "offline"
    mode = {"dryrun": "offline", "run": "online"}.get(mode, mode)
    if mode not in MODES:
        raise WandbUnavailableError(f"{source} is {mode!r}, but must be one of {', '.join(MODES)}")
    if mode == "online" and not _has_key():
        raise WandbUnavailableError(
            f"{source} is online, but no W&B key was found: run `wandb login`, set WANDB_API_KEY, or use "
            "--wandb.mode offline"
        )
    return mode


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    import wandb

    return wandb.login(prompt=False)


class Wandb(WandbLogger):
    """Weights & Biases, offline unless asked: files under ``save_dir/wandb``, an id made of experiment and version.

    An experiment's section ``wandb`` has its settings.

    Args:
        save_dir: the run's directory.
        version: the run's id.
        experiment: its name.
        mode: online, offline or disabled, as :func:`resolve_wandb_mode` gives it.
        project: W&B project.
        entity: W&B user or team.
        group: W&B group.
        log_checkpoint: also keep the last checkpoint as an artifact.
        resumed: whether the run goes on with one that was stopped.
    """

    def __init__(
        self,
        save_dir: str | Path,
        version: str,
        experiment: str,
        *,
        mode: str = "offline",
        project: str = "memnets",
        entity: str | None = None,
        group: str | None = None,
        log_checkpoint: bool = False,
        resumed: bool = False,
    ):
        import wandb

        super().__init__(
            name=f"{experiment}/{version}",
            save_dir=save_dir,
            id=_wandb_id(f"{experiment}-{version}"),
            project=project,
            entity=entity,
            group=group,
            mode=mode,  # pyright: ignore[reportArgumentType]
            resume="allow" if resumed and mode == "online" else None,
            settings=wandb.Settings(console="off", silent=True, init_timeout=30),
            log_model=False,
        )
        self._wandb_init.pop("anonymous", None)  # wandb warns of it, whatever its value
        self.folder = Path(save_dir) / "wandb"
        self.artifact_name = _wandb_id(f"{experiment}-{version}")
        self.wants_checkpoint = log_checkpoint

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Start the run with this configuration, so that what is wrong with the connection is said before training.

        Raises:
            WandbUnavailableError: W&B did not start.
        """
        import wandb

        try:
            self.experiment.config.update(params, allow_val_change=True)
        except wandb.Error as error:
            raise WandbUnavailableError(
                f"W&B did not start: {error}; check the key and the connection, or use --wandb.mode offline"
            ) from error

    @rank_zero_only
    def log_checkpoint(self, path: Path) -> None:
        """Keep a checkpoint as an artifact, if that was asked for."""
        import wandb

        if self.wants_checkpoint:
            artifact = wandb.Artifact(self.artifact_name, type="model")
            artifact.add_file(str(path))
            self.experiment.log_artifact(artifact)

    @rank_zero_only
    def close(self, status: int) -> None:
        """End the run; ``status`` is 0 where it ended well."""
        import wandb

        wandb.finish(exit_code=status)

    @property
    def newest_folder(self) -> Path:
        """The folder of the run, the newest of those of a run that was resumed."""
        found = sorted(path for path in self.folder.glob("*run-*") if path.is_dir())
        return found[-1] if found else self.folder


def _wandb_id(name: str) -> str:
    """A name of at most 128 of the characters that W&B takes in an id, different for different names."""
    safe = re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)
    if len(safe) <= 128 and safe == name.replace("/", "-").replace(" ", "-"):
        return safe
    return f"{safe[:119]}-{zlib.crc32(name.encode(errors='backslashreplace')):08x}"
