"""Step time and peak memory of memories' backends, as ratios to nn.LSTM of the same hidden size in the same run.

    python benchmarks/timing/step_time.py --quick
    python benchmarks/timing/step_time.py --memories
    python benchmarks/timing/step_time.py --json step_time.json

Each configuration is timed in rounds that take all backends in turn, some steps each, so that a busy machine slows all
alike; a figure is the median over the rounds. A training step is forward, backward and an RMSprop step; inference
runs under no_grad. Peak memory is measured in a fresh process a backend: how far one training step raises the peak of
its resident set. The last lines count the multiply-adds and bytes of a step against a large matrix product timed in
the same run.
"""

import argparse
import itertools
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

import torch
from torch import nn

from memnets import (
    NTM,
    DeltaMemory,
    DNCMemory,
    FastWeights,
    Interface,
    MANNMemory,
    Memory,
    MemoryNetwork,
    NeuralStackMemory,
    Part,
    SAMMemory,
    SDNCMemory,
    StackMemory,
    TapeMemory,
)

FEATURES, OUTPUTS, HIDDEN, WIDTH = 9, 8, 100, 20
BACKENDS = ("fused", "reference", "compiled")
PLAIN_LIMIT = 2 * 10**8
"""Numbers in all steps' memories from which the plain cell is left out: it keeps some eight copies of them."""


class QueueState(NamedTuple):
    """The state of a Queue: ``slots (B, N, M)``, the newest first."""

    slots: torch.Tensor


class Queue(Memory):
    """The memory that docs/extending.md writes: each step pushes a vector and reads the oldest."""

    def __init__(self, slots: int, width: int):
        super().__init__()
        self.slots, self.width, self.reads_size = slots, width, width
        self.interface = Interface(value=Part((width,), "tanh"))

    def initial_state(self, batch_size: int, *, device: Any = None, dtype: Any = None) -> QueueState:
        """Zeros."""
        return QueueState(torch.zeros(batch_size, self.slots, self.width, device=device, dtype=dtype))

    def initial_reads(self, state: QueueState) -> torch.Tensor:
        """The oldest vector."""
        return state.slots[:, -1]  # (B, M)

    def step(self, parts: Any, state: QueueState) -> tuple[torch.Tensor, QueueState]:
        """Push a vector, and read the oldest."""
        pushed = torch.cat([parts.value.unsqueeze(1), state.slots[:, :-1]], dim=1)  # (B, N, M)
        return pushed[:, -1], QueueState(pushed)


MEMORIES: dict[str, Callable[..., nn.Module]] = {
    **{
        f"ntm-{name}": lambda name=name, **options: NTM(FEATURES, HIDDEN, controller=name, **options)
        for name in ("lstm", "gru", "rnn", "feedforward")
    },
    "dnc": lambda **options: MemoryNetwork(FEATURES, HIDDEN, memory=DNCMemory(128, WIDTH), **options),
    "stack": lambda **options: MemoryNetwork(FEATURES, HIDDEN, memory=StackMemory(128, WIDTH), **options),
    "queue": lambda **options: MemoryNetwork(FEATURES, HIDDEN, memory=Queue(128, WIDTH), **options),
    "delta": lambda **options: MemoryNetwork(FEATURES, HIDDEN, memory=DeltaMemory(WIDTH, WIDTH), **options),
    "neural stack": lambda **options: MemoryNetwork(FEATURES, HIDDEN, memory=NeuralStackMemory(128, WIDTH), **options),
    "tape": lambda **options: MemoryNetwork(FEATURES, HIDDEN, memory=TapeMemory(128, WIDTH), **options),
    "mann": lambda **options: MemoryNetwork(FEATURES, HIDDEN, memory=MANNMemory(128, WIDTH, 1), **options),
    "fast weights": lambda **options: FastWeights(FEATURES, HIDDEN, **options),
    "sam": lambda **options: MemoryNetwork(FEATURES, HIDDEN, memory=SAMMemory(128, WIDTH, 1, 4), **options),
    "sdnc": lambda **options: MemoryNetwork(FEATURES, HIDDEN, memory=SDNCMemory(128, WIDTH, 1, 4), **options),
}
"""All that step, with as many slots and units as the paper's copy task and one head where there is a choice."""

IN_PLACE = ("sam", "sdnc")
"""Memories without a kernel, which are changed in place instead."""
TURN = 0.02
Config = dict[str, Any]


def configurations(quick: bool) -> list[Config]:
    """The table's rows: the full grid, or the few that say most."""
    if quick:
        rows = [(batch, 41, 1, 128, 1) for batch in (1, 16, 64)] + [(64, 41, 1, 128, 2)]
    else:
        rows = list(itertools.product((1, 16, 64, 256), (41, 240), (1, 4), (128, 1024), (1, 2)))
    return [dict(zip(("batch", "steps", "heads", "slots", "threads"), row)) for row in rows]


