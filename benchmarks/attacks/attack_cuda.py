"""Attack generated CUDA kernels on the CPU: their text run by C++ under the sanitisers, and with barriers taken out.

`python benchmarks/attacks/attack_cuda.py` runs every memory at the sizes of papers and at odd ones, in both precisions,
with warps in two opposite orders: results must be those of the plain cell and the same in both orders. Every buffer and
the shared memory start as NaN, what is fetched arrives at the wait, and AddressSanitizer sees what lies outside.
`--barriers ntm-lstm dnc` takes out the barriers of a kernel one by one, and counts those that nothing missed.
"""

import argparse
import math
import os
import re
import sys
import time
from pathlib import Path

import torch
from sanitised import SANITISERS, environment
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "kernels"))
from agreement import assert_close, given, results  # pyright: ignore[reportMissingImports]
from emulated import Emulated  # pyright: ignore[reportMissingImports]
from families import families  # pyright: ignore[reportMissingImports]

from memnets import Recurrent
from memnets.kernels.cuda import source
from memnets.kernels.generate import cells, library

SIZES = {
    "paper": ({"slots": 128, "width": 20, "hidden": 100, "inputs": 9, "outputs": 8}, 512),
    "odd": ({"slots": 33, "width": 7, "hidden": 45, "inputs": 40, "outputs": 3}, 64),
    "small": ({"slots": 40, "width": 5, "hidden": 33, "inputs": 4, "outputs": 3}, 128),
}
"""Of the module, and how many threads a block has."""
SHARED = 232_448
"""Bytes of a block on a card of today."""
TOLERANCE = {torch.float32: 2e-3, torch.float64: 1e-9}
FOLDER = Path("build/attack_cuda")


def poisoned(like: Tensor, *shape: int, spare: int = 0) -> Tensor:
    """A buffer of NaN with nothing behind it."""
    return like.new_full((math.prod(shape),), float("nan")).view(shape)


def run(name: str, size: str, dtype: torch.dtype, order: int, batch: int, lengths: list[int] | None, backend="fused"):
    """What a module gives."""
    sizes, threads = SIZES[size]
    engine = Emulated(FOLDER, threads=threads, shared=SHARED, order=order)
    cells.engine_of = lambda device: engine
    torch.manual_seed(0)
    module = families(**sizes)[name]()
    module = (module if isinstance(module, Recurrent) else Recurrent(module)).to(dtype)
    inputs, state = given(module, batch, 3)
    module.backend = backend
    return results(module, inputs, state, lengths)


def attack(name: str, size: str, dtype: torch.dtype) -> None:
    """Raise AssertionError where a result is not what it should be; a sanitiser ends the process."""
    for batch, lengths in ((1, None), (3, [3, 2, 0])):
        found = [run(name, size, dtype, order, batch, lengths) for order in (0, 1)]
        assert_close(found[0], run(name, size, dtype, 0, batch, lengths, "reference"), TOLERANCE[dtype])
        for part in found[0]:
            assert torch.equal(found[0][part], found[1][part]), f"{part} differs between orders"


def missed_barriers(name: str) -> tuple[int, int]:
    """How many barriers a step has, and without how many of them results were still the same in both orders."""
    build, keep = source.build, cells._try
    texts: list[str] = []

    def changed(change):
        def made(*given, **named):
            program = build(*given, **named)
            return program._replace(source=change(program.source))

        return made

    def both(change) -> list:
        source.build = changed(change)
        return [run(name, "small", torch.float64, order, 1, None) for order in (0, 1)]

    cells._try = lambda *given: None
    want = both(lambda text: (texts.append(text), text)[1])[0]
    steps = [m.start() for m in re.finditer(r"__sync(threads|warp)\(\);", texts[0])]
    missed = 0
    for at in steps:
        end = texts[0].index(";", at)
        try:
            found = both(lambda text, at=at, end=end: text[:at] + text[end:])
        except Exception:  # refused
            continue
        missed += all(torch.equal(result[part], want[part]) for result in found for part in want)
    source.build, cells._try = build, keep
    return len(steps), missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--barriers", nargs="+", default=[], metavar="MEMORY", help="take out the barriers of these")
    parser.add_argument("--sizes", nargs="+", default=["paper", "odd"], choices=list(SIZES))
    parser.add_argument("--memories", nargs="+", help="these alone")
    args = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not args.barriers and "EMULATED_OPTIONS" not in os.environ:
        # Frames of one stack in place of another's are not what the first sanitiser expects.
        sanitised = environment(FOLDER / "sanitised")
        sanitised["ASAN_OPTIONS"] += ":detect_stack_use_after_return=0"
        os.execve(
            sys.executable, [sys.executable, *sys.argv], {**sanitised, "EMULATED_OPTIONS": f"-O1 -g1 {SANITISERS}"}
        )
    library.empty = poisoned
    for name in args.barriers:
        barriers, missed = missed_barriers(name)
        print(f"{name}: {barriers} barriers, {missed} of which nothing missed", flush=True)
    if args.barriers:
        return
    failed = 0
    for size in args.sizes:
        for name in args.memories or families(**SIZES[size][0]):
            for dtype in TOLERANCE:
                began = time.process_time()
                try:
                    attack(name, size, dtype)
                    outcome = "agrees"
                except AssertionError as error:
                    failed, outcome = failed + 1, f"FAILED: {error}"
                print(f"{size} {name} {dtype}: {outcome} ({time.process_time() - began:.0f} s)", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
