"""Lines a second of readers: training steps, greedy reading and beam search, by kind of attention and by CTC alone.

    python benchmarks/reading.py --json reading.json

Lines of DigitLines (16 rows) and TextLines (32 rows, made-up words), all of one length, with the readers of the
experiments ocr-digits and ocr-words and their variants. All kinds are timed in turn, so that a busy machine slows all
alike; figures are medians over the rounds. A training step is forward, backward, clipping and AdamW on a batch that
is there already; drawing one is a figure of its own. The readers are untrained: they are kept from ending a line by
themselves, and cut to its length, so that they take as many steps as a trained reader, but for the one of the end.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import torch
from step_time import processor

from memnets import TextReader
from memnets_tasks import DigitLines, TextLines

KINDS: dict[str, dict[str, Any]] = {
    "location": {"attention": "location"},
    "content": {"attention": "content"},
    "CTC": {"ctc_weight": 1.0},
}
HIDDEN = {"DigitLines": 64, "TextLines": 128}
WHAT = ("training step", "greedy", "beam")
Row = dict[str, Any]


def make_task(name: str) -> Any:
    return DigitLines(distortion=1.0) if name == "DigitLines" else TextLines(words="generated")


def jobs(reader: TextReader, batch: Any, length: int, beam_size: int) -> dict[str, Callable[[], Any]]:
    """What is timed of one reader, by name."""
    optimizer = torch.optim.AdamW(reader.parameters(), lr=1e-4)
    endless = copy.deepcopy(reader)
    if endless.decoder is not None:
        endless.decoder.output.bias.data[0] = -1e4  # of the end

    def train() -> None:
        optimizer.zero_grad()
        reader.batch_loss(batch)[0].backward()
        torch.nn.utils.clip_grad_norm_(reader.parameters(), 5)
        optimizer.step()

    def read(size: int) -> Callable[[], Any]:
        return lambda: endless.read(batch.images, batch.widths, beam_size=size, max_length=length)

    return dict(zip(WHAT, (train, read(1), read(beam_size))))


def medians(work: dict[tuple[str, str], Callable[[], Any]], seconds: float) -> dict[tuple[str, str], float]:
    """Median seconds of each, taken in turn for about ``seconds`` and at least three rounds."""
    found: dict[tuple[str, str], list[float]] = {name: [] for name in work}
    for run in work.values():
        run()
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 3 or time.perf_counter() < end:
        for name, run in work.items():
            began = time.perf_counter()
            run()
            found[name].append(time.perf_counter() - began)
        rounds += 1
    return {name: statistics.median(values) for name, values in found.items()}


def measure(name: str, given: argparse.Namespace) -> list[Row]:
    """A row for each kind of reader on one task, in lines a second."""
    task = make_task(name)
    random = torch.Generator().manual_seed(0)
    batch = task.sample(given.batch, given.length, random)
    work: dict[tuple[str, str], Callable[[], Any]] = {
        ("", "drawing"): lambda: task.sample(given.batch, given.length, random)
    }
    parameters = {}
    for kind, settings in KINDS.items():
        torch.manual_seed(0)
        reader = TextReader(charset=task.charset, height=task.height, hidden_size=HIDDEN[name], **settings)
        parameters[kind] = sum(p.numel() for p in reader.parameters())
        work |= {(kind, what): run for what, run in jobs(reader, batch, given.length, given.beam).items()}
    found = medians(work, given.seconds)
    drawn = given.batch / found["", "drawing"]
    return [
        {
            "task": name,
            "kind": kind,
            "parameters": parameters[kind],
            "lines_per_second": {"drawing": drawn, **{what: given.batch / found[kind, what] for what in WHAT}},
        }
        for kind in KINDS
    ]


def show(row: Row) -> None:
    speeds = " | ".join(f"{speed:,.0f}" for speed in row["lines_per_second"].values())
    print(f"| {row['task']} | {row['kind']} | {row['parameters']:,} | {speeds} |", flush=True)


def at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=at_least_one, default=32, help="lines at a time (32)")
    parser.add_argument("--length", type=at_least_one, default=12, help="characters of a line (12)")
    parser.add_argument("--beam", type=at_least_one, default=5, help="texts kept by beam search (5)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each task (20)")
    parser.add_argument("--threads", type=at_least_one, default=1)
    parser.add_argument("--tasks", nargs="+", choices=list(HIDDEN), default=list(HIDDEN))
    parser.add_argument("--json", metavar="FILE", help="also write the rows to this file")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    about = {"date": str(date.today()), "torch": torch.__version__, "processor": processor(), "threads": given.threads}
    sizes = {"batch": given.batch, "length": given.length, "beam": given.beam}
    print(", ".join(map(str, about.values())))
    print(f"lines a second; {given.batch} lines of {given.length} characters at a time\n")
    print(f"| task | reader | parameters | drawing | training step | greedy | beam {given.beam} |\n|" + "---|" * 7)
    rows = []
    for name in given.tasks:
        rows += measure(name, given)
        for row in rows[-len(KINDS) :]:
            show(row)
    if given.json:
        with open(given.json, "w") as file:
            json.dump({**about, **sizes, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
