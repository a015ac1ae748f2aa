"""Two checkouts of the project against each other: CPU time of steps, in turn, on a machine that has other work too.

    git worktree add --detach ../before HEAD~1
    python benchmarks/timing/pairs.py ../before . --memories queue,ntm-lstm,dnc

Each has a process of its own and takes turns; a figure is the median over the rounds of what the second takes of the
first's time, with the quartiles behind it. Memory goes back to the system at the end alone, as pages that are fetched
anew at each step would hide all else. Differences below 3 % are noise with 7 rounds on a loaded machine.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SETTINGS = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000"}


def work() -> None:
    """In a process of a checkout: answer each line, (memory, batch, train, count), with the seconds of a step."""
    import step_time
    import torch

    torch.set_num_threads(1)
    steps = {}
    print("ready", flush=True)
    for line in sys.stdin:
        memory, batch, train, count = json.loads(line)
        key = memory, batch, train
        if key not in steps:
            steps[key] = step_time.step("fused", {"memory": memory, "batch": batch, "steps": 41}, train)
        run = steps[key]
        run()
        began = time.process_time()
        for _ in range(count):
            run()
        print((time.process_time() - began) / count, flush=True)


class Worker:
    """A process that takes the steps of one checkout."""

    def __init__(self, root: Path):
        timing = root / "benchmarks" / "timing"
        code = f"import sys; sys.path[:0] = [{str(root)!r}, {str(timing)!r}, {str(Path(__file__).parent)!r}]; "
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{code}import pairs; pairs.work()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **SETTINGS, "PYTHONPATH": str(root)},
        )
        self.answer()

    def answer(self) -> str:
        """The next line that the process says."""
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            raise SystemExit("a process ended early: its error stands above")
        return line

    def seconds(self, *question: object) -> float:
        """CPU seconds of a step."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return float(self.answer())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--memories", default="queue,ntm-lstm,dnc", help="names of step_time.py's MEMORIES")
    parser.add_argument("--batches", default="1,16,64")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--turn", type=float, default=0.05, help="seconds of a turn")
    given = parser.parse_args()
    workers = [Worker(given.before.resolve()), Worker(given.after.resolve())]
    for memory, batch, train in itertools.product(
        given.memories.split(","), map(int, given.batches.split(",")), (True, False)
    ):
        count = max(1, round(given.turn / min(w.seconds(memory, batch, train, 3) for w in workers)))
        ratios = []
        for turn in range(given.rounds):
            order = (0, 1) if turn % 2 else (1, 0)
            found = {k: workers[k].seconds(memory, batch, train, count) for k in order}
            ratios.append(found[1] / found[0])
        low, middle, high = statistics.quantiles(ratios, n=4)
        kind = "training" if train else "inference"
        print(f"{memory:<14}{batch:>4}  {kind:<10}{middle:>6.2f}  ({low:.2f} to {high:.2f})", flush=True)


if __name__ == "__main__":
    main()
