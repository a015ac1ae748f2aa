"""Step times of memories on a CUDA GPU, as ratios to cuDNN's nn.LSTM of the same hidden size in the same run.

    python benchmarks/timing/gpu_step_time.py
    python benchmarks/timing/gpu_step_time.py --memories
    python benchmarks/timing/gpu_step_time.py --backends fused,reference --json gpu_step_time.json

Each configuration is timed in rounds that take all backends in turn, between two CUDA events with the device idle
before; a figure is the median over the rounds. A training step is forward, backward and an RMSprop step; inference
runs under no_grad. The first call of each, which compiles kernels where the cache has none, is timed apart. With
--memories every memory that has a kernel is timed at 41 steps in single precision, in about two minutes; the plain cell
(reference) takes part in a few rounds only. Needs memnets and torch.
"""

import argparse
import itertools
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import step_time
import torch
from step_time import BACKENDS, FEATURES, HIDDEN, IN_PLACE, MEMORIES

from memnets import NTM
from memnets.base.files import write_atomically

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
BATCHES, STEPS = (1, 16, 64, 256), (41, 240)
DEVICE = "cuda"
WARM_UP = 3
LEAST_ROUNDS = 10
SLOW_ROUNDS = 3
"""That the plain cell takes part in, where memories are compared."""
Config = dict[str, Any]


def step(backend: str, config: Config, train: bool) -> Callable[[], None]:
    """One step of training or inference, ready to be called."""
    sizes = {**config, "heads": 1, "slots": 128}
    return step_time.step(backend, sizes, train, device=DEVICE, dtype=DTYPES[config["dtype"]])


def milliseconds(run: Callable[[], None]) -> float:
    """Of one call, from an idle device until all its work is done."""
    began, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    began.record()
    run()
    ended.record()
    torch.cuda.synchronize()
    return began.elapsed_time(ended)


def times(steps: dict[str, Callable[[], None]], seconds: float, plain_rounds: int = 0) -> dict[str, dict[str, float]]:
    """Of each, the seconds of its first call and the median milliseconds of those after some to warm up.

    Args:
        steps: what is timed, "nn.LSTM" among it.
        seconds: for all of it, at least.
        plain_rounds: how many rounds "reference" takes part in; 0 for all.
    """
    found: dict[str, dict[str, float]] = {}
    for name, run in steps.items():
        began = time.perf_counter()
        run()
        torch.cuda.synchronize()
        found[name] = {"first_s": time.perf_counter() - began}
        for _ in range(WARM_UP):
            run()
    rounds: dict[str, list[float]] = {name: [] for name in steps}
    end = time.perf_counter() + seconds
    while len(rounds["nn.LSTM"]) < LEAST_ROUNDS or time.perf_counter() < end:
        for name, run in steps.items():
            if not (name == "reference" and plain_rounds and len(rounds[name]) >= plain_rounds):
                rounds[name].append(milliseconds(run))
    for name, values in rounds.items():
        found[name]["ms"] = statistics.median(values)
    return found


def measure(config: Config, backends: list[str], seconds: float) -> Config:
    """One row: times, and ratios to nn.LSTM."""
    row: Config = {**config, "train": {}, "inference": {}}
    for kind in ("train", "inference"):
        steps = {name: step(name, config, kind == "train") for name in ("nn.LSTM", *backends)}
        found = times(steps, seconds)
        base = found["nn.LSTM"]["ms"]
        row[kind] = {name: {**values, "ratio": values["ms"] / base} for name, values in found.items()}
    return row


