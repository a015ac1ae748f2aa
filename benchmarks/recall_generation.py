"""How long it takes to draw a batch of the tasks of recall, memory, graphs and few shots, beside an NTM's step on it.

    python benchmarks/recall_generation.py
    python benchmarks/recall_generation.py --batch_size 16 --only Graph

The NTM has an LSTM controller of 100 units and 128 slots of 20 numbers, tokens are embedded in 32; a step is forward,
loss, backward and RMSprop on a batch that was drawn before, on the fastest backend. Lengths are those of training.
Figures are medians of the time that the process had on the CPU, on one thread, so that other processes count little.
"""

import argparse
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


def seconds(work: Callable[[], object], repeats: int) -> float:
    """The median time of several calls, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def measure(task: Task, batch_size: int) -> tuple[int, float, float]:
    """Steps of a batch, seconds to draw one, and seconds of a training step on one."""
    random = generator(0, "benchmark", 0)

    def draw() -> Any:
        return task.sample(batch_size, task.sample_lengths(batch_size, random), random)

    torch.manual_seed(0)
    tokens = task.input_size is None
    options: dict[str, Any] = {"vocabulary": task.vocabulary} if tokens else {}
    model = NTM(32 if tokens else task.input_size, 100, output_size=task.output_size, slots=128, width=20, **options)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-4, momentum=0.9, alpha=0.95)
    batches = [draw() for _ in range(5)]

    def step() -> None:
        batch = batches[0]
        batches.append(batches.pop(0))
        optimizer.zero_grad()
        task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch).backward()
        optimizer.step()

    return batches[0].inputs.shape[1], seconds(draw, 40), seconds(step, 5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--only", default="", help="tasks whose name begins so")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, batches of {options.batch_size}\n")
    print("| task | steps | draw, ms | training step, ms | ratio |")
    print("|---|---|---|---|---|")
    for name, arguments in TASKS.items():
        if name.startswith(options.only):
            steps, draw, step = measure(getattr(memnets_tasks, name)(**arguments), options.batch_size)
            print(f"| {name} | {steps} | {draw * 1e3:.2f} | {step * 1e3:.1f} | {step / draw:.0f} |", flush=True)


if __name__ == "__main__":
    main()
