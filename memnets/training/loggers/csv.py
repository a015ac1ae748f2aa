"""``metrics.csv``: all numbers of a run in a plain file that needs no account."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from ...base.errors import RunError
from ...base.files import write_atomically
from ...base.regular_files import read_regular

NAME = "metrics.csv"
MOST_BYTES = 1 << 28
"""A larger file is none that a run has written."""


class MetricsCSV(Logger):
    """``metrics.csv``: one row a step at which anything was logged, one column a name, empty where not logged.

    When a run is resumed the rows after the checkpoint's step are dropped, so that no step stands there twice.

    Args:
        save_dir: the folder of the file, which is made with its first rows and replaced whole at each save. The run's
            own by default.
    """

    def __init__(self, save_dir: str | Path):
        super().__init__()
        self.path = Path(save_dir) / NAME
        self.rows: dict[int, dict[str, Any]] = {}
        self._written = False
        if self.path.is_file():
            self.rows = {int(row.pop("step")): {k: v for k, v in row.items() if v} for row in _read(self.path)}

    @property
    def name(self) -> str:
        """None: the folder is a run's."""
        return ""

    @property
    def version(self) -> str:
        """None, for the same reason."""
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
        if not self.rows or (self._written and not self.path.parent.is_dir()):  # the run was deleted meanwhile
            return
        columns = sorted({name for row in self.rows.values() for name in row})
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, ["step", *columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows({"step": step, **self.rows[step]} for step in sorted(self.rows))
        write_atomically({self.path: text.getvalue().encode()})
        self._written = True

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
        text = read_regular(path, MOST_BYTES).decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        for row in rows:
            int(row["step"])
            [float(value) for value in row.values() if value]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{path} is damaged ({error!r}): delete it to go on without its numbers") from error
    return rows