def compare_memories(seconds: float) -> list[Config]:
    """Steps of each memory that has a kernel, in it and in the plain cell."""
    head = f"{'memory':<16}{'batch':>6}  {'step':<10}{'nn.LSTM':>12}{'fused':>12}{'reference':>13}"
    print(f"{head}   fused : nn.LSTM, reference : fused, first call of fused")
    rows = []
    for name, batch, train in itertools.product(with_kernels(), (1, 16, 64), (True, False)):
        config: Config = {"batch": batch, "steps": 41, "memory": name, "heads": 1, "slots": 128}
        given = {"device": DEVICE, "dtype": torch.float32}
        steps = {kind: step_time.step(kind, config, train, **given) for kind in ("nn.LSTM", "fused", "reference")}
        found = times(steps, seconds, SLOW_ROUNDS)
        lstm, fused, plain = (found[kind]["ms"] for kind in steps)
        kind = "train" if train else "inference"
        taken = f"{lstm:>9.3f} ms{fused:>9.3f} ms{plain:>10.2f} ms"
        ratios = f"{fused / lstm:>12.2f}{plain / fused:>10.1f}{found['fused']['first_s']:>10.2f} s"
        print(f"{name:<16}{batch:>6}  {kind:<10}{taken}{ratios}", flush=True)
        rows.append({**config, "step": kind, "times": found})
    return rows


def with_kernels() -> list[str]:
    """Those that have a kernel."""
    return [name for name in MEMORIES if name not in IN_PLACE]


def show(row: Config, backends: list[str]) -> None:
    """A line for training and one for inference."""
    for kind in ("train", "inference"):
        found = row[kind]
        cells = [f"{found[name]['ms']:9.3f} ms {found[name]['ratio']:7.2f}x" for name in backends]
        sizes = f"{row['batch']:>6}{row['steps']:>6}  {row['dtype']:<9}"
        print(f"{sizes} {kind:<10}{found['nn.LSTM']['ms']:9.3f} ms  {'  '.join(cells)}", flush=True)


def about() -> dict[str, str]:
    """Hardware and versions."""
    return {
        "date": str(date.today()),
        "device": torch.cuda.get_device_name(),
        "processor": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
        "tf32": f"cudnn {torch.backends.cudnn.allow_tf32}, matmul {torch.backends.cuda.matmul.allow_tf32}",
    }


def refuse(message: str) -> None:
    """Leave with one line on stderr and exit status 2."""
    print(f"gpu_step_time: {message}", file=sys.stderr)
    sys.exit(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", default="fused", help=f"some of {','.join(BACKENDS)}")
    parser.add_argument("--memories", action="store_true", help="every memory that has a kernel, and nothing else")
    parser.add_argument("--seconds", type=float, help="for each row and kind of step: 1, with --memories 0.1")
    parser.add_argument("--json", help="also write the rows to this file")
    given = parser.parse_args()
    backends = given.backends.split(",")
    if unknown := set(backends) - set(BACKENDS):
        parser.error(f"no backend {', '.join(sorted(unknown))}: choose among {', '.join(BACKENDS)}")
    if not torch.cuda.is_available():
        refuse("torch sees no CUDA device; benchmarks/timing/step_time.py measures on the CPU")
    if "fused" in backends:
        verdict = NTM(FEATURES, HIDDEN).to(DEVICE).backend_report()["fused"]
        if verdict.startswith("cannot run"):
            refuse(f"the fused backend {verdict}")
    facts = about()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    if given.memories:
        found = compare_memories(0.1 if given.seconds is None else given.seconds)
        if given.json:
            write_atomically({Path(given.json): json.dumps({**facts, "memories": found}, indent=1).encode()})
        return
    print(
        f"{'batch':>6}{'steps':>6}  {'dtype':<9} {'step':<10}{'nn.LSTM':>12}  {'  '.join(f'{b:>21}' for b in backends)}"
    )
    rows = []
    for steps, dtype, batch in itertools.product(STEPS, DTYPES, BATCHES):
        rows.append(
            measure(
                {"batch": batch, "steps": steps, "dtype": dtype},
                backends,
                1.0 if given.seconds is None else given.seconds,
            )
        )
        show(rows[-1], backends)
    if given.json:
        write_atomically({Path(given.json): json.dumps({**facts, "rows": rows}, indent=1).encode()})


if __name__ == "__main__":
    main()
