"""What came next, from one block: a Memory Mosaic beside Transformers, on the induction heads task.

    python benchmarks/learning/induction.py --json induction.json
    python benchmarks/learning/induction.py --positions --steps 600 --rate 3e-3 --seeds 0 1 2 --json positions.json

Zhang et al. 2024 (arXiv:2405.06394), section 4: one layer of associative memories whose values look a step ahead learns
what takes a Transformer two. Trained on 4 to 16 tokens of a vocabulary of 8 (task ``InductionHeads``), with Adam and
batches of 64; tested on 500 sequences of each length. Chance is 1 in 7.

With --positions, Transformers of two blocks whose positions are counted, or drawn among 256 (Ruoss et al. 2023,
arXiv:2305.16843).
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

import memnets
from memnets_tasks import InductionHeads, generator

LENGTHS = (16, 64, 256)
MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "Memory Mosaic, 1 block": (memnets.MemoryMosaic, {}),
    "Transformer, 1 block": (memnets.Transformer, {}),
    "Transformer, 2 blocks": (memnets.Transformer, {"num_layers": 2}),
}
POSITIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    f"{positions}, {'drawn' if longest else 'counted'}": (
        memnets.Transformer,
        {"num_layers": 2, "positions": positions, "randomized": longest},
    )
    for positions in ("sinusoidal", "rotary", "alibi")
    for longest in (None, LENGTHS[-1])
}


def run(kind: Any, options: dict[str, Any], seed: int, steps: int, rate: float) -> list[float]:
    """Train one, and give its accuracy at each length."""
    task = InductionHeads(vocabulary=8, min_length=4, max_length=16)
    torch.manual_seed(seed)
    model = kind(32, 32, vocabulary=8, output_size=8, heads=2, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for step in range(steps):
        random = generator(seed, "train", step)
        batch = task.sample(64, task.sample_lengths(64, random), random)
        loss = task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    tests = [task.sample(500, length, generator(1000, "test", length)) for length in LENGTHS]
    with torch.no_grad():
        return [task.scores(model(batch.inputs)[0], batch)["accuracy"].item() for batch in tests]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=150, help="training steps")
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--positions", action="store_true", help="Transformers by their positions")
    parser.add_argument("--json", help="file for the accuracies")
    given = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for name, (kind, options) in (POSITIONS if given.positions else MODELS).items():
        began = time.process_time()
        results[name] = [run(kind, options, seed, given.steps, given.rate) for seed in given.seeds]
        medians = [statistics.median(column) for column in zip(*results[name])]
        worst = [min(column) for column in zip(*results[name])]
        cells = ", ".join(f"{n}: {m:.3f} ({w:.3f})" for n, m, w in zip(LENGTHS, medians, worst))
        print(f"{name}: median (worst) at {cells}; {time.process_time() - began:.0f} s of CPU", flush=True)
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
