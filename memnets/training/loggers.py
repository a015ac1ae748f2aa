"""Where numbers go: a plain CSV file always, Weights & Biases unless it is disabled."""

import csv
import io
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from ..base.errors import RunError
from ..base.files import write_atomically

MODES = ("online", "offline", "disabled")


class MetricsCSV(Logger):
    """``metrics.csv``: one row a step at which anything was logged, one column a name, empty where not logged.

    When a run is resumed the rows after the checkpoint's step are dropped, so that no step stands there twice.

    Args:
        path: the file; made with its first rows, replaced whole at each save.
    """

    def __init__(self, path: str | Path):
        super().__init__()
        self.path = Path(path)
        self.rows: dict[int, dict[str, Any]] = {}
        if self.path.is_file():
            self.rows = {int(row.pop("step")): {k: v for k, v in row.items() if v} for row in _read(self.path)}

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def version(self) -> str:
        """None is kept."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: ``config.yaml`` holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add values to the row of ``step``."""
        values = {name: float(value) for name, value in metrics.items() if name != "epoch"}
        if values:
            self.rows.setdefault(int(step or 0), {}).update(values)

    @rank_zero_only
    def forget_after(self, step: int) -> None:
        """Drop the rows of later steps."""
        self.rows = {at: row for at, row in self.rows.items() if at <= step}

    @rank_zero_only
    def save(self) -> None:
        """Write the file."""
        if not self.rows:
            return
        columns = sorted({name for row in self.rows.values() for name in row})
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, ["step", *columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"step": step, **self.rows[step]} for step in sorted(self.rows))
        write_atomically({self.path: text.getvalue().encode()})

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the file."""
        self.save()


def read_metrics(path: Path) -> dict[str, tuple[list[float], list[float]]]:
    """``metrics.csv`` as columns: name to (sequences, values), where a value was logged."""
    columns: dict[str, tuple[list[float], list[float]]] = {}
    for row in _read(path):
        x = float(row.get("sequences") or "nan")
        for name, value in row.items():
            if value and name not in ("step", "sequences"):
                xs, ys = columns.setdefault(name, ([], []))
                xs.append(x)
                ys.append(float(value))
    return columns


def _read(path: Path) -> list[dict[str, str]]:
    """The rows of ``metrics.csv``; RunError if it is damaged."""
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            int(row["step"])
            [float(value) for value in row.values() if value]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{path} is damaged ({error!r}): delete it to go on without its numbers") from error
    return rows


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


def make_wandb_logger(
    run_dir: Path,
    *,
    mode: str,
    experiment: str,
    run_id: str,
    project: str,
    entity: str | None,
    group: str | None,
    resume: bool,
) -> WandbLogger:
    """The W&B logger of a run; its files are under ``run_dir/wandb``; its id is made of experiment and ``run_id``."""
    import wandb

    logger = WandbLogger(
        name=f"{experiment}/{run_id}",
        save_dir=run_dir,
        id=_wandb_id(f"{experiment}-{run_id}"),
        project=project,
        entity=entity,
        group=group,
        mode=mode,  # pyright: ignore[reportArgumentType]
        resume="allow" if resume and mode == "online" else None,
        settings=wandb.Settings(console="off", silent=True, init_timeout=30),
        log_model=False,
    )
    logger._wandb_init.pop("anonymous", None)  # wandb warns of it, whatever its value
    return logger


def _wandb_id(name: str) -> str:
    """A name of at most 128 of the characters that W&B takes in an id, different for different names."""
    safe = re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)
    if len(safe) <= 128 and safe == name.replace("/", "-").replace(" ", "-"):
        return safe
    return f"{safe[:119]}-{zlib.crc32(name.encode()):08x}"
