"""Adaptive computation time against a fixed number of passes, on the parity of a vector.

    python benchmarks/learning/pondering.py --seeds 0 1 2 --json pondering.json
    python benchmarks/learning/pondering.py --models Repeat-2 ACT-0.01 --size 64 --rate 1e-3 --steps 100000

An RNN of 128 tanh units sees a vector of ``size`` numbers in one step, from 1 of which on are 1 or -1, and says whether
the ones are odd in number (Graves 2016, section 3.1), with Adam at batch 128. Solved is at 98 % right answers of 2,000
(Fojo et al. 2018, table 1: of 64 numbers the RNN alone never, ACT with a ponder cost of 0.01 after 53k steps, two
repeats after 22k). Passes are those that ACT takes on average for vectors of few and of many numbers.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

import memnets
from memnets_tasks import VectorParity, generator

EXAMPLES = 2000


def build(name: str, size: int, hidden: int) -> memnets.Recurrent:
    """The network called RNN, Repeat-<repeats> or ACT-<ponder cost>."""
    kind, _, number = name.partition("-")
    options: dict[str, Any] = {"controller": "rnn", "output_size": 1}
    if kind == "ACT":
        return memnets.ACT(size, hidden, ponder_cost=float(number), **options)
    return memnets.Repeat(size, hidden, repeats=int(number or 1), **options)


@torch.no_grad()
def accuracy(model: memnets.Recurrent, task: VectorParity) -> float:
    """Share of right answers of fresh vectors of the training's difficulties."""
    random = generator(0, "validation", 0)
    batch = task.sample(EXAMPLES, task.sample_lengths(EXAMPLES, random), random)
    return 1 - task.errors(model(batch.inputs)[0], batch).mean().item()


@torch.no_grad()
def passes(model: memnets.Recurrent, task: VectorParity) -> dict[int, float]:
    """Passes on average by how many numbers are not 0."""
    found = {}
    for length in task.evaluation_lengths:
        _, state = model(task.sample(EXAMPLES, length, generator(0, "passes", length)).inputs)
        found[length] = (state.shares > 0).sum(1).float().mean().item()
    return found


def run(name: str, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """Train until solved or out of steps."""
    torch.manual_seed(seed)
    task = VectorParity(size=given.size)
    model = build(name, given.size, given.hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=given.rate)
    began, solved, best = time.process_time(), None, 0.0
    for step in range(1, given.steps + 1):
        random = generator(seed, "train", step)
        batch = task.sample(given.batch, task.sample_lengths(given.batch, random), random)
        outputs, state = model(batch.inputs)
        loss = task.loss(outputs, batch)
        more = model.auxiliary_loss(state)
        optimizer.zero_grad()
        (loss if more is None else loss + more).backward()
        optimizer.step()
        if step % given.interval == 0:
            best = max(best, accuracy(model, task))
            if best >= 0.98:
                solved = step
                break
    result: dict[str, Any] = {"model": name, "seed": seed, "solved": solved, "best": best}
    if name.startswith("ACT"):
        result["passes"] = passes(model, task)
    print(result, f"{time.process_time() - began:.0f} s of CPU", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["RNN", "Repeat-2", "Repeat-5", "ACT-0.01", "ACT-0.001"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--size", type=int, default=8, help="numbers of a vector")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--interval", type=int, default=200, help="steps between validations")
    parser.add_argument("--json", help="file for the results, which are added to those there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.models:
        for seed in given.seeds:
            result = run(name, seed, given)
            if given.json:
                path = Path(given.json)
                before = json.loads(path.read_text()) if path.exists() else []
                path.write_text(json.dumps([*before, result], indent=1) + "\n")


if __name__ == "__main__":
    main()
