"""What a trial's files say: its result, and while it runs the last line of its log."""

import re
from pathlib import Path
from typing import Any

STEP = re.compile(r"step +([\d,]+)  sequences +[\d,]+  loss \S+  ([^\d]+) ([-+.\deinfa]+)")
"""The line of a validation: step, sequences, loss, and the first metric, which is the error."""


def error_name(result: dict[str, Any]) -> str:
    """The metric that counts errors: the first one of the lengths table, such as ``bit_errors``."""
    return next(iter(next(iter(result["lengths"].values()))))


def final_error(result: dict[str, Any]) -> float | None:
    """The error at the last validation; None if there was none."""
    return result["metrics"].get(f"val/{error_name(result)}")


class LogReader:
    """Follows ``trial.log``.

    Args:
        path: the file, which need not be there yet. What it holds by now is left out.
    """

    def __init__(self, path: Path):
        self.path = path
        self.step = 0
        """Of the last validation."""
        self.best: float | None = None
        """The least error of a validation."""
        self._at = path.stat().st_size if path.is_file() else 0

    def read(self) -> None:
        """Take in the whole lines that were added."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
        except FileNotFoundError:
            return
        new = new[: new.rfind(b"\n") + 1]
        self._at += len(new)
        for match in STEP.finditer(new.decode(errors="replace")):
            self.step = int(match[1].replace(",", ""))
            error = float(match[3])
            self.best = error if self.best is None else min(self.best, error)


def last_line(path: Path) -> str:
    """The last line of a log that says something."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
