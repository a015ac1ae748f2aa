"""Lines longer than those trained on: how many readings are cut short, and their errors, by each way of reading.

Lines of the longest trained length, of the task's test data, are joined side by side, two to four of them, each on a
paper of its own where the task has paper; or, with ``--drawn``, lines of so many times that length are drawn. A reading
is cut where the prefix of the line that it fits best lacks three characters or more of it. Spaces are left out of both,
as what stands between two joined lines is none.

    python benchmarks/readers/long_lines.py runs/ocr-digits/<id> runs/ocr-words/<id> --lines 100
"""

import argparse
import math
from collections.abc import Sequence
from typing import Any

import torch

from memnets.experiments.load import load_run
from memnets_tasks.images.batches import join_lines
from memnets_tasks.images.metrics import edit_distance, prefix_distances

LACKING = 3
"""Characters that a cut reading lacks at the end, at least."""


def is_cut(reading: str, text: str) -> bool:
    """Whether a reading stops before the text does."""
    distances = prefix_distances(reading, text)
    fitting = max(n for n, distance in enumerate(distances) if distance == min(distances))
    return len(text) - fitting >= LACKING


def long_lines(task: Any, times: int, drawn: bool, random: torch.Generator) -> Any:
    """Ten lines so many times as long as the longest of training."""
    if drawn:
        return task.sample(10, times * task.max_length, random)
    return join_lines(task.sample(10 * times, task.max_length, random), [times] * 10, " ")


def measure(
    model: Any, task: Any, times: int, decode: str, lines: int, beam_size: int, drawn: bool
) -> tuple[float, float, float]:
    """Share of cut readings, character error rate, and the mean confidence of the cut ones."""
    random = torch.Generator().manual_seed(times)
    cut, edits, characters, sure = 0, 0, 0, []
    for _ in range(math.ceil(lines / 10)):
        batch = long_lines(task, times, drawn, random)
        readings = model.read(batch.images, batch.widths, decode=decode, beam_size=beam_size)
        for reading, text in zip(readings, batch.texts):
            read, wanted = reading.text.replace(" ", ""), text.replace(" ", "")
            edits, characters = edits + edit_distance(read, wanted), characters + len(wanted)
            if is_cut(read, wanted):
                cut += 1
                sure.append(reading.confidence)
    return cut / (10 * math.ceil(lines / 10)), edits / characters, sum(sure) / len(sure) if sure else math.nan


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", nargs="+")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 2, 3, 4], help="lines joined (1 2 3 4)")
    parser.add_argument("--lines", type=int, default=100, help="joined lines each (100)")
    parser.add_argument("--decode", nargs="+", default=["attention", "ctc", "joint"])
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--drawn", action="store_true", help="draw long lines in place of joining shorter ones")
    options = parser.parse_args(arguments)
    print("| run | read by | " + " | ".join(f"{times} x" for times in options.times) + " |")
    print("|---|---|" + "---|" * len(options.times))
    for path in options.run_dir:
        _, _, objects = load_run(path)
        model, task = objects.model.eval(), objects.task.splits().test
        for decode in options.decode:
            cells = []
            for times in options.times:
                cut, errors, sure = measure(model, task, times, decode, options.lines, options.beam, options.drawn)
                at = "" if math.isnan(sure) else f" at {sure:.2f}"
                cells.append(f"{cut:.1%}{at}, {errors:.1%}")
            print(f"| {path} | {decode} | " + " | ".join(cells) + " |", flush=True)
    print("\nEach: share of lines cut short (at their mean confidence), character error rate.")


if __name__ == "__main__":
    main()
