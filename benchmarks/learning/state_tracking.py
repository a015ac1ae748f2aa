"""State tracking by one layer of the delta rule with several products a step: S3 and S5 (Siems et al. 2025).

    python benchmarks/learning/state_tracking.py S3 --json state_tracking.json
    python benchmarks/learning/state_tracking.py S5 --steps 10000 --json state_tracking.json

A sequence is of elements of a group, and after each the model names the product of all so far. Trained on 3 to 40
elements, tested on 40 to 256. A score is the share of right answers at the last step, scaled so that guessing is 0 and
no mistake is 1. The paper's: in one layer S3 is learnt with two products a step and not with one, S5 with four.
Parity, the group of two elements, is in parity.py.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import torch

from memnets import DeltaNet, GatedDeltaNet
from memnets_tasks import WordProblem

MODELS = {"DeltaNet": DeltaNet, "GatedDeltaNet": GatedDeltaNet}
SHORTEST, LONGEST, TESTED = 3, 40, 256


class Setting(NamedTuple):
    """A group, and what the layer is given for it."""

    group: str
    products: int
    negative: bool

    def __str__(self) -> str:
        return f"{self.group}, {self.products} products, eigenvalues within [{-1 if self.negative else 0}, 1]"


SETTINGS = {
    "S3": [Setting("S3", 1, True), Setting("S3", 2, True), Setting("S3", 2, False)],
    "S5": [Setting("S5", 1, True), Setting("S5", 2, True), Setting("S5", 4, True)],
}


def train(model: torch.nn.Module, task: WordProblem, given: argparse.Namespace, seed: int) -> None:
    """AdamW on the cross-entropy of every step; lengths grow over the first half of the training."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=given.rate, weight_decay=given.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, given.rate, total_steps=given.steps, pct_start=0.1)
    for step in range(given.steps):
        longest = min(LONGEST, SHORTEST + 2 * (LONGEST - SHORTEST) * step // given.steps)
        batch = task.sample(given.batch, task.sample_lengths(given.batch, generator, longest), generator)
        logits, _ = model(batch.inputs, lengths=batch.lengths)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits[batch.mask], batch.targets[batch.mask]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


@torch.no_grad()
def score(model: torch.nn.Module, task: WordProblem, seed: int = 1000) -> float:
    """Scaled accuracy at the last step, over sequences of 40 to 256 elements."""
    generator, right, chance = torch.Generator().manual_seed(seed), [], 1 / task.output_size
    for length in range(LONGEST, TESTED + 1, 8):
        batch = task.sample(64, length, generator)
        answers, wanted = (x[:, -1].argmax(-1) for x in (model(batch.inputs)[0], batch.targets))
        right.append((answers == wanted).float().mean().item())
    return (statistics.mean(right) - chance) / (1 - chance)


def scores_of(setting: Setting, given: argparse.Namespace) -> list[float]:
    """The score of each seed."""
    task = WordProblem(group=setting.group, min_length=SHORTEST, max_length=LONGEST)
    found = []
    for seed in given.seeds:
        torch.manual_seed(seed)
        model = MODELS[given.model](
            task.input_size,
            given.hidden,
            output_size=task.output_size,
            num_layers=given.layers,
            heads=given.heads,
            products=setting.products,
            negative_eigenvalues=setting.negative,
            convolution=given.convolution,
        )
        began = time.process_time()
        train(model, task, given, seed)
        found.append(score(model, task))
        took = time.process_time() - began
        print(f"{setting}, seed {seed}: {found[-1]:.3f} at {LONGEST} to {TESTED} ({took:.0f} s of CPU)", flush=True)
    print(
        f"{setting}: best {max(found):.3f}, median {statistics.median(found):.3f}, worst {min(found):.3f}", flush=True
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", choices=sorted(SETTINGS))
    parser.add_argument("--model", choices=sorted(MODELS), default="DeltaNet")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--products", type=int, nargs="+", help="only these numbers of products")
    parser.add_argument("--eigenvalues", choices=["negative", "positive"], help="only within [-1, 1], or [0, 1]")
    parser.add_argument("--steps", type=int, default=1200, help="training steps")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--convolution", type=int, default=1)
    parser.add_argument("--json", help="file for the scores by seed, which are added to those there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for setting in (setting for name in given.tasks for setting in SETTINGS[name]):
        if given.products and setting.products not in given.products:
            continue
        if given.eigenvalues and setting.negative != (given.eigenvalues == "negative"):
            continue
        found = scores_of(setting, given)
        if given.json:
            path = Path(given.json)
            before = json.loads(path.read_text()) if path.exists() else {}
            scores = before.get(str(setting), {}) | dict(zip(map(str, given.seeds), found))
            path.write_text(json.dumps(before | {str(setting): scores}, indent=1) + "\n")


if __name__ == "__main__":
    main()
