"""What the commands print."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from ..training.lengths import Table

console = Console(highlight=False, soft_wrap=True)


def print_lengths(table: Table, task: Any, sequences: int) -> None:
    """The table of length generalisation."""
    title = f"Length generalisation ({sequences} sequences each; trained on {task.min_length}-{task.max_length})"
    shown = RichTable(title=title, title_justify="left")
    shown.add_column(task.length_unit, justify="right")
    names = list(next(iter(table.values())))
    for name in names:
        shown.add_column("wrong bits per sequence" if name == "bit_errors" else name.replace("_", " "), justify="right")
    for length, row in table.items():
        values = [f"{row[name]:.1%}" if name.endswith("accuracy") else f"{row[name]:.2f}" for name in names]
        shown.add_row(str(length), *values)
    console.print(shown)


def print_runs(tables: Mapping[str, Table]) -> None:
    """Markdown: a row a run, with the first metric at each length."""
    first = next(iter(tables.values()))
    metric = next(iter(next(iter(first.values()))))
    head = ["run", *(f"{metric.replace('_', ' ')} at {length}" for length in first)]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for path, table in tables.items():
        print("| " + " | ".join([path, *(f"{row[metric]:.2f}" for row in table.values())]) + " |")


def print_paths(paths: Mapping[str, Path | str]) -> None:
    """One line each: what it is, where it is."""
    width = max(map(len, paths), default=0)
    for name, path in paths.items():
        print(f"{name:<{width}}  {path}")
