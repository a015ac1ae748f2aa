"""Waiting threads: training steps a second, and processor time a step, by how OpenMP's threads wait for one another.

    python benchmarks/timing/threads.py                 # as the machine is
    python benchmarks/timing/threads.py --beside 2      # with two other processes that compute

By default idle threads spin for some milliseconds before they sleep, which is fastest where each has a core of its own,
and takes the cores from those that work where there are fewer cores than threads.
"""

import argparse
import os
import subprocess
import sys

SETTINGS = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "spinning (OpenMP's default)": {},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000", "OMP_WAIT_POLICY": ""},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
}

STEPS = """
import sys, time, torch
from memnets import NTM
torch.manual_seed(0)
seconds = float(sys.argv[1])
ntm = NTM(9, 100, output_size=8)
optimizer = torch.optim.RMSprop(ntm.parameters(), lr=1e-4)
inputs = torch.randn(16, 41, 9)

def step():
    optimizer.zero_grad()
    ntm(inputs)[0].square().mean().backward()
    optimizer.step()

for _ in range(3):
    step()
count, wall, cpu = 0, time.perf_counter(), time.process_time()
while time.perf_counter() - wall < seconds:
    step()
    count += 1
print(count / (time.perf_counter() - wall), 1000 * (time.process_time() - cpu) / count)
"""


def measure(settings: dict[str, str], threads: int, seconds: float) -> tuple[float, float]:
    """Steps a second, and milliseconds of processor time a step."""
    kept = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")}
    chosen = {name: value for name, value in settings.items() if value}
    environment = {**kept, "OMP_NUM_THREADS": str(threads), **chosen}
    command = [sys.executable, "-c", STEPS, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    rate, time = map(float, done.stdout.split())
    return rate, time


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--beside", type=int, default=0, help="other processes that compute meanwhile")
    parser.add_argument("--repeats", type=int, default=1, help="the best of so many is shown")
    options = parser.parse_args()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.beside)]
    try:
        print(f"{options.threads} threads, {options.beside} processes beside, load {os.getloadavg()[0]:.1f}\n")
        print("| waiting | steps/s | processor ms a step |\n|---|---|---|")
        for name, settings in SETTINGS.items():
            found = [measure(settings, options.threads, options.seconds) for _ in range(options.repeats)]
            rate, time = max(found)
            print(f"| {name} | {rate:.1f} | {time:.1f} |", flush=True)
    finally:
        for process in busy:
            process.kill()


if __name__ == "__main__":
    main()
