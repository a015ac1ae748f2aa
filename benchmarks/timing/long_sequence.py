"""Peak memory and time of one training step of an NTM on a long sequence, with and without checkpoints.

    python benchmarks/timing/long_sequence.py --steps 10000 --batch 16 --every 100

NTM(9, 100, output_size=8) with 128 slots of width 20. The peak is how far the step raises that of the resident set.
"""

import argparse
import time

import torch
from step_time import peak_kib, processor

from memnets import NTM


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--every", type=int, help="checkpoint_every; without it all steps are kept")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    ntm = NTM(9, 100, output_size=8, checkpoint_every=given.every)
    ntm(torch.zeros(1, 2, 9))[0].sum().backward()  # the kernel is compiled and loaded
    inputs = torch.randn(given.batch, given.steps, 9)
    before, began = peak_kib(), time.perf_counter()
    ntm(inputs)[0].square().mean().backward()
    seconds = time.perf_counter() - began
    print(
        f"{processor()}, torch {torch.__version__}, {given.threads} thread: {given.steps} steps, batch {given.batch}, "
        f"checkpoint_every {given.every}: {(peak_kib() - before) / 1024:.0f} MiB, {seconds:.1f} s"
    )


if __name__ == "__main__":
    main()
