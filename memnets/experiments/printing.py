"""What the commands print."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from ..base.terminal import escaped
from ..experiments.evaluate import in_columns
from ..training.lengths import Table

console = Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print lines that hold names or values of files and data: none of them may steer the terminal."""
    print(escaped(text, keep="\n\t"), flush=True)


def print_lengths(
    table: Table, task: Any, sequences: int, split: str | None = None, items: Mapping[int, int] | None = None
) -> None:
    """The table of length generalisation.

    Args:
        table: what was measured.
        task: the one trained on.
        sequences: of each length.
        split: that of the data evaluated on, where there are several.
        items: of each length how many different ones there are, where they are counted.
    """
    about = f"{sequences} sequences each; trained on {task.min_length}-{task.max_length}"
    about += f"; split {split}" if split else ""
    title = f"Length generalisation ({about})"
    shown = RichTable(title=title, title_justify="left")
    shown.add_column(task.length_unit, justify="right")
    if items:
        shown.add_column("different ones", justify="right")
    names = list(next(iter(table.values())))
    for name in names:
        shown.add_column("wrong bits per sequence" if name == "bit_errors" else name.replace("_", " "), justify="right")
    for length, row in table.items():
        count = [str(items.get(length, "-"))] if items else []
        shown.add_row(str(length), *count, *(_number(name, row[name]) for name in names))
    console.print(shown)


def print_evaluations(scores: Mapping[str, Mapping[str, float]], task: Any, sequences: int) -> None:
    """The table of what is new to a trained model in different ways, at the lengths of training."""
    trained = f"{task.min_length}-{task.max_length} {task.length_unit}"
    about = f"{sequences} sequences each, or all there are; trained on {trained}"
    shown = RichTable(title=f"Kept from training ({about})", title_justify="left")
    head, rows = in_columns(scores)
    for n, name in enumerate(head):
        shown.add_column(name.replace("_", " "), justify="right" if n else "left")
    for what, *values in rows:
        shown.add_row(what, *(_number(name, math.nan if v is None else v) for name, v in zip(head[1:], values)))
    console.print(shown)


def _number(name: str, value: float) -> str:
    """Shares as percentages, counts as whole numbers, a dash where there is none."""
    if math.isnan(value):
        return "-"
    if name == "failing":
        return f"{value:,.0f}"
    return f"{value:.1%}" if name.endswith(("accuracy", "match", "rate")) else f"{value:.2f}"


def print_runs(tables: Mapping[str, Table]) -> None:
    """Markdown: a row a run, with the first metric at each length."""
    first = next(iter(tables.values()))
    metric = next(iter(next(iter(first.values()))))
    head = ["run", *(f"{metric.replace('_', ' ')} at {length}" for length in first)]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for path, table in tables.items():
        say("| " + " | ".join([path, *(_number(metric, row[metric]) for row in table.values())]) + " |")


def print_paths(paths: Mapping[str, Path | str]) -> None:
    """One line each: what it is, where it is."""
    width = max(map(len, paths), default=0)
    for name, path in paths.items():
        say(f"{name:<{width}}  {path}")
