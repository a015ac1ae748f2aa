"""Recall against the size of the state: DeltaNet beside an LSTM with as many numbers of state, on MQAR.

    python benchmarks/learning/recall_state.py --json recall_state.json
    python benchmarks/learning/recall_state.py --models DeltaNet --seeds 0 --steps 500

Multi-query associative recall (Arora et al. 2023, in the format of the task ``MQAR``): pairs of a key and a value, then
the keys once more, each to be answered by its value. The state is what is carried from step to step; of DeltaNet it
counts the last inputs of its short convolution too. Both are trained alike, by AdamW on the same batches. Chance is one
value in half the vocabulary.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

import memnets
from memnets.base.state import state_tensors
from memnets_tasks import MQAR, generator

BATCH, EXAMPLES = 32, 512


def build(name: str, vocabulary: int, hidden: int) -> memnets.SequenceModule:
    """DeltaNet of two heads, or the LSTM whose state has at least as many numbers."""
    options: dict[str, Any] = {"vocabulary": vocabulary, "output_size": vocabulary}
    delta = memnets.DeltaNet(hidden, hidden, heads=2, **options)
    if name == "DeltaNet":
        return delta
    return memnets.LSTM(hidden, -(-state_size(delta) // 2), **options)


def state_size(model: memnets.SequenceModule) -> int:
    """Numbers carried from step to step."""
    return sum(tensor[0].numel() for tensor in state_tensors(model.initial_state(1)))


@torch.no_grad()
def accuracy(model: memnets.SequenceModule, task: MQAR, length: int) -> float:
    """Share of right answers of fresh sequences."""
    batch = task.sample(EXAMPLES, length, generator(0, "validation", 0))
    return task.scores(model(batch.inputs, lengths=batch.lengths)[0], batch)["accuracy"].item()


def run(name: str, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """Train one model, and score it."""
    slices = [(given.length, given.pairs)]
    task = MQAR(vocabulary=given.vocabulary, slices=slices, shares=[1], test_slices=slices)
    torch.manual_seed(seed)
    model = build(name, given.vocabulary, given.hidden)
    optimizer = torch.optim.AdamW(model.parameters(), lr=given.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, given.rate, total_steps=given.steps, pct_start=0.1)
    began = time.process_time()
    for step in range(given.steps):
        batch = task.sample(BATCH, given.length, generator(seed, "train", step))
        loss = task.loss(model(batch.inputs, lengths=batch.lengths)[0], batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    found = accuracy(model, task, given.length)
    numbers = sum(parameter.numel() for parameter in model.parameters())
    result = {"model": name, "seed": seed, "state": state_size(model), "parameters": numbers, "accuracy": found}
    print(result, f"{time.process_time() - began:.0f} s of CPU", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=["DeltaNet", "LSTM"], default=["DeltaNet", "LSTM"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--vocabulary", type=int, default=66)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=32, help="D of DeltaNet, and size of the embeddings")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--json", help="file for the results, which are added to those there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.models:
        found = [run(name, seed, given) for seed in given.seeds]
        print(f"{name}: median {statistics.median(r['accuracy'] for r in found):.3f}", flush=True)
        if given.json:
            path = Path(given.json)
            before = json.loads(path.read_text()) if path.exists() else []
            path.write_text(json.dumps([*before, *found], indent=1) + "\n")


if __name__ == "__main__":
    main()
