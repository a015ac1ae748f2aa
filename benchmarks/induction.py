"""What came next, from one block: a Memory Mosaic beside Transformers, on the induction heads task.

    python benchmarks/induction.py --json induction.json

Zhang et al. 2024 (arXiv:2405.06394), section 4: one layer of associative memories whose values look a step ahead learns
what takes a Transformer two. Trained on 4 to 16 tokens of a vocabulary of 8 (task ``InductionHeads``), with Adam and
batches of 64; tested on 500 sequences of each length. Chance is 1 in 7.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

import memnets
from memnets_tasks import InductionHeads, generator

MODELS = {
    "Memory Mosaic, 1 block": (memnets.MemoryMosaic, 1),
    "Transformer, 1 block": (memnets.Transformer, 1),
    "Transformer, 2 blocks": (memnets.Transformer, 2),
}
LENGTHS = (16, 64, 256)


def run(name: str, seed: int, steps: int) -> list[float]:
    """Train one, and give its accuracy at each length."""
    task = InductionHeads(vocabulary=8, min_length=4, max_length=16)
    kind, layers = MODELS[name]
    torch.manual_seed(seed)
    model = kind(32, 32, vocabulary=8, output_size=8, heads=2, num_layers=layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(steps):
        random = generator(seed, "train", step)
        batch = task.sample(64, task.sample_lengths(64, random), random)
        loss = task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    tests = [task.sample(500, length, generator(1000, "test", length)) for length in LENGTHS]
    with torch.no_grad():
        return [task.scores(model(batch.inputs)[0], batch)["accuracy"].item() for batch in tests]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=150, help="training steps")
    parser.add_argument("--json", help="file for the accuracies")
    given = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for name in MODELS:
        began = time.process_time()
        results[name] = [run(name, seed, given.steps) for seed in given.seeds]
        medians = [statistics.median(column) for column in zip(*results[name])]
        worst = [min(column) for column in zip(*results[name])]
        cells = ", ".join(f"{n}: {m:.3f} ({w:.3f})" for n, m, w in zip(LENGTHS, medians, worst))
        print(f"{name}: median (worst) at {cells}; {time.process_time() - began:.0f} s of CPU", flush=True)
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
