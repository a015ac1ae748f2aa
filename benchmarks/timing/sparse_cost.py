"""What a sparse memory costs beside a dense one, from a thousand slots to a million.

    python benchmarks/timing/sparse_cost.py --json sparse_cost.json --figure docs/results/sparse/figures/cost.png

A training step over 100 steps of one sequence (forward, backward, RMSprop; slots of width 32, four heads, LSTM of 100
units): the bytes that are kept for the way back, each storage once and without parameters and inputs, and the CPU
time of one thread, the least of some. `SAM` starts from an empty memory, of which it searches the slots in use; `SAM,
full` from one all of whose slots were used. The NTM has four read and four write heads. It is measured as far as what
it keeps stays below `--limit`; beyond, it is extrapolated in proportion to the slots from the largest size that was
measured, and marked with ~.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import torch

from memnets import NTM, SAM
from memnets.base.state import state_tensors

FEATURES, OUTPUTS, HIDDEN, WIDTH, HEADS, STEPS = 9, 8, 100, 32, 4, 100
SIZES = [2**n for n in range(10, 21, 2)]
Figures = dict[int, tuple[float, float]]
"""By number of slots the bytes kept and the seconds of a training step."""


def ntm(backend: str) -> Callable[[int], Any]:
    """A dense memory of so many slots."""
    sizes: Any = {"width": WIDTH, "read_heads": HEADS, "write_heads": HEADS, "output_size": OUTPUTS}
    return lambda slots: (NTM(FEATURES, HIDDEN, slots=slots, backend=backend, **sizes), None)


def sam(full: bool) -> Callable[[int], Any]:
    """A sparse memory of so many slots, and a state to start from."""

    def make(slots: int) -> Any:
        model = SAM(FEATURES, HIDDEN, slots=slots, width=WIDTH, heads=HEADS, output_size=OUTPUTS)
        if not full:
            return model, None
        state = model.initial_state(1)
        memory = state.memory._replace(
            memory=torch.randn(1, slots, WIDTH), last_access=torch.arange(slots).unsqueeze(0),
            time=torch.tensor([slots]), used=torch.tensor([slots]),
        )  # fmt: skip
        return model, state._replace(memory=memory)

    return make


MODELS = {
    "NTM, plain": ntm("reference"),
    "NTM, fused": ntm("fused"),
    "SAM, full": sam(True),
    "SAM": sam(False),
}


def measure(make: Callable[[int], Any], slots: int, rounds: int) -> tuple[float, float]:
    """Bytes kept and CPU seconds."""
    torch.manual_seed(0)
    model, state = make(slots)
    inputs = torch.randn(1, STEPS, FEATURES)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-4, momentum=0.9)
    before = [inputs, *model.parameters(), *(state_tensors(state) if state is not None else ())]
    known = {tensor.untyped_storage().data_ptr() for tensor in before}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    def step() -> None:
        optimizer.zero_grad()
        model(inputs, state)[0].square().mean().backward()
        optimizer.step()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(inputs, state)[0].square().mean()
    loss.backward()
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        step()
        seconds.append(time.process_time() - began)
    return float(sum(kept.values())), min(seconds)


def sweep(make: Callable[[int], Any], limit: float, rounds: int) -> Figures:
    """Each size for which what is kept is expected to stay below the limit."""
    found: Figures = {}
    for slots in SIZES:
        if found and max(found) and found[max(found)][0] * slots / max(found) > limit:
            break
        found[slots] = measure(make, slots, rounds)
    return found


def at(found: Figures, slots: int) -> tuple[float, float]:
    """Measured, or in proportion to the slots from the largest size that was."""
    largest = max(found)
    if slots <= largest:
        return found[slots]
    kept, seconds = found[largest]
    return kept * slots / largest, seconds * slots / largest


def show(results: dict[str, Figures]) -> None:
    """Markdown tables, and the two ratios that were aimed for."""
    for column, (what, unit, scale) in enumerate((("kept", "MiB", 2**20), ("CPU time", "ms", 1e-3))):
        print(f"\n| {what}, {unit} | " + " | ".join(f"{slots:,} slots" for slots in SIZES) + " |")
        print("|---" * (len(SIZES) + 1) + "|")
        for name, found in results.items():
            cells = ["~" * (slots > max(found)) + f"{at(found, slots)[column] / scale:,.2f}" for slots in SIZES]
            print(f"| {name} | {' | '.join(cells)} |")
    print()
    for name in [name for name in results if name.startswith("NTM")]:
        for sparse in ("SAM", "SAM, full"):
            kept = at(results[name], 65536)[0] / at(results[sparse], 65536)[0]
            faster = at(results[name], 2**20)[1] / at(results[sparse], 2**20)[1]
            print(
                f"{sparse} beside {name}: {kept:,.0f} times less kept at 65,536 slots, {faster:,.0f} times faster at 1M"
            )


def draw(results: dict[str, Figures], path: Path) -> None:
    """Both over the slots; dashes where extrapolated."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), constrained_layout=True)
    for column, (axis, label, scale) in enumerate(
        zip(axes, ("kept, MiB", "CPU time of a training step, s"), (2**20, 1))
    ):
        for number, (name, found) in enumerate(results.items()):
            measured = list(found)
            line = [at(found, slots)[column] / scale for slots in SIZES]
            axis.loglog(measured, line[: len(measured)], "o-", color=f"C{number}", label=name)
            axis.loglog(SIZES[len(measured) - 1 :], line[len(measured) - 1 :], "--", color=f"C{number}")
        axis.set(xlabel="slots", ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].legend(title="dashed: extrapolated")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=2.0, help="GiB that a training step may keep (2)")
    parser.add_argument("--rounds", type=int, default=3, help="training steps of which the fastest counts (3)")
    parser.add_argument("--json", help="also write the figures to this file")
    parser.add_argument("--figure", type=Path, help="also draw them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results: dict[str, Figures] = {}
    for name, make in MODELS.items():
        results[name] = sweep(make, options.limit * 2**30, options.rounds)
        print(
            name,
            {slots: (round(kept), round(seconds, 4)) for slots, (kept, seconds) in results[name].items()},
            flush=True,
        )
    show(results)
    if options.figure:
        draw(results, options.figure)
    if options.json:
        about = {"torch": torch.__version__, "machine": platform.machine(), "date": str(date.today())}
        with open(options.json, "w") as file:
            json.dump({**about, "kept bytes and CPU seconds": results}, file, indent=1)


if __name__ == "__main__":
    main()
