"""The page of an atlas: tables, figures, and what each memory can and cannot do, all from the cells' numbers."""

import shlex
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...base.errors import UsageError
from ...base.files import write_atomically
from ...viz import heat_map_figure, save_figure, score_lengths_figure
from .cell import Record
from .plan import Atlas, Entry, Protocol
from .run import Store
from .words import about_memory, about_task, settings_text

PAGE = "README.md"


class Results(NamedTuple):
    """The cells of an atlas that there are.

    Attributes:
        atlas: the plan.
        cells: by memory, by task; also those that are not done yet, or failed.
    """

    atlas: Atlas
    cells: dict[str, dict[str, Record]]

    def seeds(self, memory: str, task: str) -> list[dict[int, float]]:
        """The scores of each seed of a cell, by multiple of the training length; empty where there are none yet."""
        return [
            {int(multiple): found["score"] for multiple, found in training["scores"].items()}
            for training in self.cells[memory][task]["measured"]
        ]

    def median(self, memory: str, task: str, multiple: int) -> float:
        """Of a cell at a multiple of the training length; NaN where there is nothing yet."""
        return statistics.median([seed[multiple] for seed in self.seeds(memory, task)] or [float("nan")])

    def best(self, memory: str, task: str, multiple: int) -> float:
        """The same of the best seed."""
        return max([seed[multiple] for seed in self.seeds(memory, task)] or [float("nan")])


def read_results(atlas: Atlas, store: Store) -> Results:
    """What is known of the atlas.

    Raises:
        UsageError: a cell is damaged or of other settings, or there is none at all.
    """
    cells: dict[str, dict[str, Record]] = {memory.name: {} for memory in atlas.memories}
    for cell in atlas.cells():
        cells[cell.memory.name][cell.task.name] = store.read(atlas, cell)
    if not any(record["measured"] for row in cells.values() for record in row.values()):
        raise UsageError(f"{store.path} has no cell with a result yet: run `memnets compare --into {store.path}` first")
    return Results(atlas, cells)


def make_page(results: Results, folder: Path, commands: Sequence[Sequence[str]]) -> dict[str, Path]:
    """Write the page and its figures.

    Args:
        results: what to show.
        folder: where to.
        commands: the words that ran the cells, and that drew this.

    Returns:
        Name to path.
    """
    figures = {f"figures/{name}.png": figure for name, figure in draw(results).items()}
    for name, figure in figures.items():
        save_figure(figure, folder / name)
    text = page_text(results, commands, list(figures))
    write_atomically(
        {
            folder / PAGE: text.encode(errors="backslashreplace"),
            folder / "scores.csv": csv_text(results).encode(errors="backslashreplace"),
        }
    )
    paths = {Path(name).stem: folder / name for name in figures}
    return {"page": folder / PAGE, "scores": folder / "scores.csv", **paths}


def draw(results: Results) -> dict[str, Any]:
    """The figures, by file name."""
    atlas = results.atlas
    memories, tasks = [m.name for m in atlas.memories], _begun(results)
    ends = (atlas.protocol.multiples[0], atlas.protocol.multiples[-1])
    shown = [(f"median over seeds, {_times(end)}", end) for end in dict.fromkeys(ends)]
    values = np.array([[[results.median(m, t, end) for t in tasks] for m in memories] for _, end in shown])
    curves = {task: {memory: results.seeds(memory, task) for memory in memories} for task in tasks}
    return {
        "heat-map": heat_map_figure(values, memories, tasks, title="Memory Atlas", panels=[name for name, _ in shown]),
        "lengths": score_lengths_figure(curves, title="Scores beyond the trained length (median, least and best seed)"),
    }


def _begun(results: Results) -> list[str]:
    """The tasks of which there is anything."""
    names = [task.name for task in results.atlas.tasks]
    return [name for name in names if any(row[name]["measured"] for row in results.cells.values())]


def _times(multiple: int) -> str:
    return "trained length" if multiple == 1 else f"{multiple} times the trained length"


