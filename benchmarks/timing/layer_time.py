"""Time of whole-sequence models beside nn.LSTM, and of the delta rule in chunks beside its loop over steps.

    python benchmarks/timing/layer_time.py --seconds 60
    python benchmarks/timing/layer_time.py --rules --seconds 60

One thread, and CPU time, not the clock's. A training step is forward, backward and an RMSprop step. All are taken in
turn, round after round, so that a busy machine slows all alike; medians and minima over the rounds.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

import memnets
from memnets import ops

BATCH, STEPS, FEATURES, HIDDEN = 16, 41, 29, 100
MODELS: dict[str, Callable[[], nn.Module]] = {
    "nn.LSTM": lambda: nn.LSTM(FEATURES, HIDDEN, batch_first=True),
    "DeltaNet": lambda: memnets.DeltaNet(FEATURES, HIDDEN),
    "DeltaNet, 2 products": lambda: memnets.DeltaNet(FEATURES, HIDDEN, products=2),
    "GatedDeltaNet": lambda: memnets.GatedDeltaNet(FEATURES, HIDDEN),
    "LinearAttention": lambda: memnets.LinearAttention(FEATURES, HIDDEN),
    "FastWeights": lambda: memnets.FastWeights(FEATURES, HIDDEN),
    "Transformer, rotary": lambda: memnets.Transformer(FEATURES, HIDDEN),
    "Transformer, none": lambda: memnets.Transformer(FEATURES, HIDDEN, positions="none"),
    "Transformer, alibi": lambda: memnets.Transformer(FEATURES, HIDDEN, positions="alibi"),
}
RULE_SIZES = 8, 1024, 4, 64  # B, T, H, K


def training_step(name: str) -> Callable[[], None]:
    """A step of the model called ``name``, ready to be taken."""
    torch.manual_seed(0)
    model, inputs = MODELS[name](), torch.randn(BATCH, STEPS, FEATURES)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-4, momentum=0.9, alpha=0.95)

    def step() -> None:
        optimizer.zero_grad()
        model(inputs)[0].square().mean().backward()
        optimizer.step()

    return step


def rule_step(chunk: int | None, backward: bool, gated: bool) -> Callable[[], None]:
    """The delta rule over a long sequence, in chunks or step by step."""
    batch, steps, heads, _ = RULE_SIZES
    torch.manual_seed(0)
    q, k, v = (torch.randn(RULE_SIZES) for _ in range(3))
    k = nn.functional.normalize(k, dim=-1)
    beta, decay = torch.rand(batch, steps, heads), -torch.rand(batch, steps, heads) / 10
    leaves = [q, k, v, beta, *([decay] if gated else [])]
    rule = ops.gated_delta_rule if gated else ops.delta_rule

    def step() -> None:
        with torch.set_grad_enabled(backward):
            given = [leaf.detach().requires_grad_(backward) for leaf in leaves]
            outputs, _ = rule(*given, chunk=chunk)
            if backward:
                outputs.square().mean().backward()

    return step


def in_turn(steps: dict[str, Callable[[], None]], seconds: float) -> dict[str, list[float]]:
    """Seconds of CPU of each, round after round, at least three times."""
    for step in steps.values():
        step()
    found: dict[str, list[float]] = {name: [] for name in steps}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(found.values()))) < 3:
        for name, step in steps.items():
            began = time.process_time()
            step()
            found[name].append(time.process_time() - began)
    return found


def print_times(found: dict[str, list[float]], beside: str) -> None:
    medians = {name: statistics.median(values) for name, values in found.items()}
    least = {name: min(values) for name, values in found.items()}
    print("| | median ms | least ms | to " + beside + " (medians) | (least) |\n|---|---|---|---|---|")
    for name in found:
        ratios = medians[name] / medians[beside], least[name] / least[beside]
        print(
            f"| {name} | {1e3 * medians[name]:.2f} | {1e3 * least[name]:.2f} | {ratios[0]:.2f} | {ratios[1]:.2f} |",
            flush=True,
        )
    print(f"{len(found[beside])} rounds")


def processor() -> str:
    """The name of the processor."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", action="store_true", help="the delta rule alone, in chunks beside its loop")
    parser.add_argument("--seconds", type=float, default=30, help="for each table")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{processor()}, one thread, torch {torch.__version__}")
    if not given.rules:
        print(f"\nTraining step, B={BATCH}, T={STEPS}, hidden {HIDDEN}")
        print_times(in_turn({name: training_step(name) for name in MODELS}, given.seconds), "nn.LSTM")
        return
    for gated in (False, True):
        for backward in (False, True):
            kind = "gated delta rule" if gated else "delta rule"
            print(f"\nThe {kind}, {'forward and backward' if backward else 'forward'}, B, T, H, K = {RULE_SIZES}")
            chunks = {"loop": None, **{f"chunks of {size}": size for size in (16, 32, 64)}}
            steps = {name: rule_step(chunk, backward, gated) for name, chunk in chunks.items()}
            print_times(in_turn(steps, given.seconds), "loop")


if __name__ == "__main__":
    main()
