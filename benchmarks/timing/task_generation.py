"""How long it takes to draw a batch of every task, beside a training step of an NTM on it.

    python benchmarks/timing/task_generation.py
    python benchmarks/timing/task_generation.py --batch_size 32 --only Recognition --json generation.json

The NTM has an LSTM controller of 100 units and 128 slots of 20 numbers, as in the experiments of these tasks; tokens
are embedded in 32. A step is forward, loss, backward and Adam on a batch that was drawn before, on the fastest backend.
Lengths are those of training. Figures are medians of the time that the process had on the CPU, on one thread, so that
other processes count little. Tasks of images and videos, and those that answer with a text, have no NTM that takes
them step by step, and those of files are read once: none of them is here.
"""

import argparse
import functools
import json
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

import memnets_tasks
from memnets import NTM
from memnets_tasks import LANGUAGES, FiniteTask, ImageTask, Recognition, Task, WordProblem, generator

BATCHES = {"algorithmic": 16, "formal": 128}
"""Sequences of a batch by family, as in the experiments; of others 64."""
GROUPS = ("S3", "A5", "S5", "Z60")
FILES = ("OmniglotEpisodes", "Characters", "BAbI")
VARIED = {"Recognition", "WordProblem"}


def tasks() -> Mapping[str, Callable[[], Task]]:
    """Every task that is drawn, by what it is called, and how to make it."""
    kinds = {name: getattr(memnets_tasks, name) for name in memnets_tasks.__all__}
    made: dict[str, Callable[[], Task]] = {}
    for name, kind in kinds.items():
        concrete = isinstance(kind, type) and issubclass(kind, Task) and not kind.__abstractmethods__
        if concrete and not issubclass(kind, (ImageTask, FiniteTask)) and name not in {*FILES, *VARIED}:
            made[name] = kind
    made |= {f"WordProblem {group}": functools.partial(WordProblem, group=group) for group in GROUPS}
    made |= {f"Recognition {name}": functools.partial(Recognition, language=name) for name in LANGUAGES}
    return dict(sorted(made.items()))


def family(task: Task) -> str:
    """The folder of its module: algorithmic, formal, recall ..."""
    return type(task).__module__.split(".")[1]


def seconds(work: Callable[[], object], repeats: int) -> float:
    """The median time of several calls, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def measure(task: Task, batch_size: int) -> dict[str, float]:
    """Steps of a batch, milliseconds to draw one and of a training step on one, and the ratio of these."""
    random = generator(0, "benchmark", 0)

    def draw() -> Any:
        return task.sample(batch_size, task.sample_lengths(batch_size, random), random)

    torch.manual_seed(0)
    tokens = task.input_size is None
    options: dict[str, Any] = {"vocabulary": task.vocabulary} if tokens else {}
    model = NTM(32 if tokens else task.input_size, 100, output_size=task.output_size, slots=128, width=20, **options)
    optimizer = torch.optim.Adam(model.parameters())
    batches = [draw() for _ in range(5)]

    def step() -> None:
        batch = batches[0]
        batches.append(batches.pop(0))
        optimizer.zero_grad()
        task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch).backward()
        optimizer.step()

    drawing, training = seconds(draw, 30), seconds(step, 5)
    steps = float(batches[0].inputs.shape[1])
    return {"steps": steps, "draw_ms": 1e3 * drawing, "step_ms": 1e3 * training, "ratio": training / drawing}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch_size", type=int, help="sequences of a batch, in place of those of the experiments")
    parser.add_argument("--only", default="", help="tasks whose name begins so")
    parser.add_argument("--json", help="also write the rows to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread\n")
    print("| task | batch | steps | draw, ms | training step, ms | ratio |")
    print("|---|---|---|---|---|---|")
    rows = {}
    for name, make in tasks().items():
        if not name.startswith(options.only):
            continue
        task = make()
        if family(task) == "video" or not isinstance(task.vocabulary, int | None):
            continue
        batch_size = options.batch_size or BATCHES.get(family(task), 64)
        row = rows[name] = {"batch": batch_size, **measure(task, batch_size)}
        shown = f"{row['steps']:.0f} | {row['draw_ms']:.2f} | {row['step_ms']:.1f} | {row['ratio']:.0f}"
        print(f"| {name} | {batch_size} | {shown} |", flush=True)
        if options.json:
            with open(options.json, "w") as file:
                json.dump(rows, file, indent=1)
    slow = [name for name, row in rows.items() if row["ratio"] < 20]
    print(
        f"\n{len(rows) - len(slow)} of {len(rows)} are drawn at least 20 times as fast as they are trained on", end=""
    )
    print(f"; the others: {', '.join(slow)}" if slow else "")


if __name__ == "__main__":
    main()