def page_text(results: Results, commands: Sequence[Sequence[str]], figures: Iterable[str]) -> str:
    """The page, in Markdown."""
    atlas = results.atlas
    tasks = _begun(results)
    first, last = atlas.protocol.multiples[0], atlas.protocol.multiples[-1]
    parts = [
        "# The Memory Atlas",
        "Every memory on every task under one protocol. Made by the project's own commands, numbers and words alike:",
        "```bash\n" + "\n".join(map(shlex.join, commands)) + "\n```",
        _progress(results),
        protocol_text(atlas.protocol, fitted=any(memory.fit for memory in atlas.memories)),
        *(f"![{Path(path).stem}]({path})" for path in figures),
    ]
    for multiple in dict.fromkeys((first, last)):
        parts += [
            f"## At {_times(multiple)}" if multiple > 1 else "## At the trained length",
            _scores(results, tasks, multiple),
        ]
    parts += ["## What each memory can do and what it cannot"]
    parts += [about_memory(results, memory.name, tasks) for memory in atlas.memories]
    parts += ["## What each task asks of a memory"]
    parts += [about_task(results, task) for task in tasks]
    parts += ["## Sizes, time and memory of a step", _costs(results, tasks)]
    parts += ["## Settings", _settings("memory", atlas.memories), _settings("task", atlas.tasks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _progress(results: Results) -> str:
    records = [record for row in results.cells.values() for record in row.values()]
    done = sum(bool(record.get("done")) for record in records)
    failed = [
        f"{memory} on {task} ({record['error']})"
        for memory, row in results.cells.items()
        for task, record in row.items()
        if "error" in record
    ]
    begun = [record["about"] for record in records if "about" in record]
    dates = sorted({about["date"] for about in begun})
    machines = {f"{a['machine']['cpu']}, {a['machine']['cores']} cores, torch {a['machine']['torch']}" for a in begun}
    threads = sorted({about["machine"]["threads"] for about in begun})
    text = f"{done} of {len(records)} cells are done; a dash stands where one is not begun."
    if failed:
        text += f" {len(failed)} could not be run: {'; '.join(failed)}."
    text += f" Run on {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, {'; '.join(sorted(machines))}, "
    return text + f"{' or '.join(map(str, threads))} thread a training."


def protocol_text(protocol: Protocol, *, fitted: bool = True) -> str:
    """How it was measured, in words.

    Args:
        protocol: as it was.
        fitted: whether memories were fitted to one size of state.
    """
    rates = ", ".join(f"{rate:g}" for rate in protocol.rates)
    if len(protocol.rates) > 1:
        rates = f"chosen among {rates} on seed {protocol.choice_seed}, which counts for nothing else"
    seeds = ", ".join(map(str, protocol.seeds))
    multiples = ", ".join(map(str, protocol.multiples))
    sizes = (
        f"A model keeps {protocol.state} numbers from step to step, within {protocol.tolerance:.0%}, controller and "
        "memory together; of each memory one size is fitted to that, but where the table of sizes says otherwise."
        if fitted
        else "Sizes are as they were given: states are not of one size."
    )
    return (
        f"The protocol: {sizes} Adam, batches of {protocol.batch_size}, gradients clipped to a norm of "
        f"{protocol.clip:g}, at most "
        f"{protocol.steps:,} steps and {protocol.seconds:g} seconds of the processor a training, whichever is used up "
        f"first; the rate falls to zero over the last {protocol.decay:.0%} of that, and sooner where the task is "
        f"solved. The rate is {rates}; what is reported is of seeds {seeds}. Tested on {protocol.sequences} sequences "
        f"at {multiples} times the longest training length, memories with slots enlarged as many times. A score is 0 "
        "where the share of right bits or symbols is that of the answer that is right most often without looking, and "
        "1 without a mistake; of n-grams it is the way from guessing to the best estimator. Small budgets: what a "
        "memory does not learn here it may learn with more."
    )


def _scores(results: Results, tasks: Sequence[str], multiple: int) -> str:
    """Median (best) of each cell."""
    rows = [["memory", *tasks]]
    for memory in results.atlas.memories:
        cells = [
            (results.median(memory.name, task, multiple), results.best(memory.name, task, multiple)) for task in tasks
        ]
        rows.append(
            [memory.name, *("-" if np.isnan(median) else f"{median:.2f} ({best:.2f})" for median, best in cells)]
        )
    return "Median over seeds, in brackets the best seed.\n\n" + table(rows)


def _costs(results: Results, tasks: Sequence[str]) -> str:
    rows = [["memory", "numbers of state", "parameters", "fitted", "ms a step", "MiB kept a step", "backend"]]
    for memory in results.atlas.memories:
        records = [results.cells[memory.name][task] for task in tasks if "about" in results.cells[memory.name][task]]
        if not records:
            continue
        about = [record["about"] for record in records]
        times = [t["milliseconds"] for record in records for t in record["measured"]]
        fitted = sorted({value for a in about for value in a["fitted"].values()})
        rows.append([
            memory.name,
            _range([a["state"] for a in about]) + ("" if memory.fit else " (not fitted)"),
            _range([a["parameters"] for a in about]),
            f"{memory.fit} {_range(fitted)}" if memory.fit else "-",
            _range([round(t, 1) for t in times]),
            _range([round(a["kept_bytes"] / 2**20, 2) for a in about]),
            ", ".join(sorted({a["backend"] for a in about})),
        ])  # fmt: skip
    note = (
        "Over the tasks above, from the least to the most. Milliseconds are of the processor, in the median over the "
        "steps of a training, on batches of the protocol; they hold beside each other, as the machine had other work. "
        "MiB are what a step on the longest training sequences keeps for the way back."
    )
    return f"{note}\n\n{table(rows)}"


def _range(values: Sequence[float]) -> str:
    if not values:
        return "-"
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _settings(what: str, entries: Sequence[Entry]) -> str:
    return table([[what, "class", "arguments"], *([e.name, f"`{e.class_path}`", settings_text(e)] for e in entries)])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells in Markdown, the first of them the head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def csv_text(results: Results) -> str:
    """A line a seed and length: the training, its length, its score, and the scores that the task itself has."""
    lines = ["memory,task,rate,seed,steps,seconds,solved_at,diverged,multiple,length,score,scores"]
    for memory, row in results.cells.items():
        for task, record in row.items():
            for t in record["measured"]:
                for multiple, found in t["scores"].items():
                    own = ";".join(f"{name}={value}" for name, value in found["scores"].items())
                    said = '"' + (t["diverged"] or "").replace('"', "'") + '"'
                    values = [memory, task, t["rate"], t["seed"], t["steps"], t["seconds"], t["solved_at"] or "", said]
                    lines.append(",".join(map(str, [*values, multiple, found["length"], found["score"], own])))
    return "\n".join(lines) + "\n"
