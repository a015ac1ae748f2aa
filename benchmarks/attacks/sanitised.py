"""Run a command with generated code under the address and undefined-behaviour sanitisers.

`python benchmarks/attacks/sanitised.py pytest -n 0 tests/kernels/test_generate.py`. Fresh memory is filled with large
numbers.
Libraries are kept in build/sanitised, apart from those without.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SANITISERS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"


def environment(folder: Path) -> dict[str, str]:
    """This environment, with a compiler that instruments what it compiles and a cache of its own in ``folder``.

    Raises:
        RuntimeError: there is no gcc, or it lacks the sanitisers' libraries.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    libraries = [_library(name) for name in ("libasan.so", "libubsan.so")]
    compiler = folder / "cc"
    # -O1 comes last and so wins: at -O3 an instrumented program takes half a minute to compile, so 3 s.
    compiler.write_text(f'#!/bin/sh\nexec gcc "$@" {SANITISERS} -g1 -O1\n')
    compiler.chmod(0o700)
    options = "detect_leaks=0:max_malloc_fill_size=100000000:malloc_fill_byte=127"
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": options,
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "CC": str(compiler),
        "MEMNETS_CACHE": str(folder / "cache"),
    }


def _library(name: str) -> str:
    if not shutil.which("gcc"):
        raise RuntimeError("no gcc was found: install it")
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    path = found.stdout.strip()
    if not os.path.isabs(path):
        raise RuntimeError(f"gcc has no {name}: install the sanitisers' libraries")
    return path


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    os.execvpe(sys.argv[1], sys.argv[1:], environment(Path("build/sanitised").absolute()))
