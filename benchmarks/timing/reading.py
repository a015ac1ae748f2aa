"""Images a second of readers and captioners: training steps, greedy decoding and beam search.

    python benchmarks/timing/reading.py --json reading.json

Lines of DigitLines (16 rows) and TextLines (32 rows, made-up words), all of one length, with the readers of the
experiments ocr-digits and ocr-words and their variants, and Scenes of three shapes with the captioners of
caption-scenes. All kinds are timed in turn, so that a busy machine slows all alike; figures are medians over the
rounds. A training step is forward, backward, clipping and AdamW on a batch that is there already; drawing one is a
figure of its own. The models are untrained: they are kept from ending by themselves, and cut to the line's length, or
to 16 words, so that they take as many steps as trained ones, but for the one of the end.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

import torch
from step_time import processor

from memnets import Captioner, TextReader
from memnets_tasks import DigitLines, Scenes, TextLines

READERS: dict[str, dict[str, Any]] = {
    "location": {"attention": "location"},
    "content": {"attention": "content"},
    "CTC": {"ctc_weight": 1.0},
}
CAPTIONERS: dict[str, dict[str, Any]] = {"LSTM": {"cell": "lstm"}, "NTM": {"cell": "ntm"}}
PLACE = {"feedback": "place", "coverage_weight": 0.0, "references": "one"}
SHAPES, WORDS = 3, 16  # of a scene, and of its caption
WHAT = ("training step", "greedy", "beam")
Row = dict[str, Any]


class Workload(NamedTuple):
    """A task, the models it is timed with, and the length of its items; None for that of the command line."""

    task: Callable[[], Any]
    kinds: dict[str, dict[str, Any]]
    model: Callable[..., Any]
    length: int | None = None


def reader(hidden_size: int) -> Callable[..., TextReader]:
    """What makes a reader for a task."""
    return lambda task, **kind: TextReader(charset=task.charset, height=task.height, hidden_size=hidden_size, **kind)


def captioner(task: Scenes, **kind: Any) -> Captioner:
    return Captioner(vocabulary=task.vocabulary, hidden_size=128, **PLACE, **kind)


WORKLOADS = {
    "DigitLines": Workload(lambda: DigitLines(distortion=1.0), READERS, reader(64)),
    "TextLines": Workload(lambda: TextLines(words="generated"), READERS, reader(128)),
    "Scenes": Workload(Scenes, CAPTIONERS, captioner, SHAPES),
}


def make_models(work: Workload, task: Any) -> dict[str, Any]:
    """The models of a task by kind, each from the same seed."""
    models: dict[str, Any] = {}
    for kind, settings in work.kinds.items():
        torch.manual_seed(0)
        models[kind] = work.model(task, **settings)
    return models


def jobs(model: Any, batch: Any, length: int, beam_size: int) -> dict[str, Callable[[], Any]]:
    """What is timed of one model, by name."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    endless = copy.deepcopy(model)
    if endless.decoder is not None:
        endless.decoder.output.bias.data[0] = -1e4  # of the end

    def train() -> None:
        optimizer.zero_grad()
        model.training_outputs(batch).outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5)
        optimizer.step()

    def read(size: int) -> Callable[[], Any]:
        if isinstance(endless, Captioner):
            return lambda: endless.describe(batch.images, beam_size=size, max_length=WORDS)
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
    """A row for each kind of model on one task, in images a second."""
    timed = WORKLOADS[name]
    task = timed.task()
    random = torch.Generator().manual_seed(0)
    length = timed.length or given.length
    batch = task.sample(given.batch, length, random)
    work: dict[tuple[str, str], Callable[[], Any]] = {("", "drawing"): lambda: task.sample(given.batch, length, random)}
    models = make_models(timed, task)
    for kind, model in models.items():
        work |= {(kind, what): run for what, run in jobs(model, batch, length, given.beam).items()}
    found = medians(work, given.seconds)
    drawn = given.batch / found["", "drawing"]
    return [
        {
            "task": name,
            "kind": kind,
            "parameters": sum(p.numel() for p in model.parameters()),
            "images_per_second": {"drawing": drawn, **{what: given.batch / found[kind, what] for what in WHAT}},
        }
        for kind, model in models.items()
    ]


def show(row: Row) -> None:
    speeds = " | ".join(f"{speed:,.0f}" for speed in row["images_per_second"].values())
    print(f"| {row['task']} | {row['kind']} | {row['parameters']:,} | {speeds} |", flush=True)


def at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=at_least_one, default=32, help="images at a time (32)")
    parser.add_argument("--length", type=at_least_one, default=12, help="characters of a line (12)")
    parser.add_argument("--beam", type=at_least_one, default=5, help="texts kept by beam search (5)")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each task (20)")
    parser.add_argument("--threads", type=at_least_one, default=1)
    parser.add_argument("--tasks", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--json", metavar="FILE", help="also write the rows to this file")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    about = {"date": str(date.today()), "torch": torch.__version__, "processor": processor(), "threads": given.threads}
    sizes = {"batch": given.batch, "length": given.length, "beam": given.beam}
    print(", ".join(map(str, about.values())))
    print(f"images a second, {given.batch} at a time: lines of {given.length} characters, scenes of {SHAPES} shapes\n")
    print(f"| task | model | parameters | drawing | training step | greedy | beam {given.beam} |\n|" + "---|" * 7)
    rows = []
    for name in given.tasks:
        for row in measure(name, given):
            rows.append(row)
            show(row)
    if given.json:
        with open(given.json, "w") as file:
            json.dump({**about, **sizes, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
