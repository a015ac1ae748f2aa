"""Compiles generated programs in C."""

import functools
import hashlib
import os
import platform
import shlex
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from . import cache
from .cache import BuildError, Built, Layout

SOURCES = Path(__file__).parent
BASE_FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math")
OPTIONS = "MEMNETS_CFLAGS"
"""A variable of the environment with further options, such as the -Og of tests, which want short compilation."""

EXTRA_FLAGS = (("-march=native", "-fopenmp"), ("-march=native",), ("-fopenmp",), ())
"""Tried in this order: not every compiler knows them all."""

TIMEOUT = 600
"""Seconds for a compilation; sanitisers on a busy machine need some of them."""


def compiler() -> list[str]:
    """The C compiler's command: $CC, or the first of cc, gcc and clang.

    Raises:
        BuildError: there is none.
    """
    chosen = os.environ.get("CC", "").strip()
    names = [chosen] if chosen else ["cc", "gcc", "clang"]
    for name in names:
        try:
            command = shlex.split(name)
        except ValueError as error:
            raise BuildError(f"CC is {name!r}, which is not a command ({error}): set it to a C compiler") from error
        if shutil.which(command[0]):
            return command
    raise BuildError(f"no C compiler was found ({', '.join(names)}): install gcc or clang, or set CC")


def _options() -> list[str]:
    return shlex.split(os.environ.get(OPTIONS, ""))


@functools.cache
def _identity(command: tuple[str, ...]) -> str:
    """Changes with the generator, the flags, the compiler and the processor."""
    digest = hashlib.sha256()
    for source in sorted([*SOURCES.rglob("*.py"), *SOURCES.glob("*.h")]):
        digest.update(source.read_bytes())
    digest.update(_run([*command, "--version"])[1].encode())
    digest.update(repr((command, BASE_FLAGS, EXTRA_FLAGS, _options(), platform.machine(), _processor())).encode())
    return digest.hexdigest()


@functools.cache
def vector_bytes(command: tuple[str, ...]) -> int:
    """The width of the vectors that programs are written for: the processor's, as the compiler knows it."""
    code, macros = _run([*command, "-march=native", "-dM", "-E", "-x", "c", os.devnull])
    if code:
        return 16
    if "__AVX512F__" in macros and "__AVX512VL__" in macros:
        return 64
    return 32 if "__AVX2__" in macros else 16


def _processor() -> str:
    """Name and instruction sets of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(line for line in lines if line.startswith(("model", "flags", "Features", "CPU part")))


def fetch(name: str, make: Callable[[], tuple[str, Layout]], check: Callable[[Built], None]) -> Built:
    """The library of a program, from the cache or built now.

    Args:
        name: what tells the program from others, but for the compiler and the machine.
        make: gives the program's source and layout.
        check: raises where a library just built is wrong; it is then not kept.

    Raises:
        BuildError: no compiler, a compiler's error, or nowhere to write.
    """
    command = tuple(compiler())
    key = hashlib.sha256(f"{_identity(command)} {name}".encode()).hexdigest()[:24]

    def write(target: Path) -> Layout:
        source, layout = make()
        _compile(list(command), source, target)
        return layout

    return cache.fetch(f"{key}.so", write, check)


def _compile(command: list[str], source: str, target: Path) -> None:
    written = target.with_suffix(".c")
    written.write_text(source)
    complaint = ""
    for extra in EXTRA_FLAGS:
        options = [*BASE_FLAGS, *extra, *_options(), f"-I{SOURCES}"]
        arguments = [*command, *options, str(written), "-o", str(target), "-lm"]
        code, said = _run(arguments)
        if code == 0:
            if "-fopenmp" not in extra and (missing := openmp_missing(tuple(command))):
                warnings.warn(f"the compiled kernel runs on one thread: {missing}", RuntimeWarning, stacklevel=2)
            return
        complaint = complaint or said.strip()[-400:]
    raise BuildError(f"the C compiler {command[0]} failed: {complaint}")


@functools.cache
def openmp_missing(command: tuple[str, ...]) -> str | None:
    """Why kernels have one thread only, with the remedy, or None where the compiler knows OpenMP."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "openmp.c"
        source.write_text("#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n")
        code, said = _run([*command, "-fopenmp", str(source), "-o", str(source.with_suffix(".out"))])
    if code == 0:
        return None
    reason = next((line.strip() for line in said.splitlines() if "error" in line), f"it exits with {code}")
    return (
        f"the C compiler {command[0]} has no OpenMP ({reason}): install it (libomp-dev with clang, "
        "libomp with Homebrew), or set CC to a compiler that has it, such as gcc"
    )


def _run(arguments: list[str]) -> tuple[int, str]:
    """A command's exit code and all that it said; none of its children outlives it."""
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise BuildError(f"the C compiler {arguments[0]} could not be run: {error}") from error
    try:
        said, _ = process.communicate(timeout=TIMEOUT)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise BuildError(f"the C compiler {arguments[0]} took longer than {TIMEOUT} s") from error
        raise
    return process.returncode, said
