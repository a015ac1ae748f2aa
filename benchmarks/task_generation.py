"""How long it takes to draw a batch of each task of formal languages, beside a training step of an NTM on it.

    python benchmarks/task_generation.py
    python benchmarks/task_generation.py --batch_size 32 --only ReverseString

The NTM has an LSTM controller of 100 units and 128 slots of 20 numbers, as in the experiments of these tasks; a step is
forward, loss, backward and Adam on a batch that was drawn before. Lengths are those of training. Figures
are medians of the time that the process had on the CPU, on one thread, so that other processes count little.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import torch

import memnets_tasks
from memnets import NTM
from memnets_tasks import LANGUAGES, Recognition, StringTask, SymbolTask, WordProblem, generator

GROUPS = ("S3", "A5", "S5", "Z60")


def tasks() -> Mapping[str, SymbolTask]:
    """Every task of formal languages, by what it is called."""
    kinds = [getattr(memnets_tasks, name) for name in memnets_tasks.__all__]
    fifteen = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, StringTask)]
    made = {kind.__name__: kind() for kind in fifteen if not kind.__abstractmethods__ and kind is not Recognition}
    words = {f"WordProblem {group}": WordProblem(group=group) for group in GROUPS}
    return made | words | {f"Recognition {name}": Recognition(language=name) for name in LANGUAGES}


def seconds(work: Callable[[], object], repeats: int) -> float:
    """The median time of several calls, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def measure(task: SymbolTask, batch_size: int) -> tuple[float, float]:
    """Seconds to draw a batch, and seconds of a training step on one."""
    random = generator(0, "benchmark", 0)

    def draw() -> memnets_tasks.Batch:
        return task.sample(batch_size, task.sample_lengths(batch_size, random), random)

    torch.manual_seed(0)
    model = NTM(task.input_size, 100, output_size=task.output_size)
    optimizer = torch.optim.Adam(model.parameters())
    batches = [draw() for _ in range(8)]

    def step() -> None:
        batch = batches[0]
        batches.append(batches.pop(0))
        optimizer.zero_grad()
        task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch).backward()
        optimizer.step()

    return seconds(draw, 40), seconds(step, 7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch_size", type=int, default=128, help="sequences of a batch, as in Deletang et al. 2022")
    parser.add_argument("--only", default="", help="tasks whose name begins so")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, batches of {options.batch_size}\n")
    print("| task | draw, ms | training step, ms | ratio |")
    print("|---|---|---|---|")
    for name, task in tasks().items():
        if name.startswith(options.only):
            draw, step = measure(task, options.batch_size)
            print(f"| {name} | {draw * 1e3:.2f} | {step * 1e3:.1f} | {step / draw:.0f} |", flush=True)


if __name__ == "__main__":
    main()
