"""How much faster batches of the recall, memory, graph and few-shot tasks are drawn than an NTM trains on them.

    python benchmarks/recall_generation.py
    python benchmarks/recall_generation.py --batch 64 --json recall_generation.json

Both are timed in turns: a batch of the training lengths, and one training step on it (forward, backward, RMSprop) of
the NTM of the shipped configs, on its fastest backend. Figures
are the least of the rounds: what the work itself takes, without what else the machine does.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

import memnets_tasks
from memnets import NTM
from memnets_tasks import Task, generator

TASKS: dict[str, dict[str, Any]] = {
    "MQAR": {},
    "SelectiveCopying": {},
    "InductionHeads": {},
    "NoisyRecall": {},
    "FuzzyRecall": {},
    "Adding": {},
    "SerialRecall": {},
    "ReverseRecall": {},
    "SkipRecall": {},
    "SequenceEquality": {},
    "Distraction": {},
    "ReadingSpan": {},
    "OperationSpan": {},
    "Interruption": {"operation": "swap"},
    "GraphTraversal": {},
    "ShortestPath": {},
    "FamilyRelations": {},
    "GlyphEpisodes": {},
    "DigitEpisodes": {},
}


def trainer(task: Task) -> Callable[[Any], None]:
    """A training step of a batch."""
    torch.manual_seed(0)
    tokens = task.input_size is None
    options: dict[str, Any] = {"vocabulary": task.vocabulary} if tokens else {}
    model = NTM(32 if tokens else task.input_size, 100, output_size=task.output_size, slots=128, width=20, **options)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-4, momentum=0.9, alpha=0.95)

    def run(batch: Any) -> None:
        optimizer.zero_grad()
        task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch).backward()
        optimizer.step()

    return run


def measure(task: Task, batch_size: int, rounds: int) -> dict[str, float]:
    """Least milliseconds of drawing a batch, and of a training step on it."""
    train = trainer(task)
    drawn, trained, steps = [], [], []
    for step in range(rounds + 1):  # the first is for warming up
        start = time.perf_counter()
        random = generator(0, "train", step)
        batch = task.sample(batch_size, task.sample_lengths(batch_size, random), random)
        middle = time.perf_counter()
        train(batch)
        drawn.append(middle - start)
        trained.append(time.perf_counter() - middle)
        steps.append(batch.inputs.shape[1])
    generation, training = (1e3 * min(times[1:]) for times in (drawn, trained))
    return {"steps": statistics.median(steps[1:]), "generation_ms": generation, "training_ms": training}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=16, help="sequences of a batch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), help="their class names")
    parser.add_argument("--json", help="file to write the figures to")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = {}
    print(f"{'task':<18}{'steps':>7}{'generation ms':>15}{'NTM step ms':>13}{'ratio':>8}")
    for name in options.tasks:
        task = getattr(memnets_tasks, name)(**TASKS[name])
        row = rows[name] = measure(task, options.batch, options.rounds)
        ratio = row["training_ms"] / row["generation_ms"]
        print(f"{name:<18}{row['steps']:>7.0f}{row['generation_ms']:>15.2f}{row['training_ms']:>13.1f}{ratio:>8.0f}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": platform.processor(), "batch": options.batch, "tasks": rows}, file, indent=1)


if __name__ == "__main__":
    main()