def model(backend: str, config: Config) -> nn.Module:
    """nn.LSTM with as many inputs as the NTM's controller has with one head, or an NTM."""
    torch.manual_seed(0)
    if backend == "nn.LSTM":
        return nn.LSTM(FEATURES + WIDTH, HIDDEN, batch_first=True)
    if "memory" in config:
        return MEMORIES[str(config["memory"])](output_size=OUTPUTS, backend=backend)
    heads = config["heads"]
    return NTM(
        FEATURES,
        HIDDEN,
        output_size=OUTPUTS,
        slots=config["slots"],
        width=WIDTH,
        read_heads=heads,
        write_heads=heads,
        backend=backend,
    )


def step(backend: str, config: Config, train: bool, **kind: Any) -> Callable[[], None]:
    """One step of training or inference, ready to be called; ``kind`` may name a device and a dtype."""
    module = model(backend, config).to(**kind) if kind else model(backend, config)
    features = FEATURES + WIDTH if backend == "nn.LSTM" else FEATURES
    inputs = torch.randn(config["batch"], config["steps"], features, **kind)
    optimizer = torch.optim.RMSprop(module.parameters(), lr=1e-4, momentum=0.9, alpha=0.95)

    def run_training() -> None:
        optimizer.zero_grad()
        output, _ = module(inputs)
        output.square().mean().backward()
        optimizer.step()

    def run_inference() -> None:
        with torch.no_grad():
            module(inputs)

    return run_training if train else run_inference


def times(steps: dict[str, Callable[[], None]], seconds: float) -> dict[str, float]:
    """Median seconds of each, taken in turn for about `seconds` and at least three rounds.

    A turn is as many steps as take TURN seconds, after one that is not counted where there are several: in training
    too a step follows its like, not one of another kind that has emptied the caches and filled Python's heap.
    """
    turns = {}
    for name, run in steps.items():
        run()
        turns[name] = max(1, round(TURN / _seconds(run, 1)))
    found: dict[str, list[float]] = {name: [] for name in steps}
    end = time.perf_counter() + seconds
    while len(found["nn.LSTM"]) < 3 or time.perf_counter() < end:
        for name, run in steps.items():
            if turns[name] > 1:
                run()
            found[name].append(_seconds(run, turns[name]))
    return {name: statistics.median(values) for name, values in found.items()}


def _seconds(run: Callable[[], None], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - began) / count


