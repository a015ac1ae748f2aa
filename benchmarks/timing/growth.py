"""How a training step's time grows with the steps T, the batch B and the slots N, one at a time.

    python benchmarks/timing/growth.py --json growth.json

From T 41, B 16, N 128 (width 20, LSTM of 100 units, one read and one write head) each is doubled several times while
the others stay. The exponent is the slope of log time over log size, by least squares over the last three doublings:
1 is linear growth. Times are medians, as in step_time.py.
"""

import argparse
import json
from datetime import date

import numpy as np
import torch
from step_time import Config, processor, step, times

START: Config = {"batch": 16, "steps": 41, "heads": 1, "slots": 128, "threads": 1}
SIZES = {
    "steps": [41, 82, 164, 328, 656, 1312],
    "batch": [1, 2, 4, 8, 16, 32, 64, 128, 256],
    "slots": [32, 64, 128, 256, 512, 1024, 2048],
}
LIMITS = {"reference": {"steps": 328, "batch": 64, "slots": 512}}
"""Above these the plain cell takes minutes, or gigabytes."""


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """The slope of log time over log size, over the last four points."""
    return float(np.polyfit(np.log(sizes[-4:]), np.log(seconds[-4:]), 1)[0])


def measure(name: str, backends: list[str], seconds: float, threads: int) -> dict[str, dict[str, float]]:
    """For each backend the milliseconds of a training step at each size of ``name``."""
    found: dict[str, dict[str, float]] = {backend: {} for backend in ("nn.LSTM", *backends)}
    for size in SIZES[name]:
        config = {**START, name: size, "threads": threads}
        able = [backend for backend in backends if size <= LIMITS.get(backend, {}).get(name, size)]
        steps = {backend: step(backend, config, True) for backend in ("nn.LSTM", *able)}
        for backend, time in times(steps, seconds).items():
            found[backend][str(size)] = 1e3 * time
    return found


def show(name: str, found: dict[str, dict[str, float]]) -> None:
    """A Markdown table: a row a backend."""
    print(f"\n| training step, ms | {' | '.join(f'{name} {size}' for size in SIZES[name])} | exponent |")
    print("|---" * (len(SIZES[name]) + 2) + "|")
    for backend, row in found.items():
        cells = [f"{row[str(size)]:.2f}" if str(size) in row else "" for size in SIZES[name]]
        slope = exponent([int(size) for size in row], list(row.values()))
        print(f"| {backend} | {' | '.join(cells)} | {slope:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", default="fused,reference")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each size")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", help="also write the figures to this file")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    about = {"date": str(date.today()), "torch": torch.__version__, "processor": processor(), "threads": given.threads}
    print(", ".join(map(str, about.values())))
    growth = {}
    for name in SIZES:
        growth[name] = measure(name, given.backends.split(","), given.seconds, given.threads)
        show(name, growth[name])
    if given.json:
        with open(given.json, "w") as file:
            json.dump({**about, "milliseconds": growth}, file, indent=1)


if __name__ == "__main__":
    main()
