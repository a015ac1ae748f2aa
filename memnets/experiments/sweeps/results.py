"""What a trial's files say: its result, and while it runs the last line of its log."""

import math
import re
from pathlib import Path
from typing import Any

from ...base.kinds import NUMBER, OR_NONE, find_wrong

STEP = re.compile(r"^step +([\d,]+)  sequences +[\d,]+  loss \S+  (.+)$", re.MULTILINE)
"""The line of a validation: step, sequences, loss, then the metrics."""
METRIC = re.compile(r"(\S[^\n]*?) ([-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|inf|nan))(?:  |$)")
"""One of them."""
LENGTH = re.compile(r"[0-9]{1,18}")
MORE_IS_BETTER = ("accuracy", "match", "ned", "cider", "bleu1", "bleu2", "bleu3", "bleu4")
"""Endings of the metrics that are no errors, but the opposite."""

NEEDED: dict[str, Any] = {
    "solved": bool,
    "sequences_to_solve": OR_NONE,
    "seconds_to_solve": OR_NONE,
    "steps": int,
    "sequences": int,
    "seconds": NUMBER,
    "parameters": int,
    "backend": str,
    "device": str,
    "metrics": dict,
    "lengths": dict,
}
"""What a sweep and its report take from ``result.json``."""
FAILURES = {"failing": int, "sequences": int, "rate": NUMBER}
"""And where failing sequences were counted."""


def find_fault(result: Any) -> str | None:
    """Why a sweep cannot use what stands in ``result.json``; None if it can."""
    if not isinstance(result, dict):
        return "it is no mapping"
    if missing := [name for name in NEEDED if name not in result]:
        return f"it has no {missing[0]}"
    wanted = NEEDED | ({"failures": FAILURES} if "failures" in result else {})
    if (wrong := find_wrong(result, wanted)) is not None:
        return f"its {wrong} is of another kind"
    rows, scores = result["lengths"], result.get("evaluations") or {}
    if not rows or not all(rows.values()) or not all(map(LENGTH.fullmatch, rows)):
        return "it has no table of lengths"
    for table in (rows, scores, {"": result["metrics"]}):
        if not isinstance(table, dict) or not all(map(_is_row, table.values())):
            return "one of its tables holds something else than numbers"
    return None


def is_table_of_lengths(table: Any) -> bool:
    """Whether these are rows of numbers, each of a length."""
    return isinstance(table, dict) and all(LENGTH.fullmatch(length) and _is_row(row) for length, row in table.items())


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and find_wrong(row, dict.fromkeys(row, OR_NONE)) is None


def more_is_better(name: str) -> bool:
    """Whether a metric grows with success, as a share of right answers does."""
    return name.endswith(MORE_IS_BETTER)


def counts_errors(name: str) -> bool:
    """Whether a metric is known by its name to be what the task counts as errors."""
    return name == "excess" or ("error" in name and not name.startswith("alignment"))


def error_name(result: dict[str, Any]) -> str:
    """The metric that counts errors: the first one of the lengths table, such as ``bit_errors``."""
    return next(iter(next(iter(result["lengths"].values()))))


def final_error(result: dict[str, Any]) -> float | None:
    """The error at the last validation, the worst there is if it was no number; None if there was none."""
    name = f"val/{error_name(result)}"
    return as_error(result["metrics"][name], name) if name in result["metrics"] else None


def errors_at(result: dict[str, Any]) -> dict[int, float]:
    """The error at each length, the worst there is where it was no number."""
    return {int(length): error for length, error in _errors_in(result, "lengths").items()}


def evaluation_errors(result: dict[str, Any]) -> dict[str, float]:
    """The error of each of ``evaluations``, the worst there is where it was no number."""
    return _errors_in(result, "evaluations")


def _errors_in(result: dict[str, Any], table: str) -> dict[str, float]:
    name = error_name(result)
    return {row: as_error(metrics.get(name), name) for row, metrics in (result.get(table) or {}).items()}


def as_error(value: float | None, name: str) -> float:
    """An order over errors needs numbers; what is none is the worst of them: of a share of right answers, zero."""
    if value is None or math.isnan(value):
        return 0.0 if more_is_better(name) else math.inf
    return float(value)


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
            error = _logged_error(match[2])
            if error is not None:
                self.best = error if self.best is None else min(self.best, error)


def _logged_error(metrics: str) -> float | None:
    """The error among the metrics of a line; parts of a loss may stand before it."""
    found = METRIC.findall(metrics)
    named = [float(value) for name, value in found if counts_errors(name)]
    first = [float(value) for name, value in found[:1] if not name.endswith("loss") and not more_is_better(name)]
    known = [value for value in (named or first)[:1] if not math.isnan(value)]
    return known[0] if known else None


def last_line(path: Path) -> str:
    """The last line of a log that says something."""
    if not path.is_file():  # of a pipe the end never comes
        return ""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