def peak_memory(backend: str, config: Config) -> float:
    """MiB by which a training step raises the peak resident set, in a process of its own."""
    command = [sys.executable, __file__, "--peak", backend, json.dumps(config)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(backend: str, config: Config) -> None:
    torch.set_num_threads(config["threads"])
    small = {**config, "batch": 1, "steps": 2}
    step(backend, small, True)()  # code and libraries are loaded, the kernel is compiled
    run = step(backend, config, True)
    before = peak_kib()
    run()
    print((peak_kib() - before) / 1024)


def peak_kib() -> int:
    """The process's highest resident set so far, KiB."""
    try:
        with open("/proc/self/status") as file:  # getrusage would count what the parent held before exec
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def product_speed() -> float:
    """Multiply-adds a second of a large matrix product: the best of several."""
    a = torch.randn(1024, 1024)
    best = float("inf")
    for _ in range(8):
        began = time.perf_counter()
        torch.mm(a, a)
        best = min(best, time.perf_counter() - began)
    return 1024**3 / best


def work(config: Config) -> dict[str, float]:
    """Multiply-adds and bytes of a training step, counted from the equations.

    Forward and backward take three times the forward's products. A slot's vector takes part forward in a product with
    each key, the write and its norm, and the reads; backward in about twice as many.
    """
    heads, slots = config["heads"], config["slots"]
    reads, interface = heads * WIDTH, 2 * heads * (WIDTH + 6) + 2 * heads * WIDTH
    controller = 4 * HIDDEN * (FEATURES + reads + HIDDEN)
    projections = HIDDEN * interface + (HIDDEN + reads) * OUTPUTS
    memory = slots * WIDTH * (2 * heads + 2 * heads + 1 + heads)
    samples = config["batch"] * config["steps"]
    lstm = 4 * HIDDEN * (FEATURES + WIDTH + HIDDEN)
    kept = 5 * HIDDEN + HIDDEN + reads + interface + 2 * heads * slots + slots * WIDTH / 4
    return {
        "multiply_adds": 3 * samples * (controller + projections + memory),
        "multiply_adds_lstm": 3 * samples * lstm,
        "bytes_kept": 4 * samples * kept,
    }


def able(backends: list[str], config: Config) -> list[str]:
    """Those that have the memory for it."""
    numbers = config["batch"] * config["steps"] * config["slots"] * WIDTH * config["heads"]
    return [name for name in backends if name == "fused" or numbers <= PLAIN_LIMIT]


def measure(config: Config, backends: list[str], seconds: float, memory: bool) -> dict[str, Any]:
    """One row: times, ratios, memory, and how near to the matrix product's speed."""
    torch.set_num_threads(config["threads"])
    backends = able(backends, config)
    row: dict[str, Any] = {**config, "train": {}, "inference": {}}
    for kind in ("train", "inference"):
        steps = {name: step(name, config, kind == "train") for name in ("nn.LSTM", *backends)}
        found = times(steps, seconds)
        row[kind] = {name: {"ms": 1e3 * t, "ratio": t / found["nn.LSTM"]} for name, t in found.items()}
    if memory:
        row["peak_mib"] = {name: peak_memory(name, config) for name in backends if name != "compiled"}
    speed, counted = product_speed(), work(config)
    least = counted["multiply_adds"] / speed
    row["roofline"] = {**counted, "product_gmacs": speed / 1e9, "least_ms": 1e3 * least}
    if "fused" in backends:
        row["roofline"]["share"] = least / (row["train"]["fused"]["ms"] / 1e3)
    return row


def compare_memories(seconds: float) -> list[dict[str, Any]]:
    """Steps of each memory in the fused kernel and in the plain cell, at batch 1, 16 and 64."""
    torch.set_num_threads(1)
    rows = []
    head = f"{'memory':<16}{'batch':>6}  {'step':<9}{'nn.LSTM':>12}{'fused':>12}{'reference':>12}"
    print(f"{head}   fused : nn.LSTM, reference : fused")
    for name, batch, train in itertools.product(MEMORIES, (1, 16, 64), (True, False)):
        config: dict[str, Any] = {"batch": batch, "steps": 41, "memory": name}
        fast = "auto" if name in IN_PLACE else "fused"
        found = times({kind: step(kind, config, train) for kind in ("nn.LSTM", fast, "reference")}, seconds)
        lstm, fused, plain = (1e3 * found[kind] for kind in ("nn.LSTM", fast, "reference"))
        taken = f"{lstm:>9.2f} ms{fused:>9.2f} ms{plain:>9.1f} ms"
        kind = "train" if train else "inference"
        print(f"{name:<16}{batch:>6}  {kind:<9}{taken}{fused / lstm:>12.2f}{plain / fused:>10.1f}", flush=True)
        rows.append({**config, "step": kind, "ms": {kind: 1e3 * t for kind, t in found.items()}})
    return rows


def show(row: dict[str, Any], backends: list[str]) -> None:
    for kind in ("train", "inference"):
        found = [row[kind].get(name) for name in backends]
        cells = [f"{one['ms']:9.2f} ms {one['ratio']:6.2f}x" if one else f"{'too large':>20}" for one in found]
        sizes = "".join(f"{row[name]:>8}" for name in ("batch", "steps", "heads", "slots", "threads"))
        print(f"{sizes}  {kind:<9}  {row[kind]['nn.LSTM']['ms']:9.2f} ms  {'  '.join(cells)}", flush=True)
    if "peak_mib" in row:
        print(f"{'':42}peak of a training step: " + ", ".join(f"{k} {v:.0f} MiB" for k, v in row["peak_mib"].items()))
    roof = row["roofline"]
    share = f", reached {100 * roof['share']:.0f} %" if "share" in roof else ""
    print(
        f"{'':42}roofline: {roof['multiply_adds'] / 1e6:.0f} M multiply-adds (nn.LSTM "
        f"{roof['multiply_adds_lstm'] / 1e6:.0f} M), {roof['bytes_kept'] / 2**20:.1f} MiB kept; at "
        f"{roof['product_gmacs']:.0f} G/s of a 1024^3 product {roof['least_ms']:.2f} ms{share}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="four rows in about a minute, not the whole grid")
    parser.add_argument("--memories", action="store_true", help="every memory's steps, and nothing else")
    parser.add_argument("--backends", default="fused,reference", help=f"some of {','.join(BACKENDS)}")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each row and kind of step")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory")
    parser.add_argument("--json", help="also write the rows to this file")
    parser.add_argument("--peak", nargs=2, metavar=("BACKEND", "CONFIG"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        return print_peak(given.peak[0], json.loads(given.peak[1]))
    backends = given.backends.split(",")
    if unknown := set(backends) - set(BACKENDS):
        parser.error(f"no backend {', '.join(sorted(unknown))}: choose among {', '.join(BACKENDS)}")
    about = {"date": str(date.today()), "torch": torch.__version__, "processor": processor()}
    print(", ".join(about.values()))
    if given.memories:
        found = compare_memories(given.seconds)
        if given.json:
            with open(given.json, "w") as file:
                json.dump({**about, "memories": found}, file, indent=1)
        return None
    sizes = "".join(f"{name:>8}" for name in ("batch", "steps", "heads", "slots", "threads"))
    print(f"{sizes}  {'step':<9}  {'nn.LSTM':>12}  " + "  ".join(f"{name:>20}" for name in backends))
    rows = []
    for config in configurations(given.quick):
        rows.append(measure(config, backends, given.seconds, not given.no_memory))
        show(rows[-1], backends)
        if given.json:  # after each row: a whole grid takes long, and may be cut off
            with open(given.json, "w") as file:
                json.dump({**about, "rows": rows}, file, indent=1)
    return None


def processor() -> str:
    """The processor's name and cores."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return f"{names[0]} ({len(names)} cores seen)"
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
