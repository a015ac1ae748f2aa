"""Compiles the C sources once for each machine, and keeps the result in the user's cache."""

import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCES = Path(__file__).parent
BASE_FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math")
EXTRA_FLAGS = (("-march=native", "-fopenmp"), ("-march=native",), ("-fopenmp",), ())
"""Tried in this order: not every compiler knows them all."""


class BuildError(RuntimeError):
    """The kernel cannot be compiled here; the message says why and what to do."""


def cache_folder() -> Path:
    """Where compiled kernels are kept: $MEMNETS_CACHE, or memnets/ in the user's cache folder."""
    if chosen := os.environ.get("MEMNETS_CACHE"):
        return Path(chosen).absolute()
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    except RuntimeError as error:
        raise BuildError(f"there is no home folder to keep it in ({error}): set MEMNETS_CACHE to a folder") from error
    return Path(home) / "memnets"


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


def library(double: bool) -> Path:
    """The compiled kernel for float32 or float64, compiled now unless it was before.

    Two processes may come here at once: each compiles into a file of its own, and the rename is atomic.

    Raises:
        BuildError: no compiler, a compiler's error, or nowhere to write.
    """
    command = compiler()
    path = cache_folder() / f"ntm-{'f64' if double else 'f32'}-{_key(tuple(command))}.so"
    try:
        if path.is_file():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
        os.close(handle)
    except OSError as error:
        raise BuildError(
            f"the compiled kernel cannot be kept in {path.parent} ({error.strerror}): set MEMNETS_CACHE to a folder "
            "that can be written"
        ) from error
    try:
        _compile(command, double, temporary)
        os.chmod(temporary, 0o755)
        os.replace(temporary, path)
    except OSError as error:
        raise BuildError(
            f"the compiled kernel cannot be kept as {path} ({error.strerror}): remove what is there, or set "
            "MEMNETS_CACHE to another folder"
        ) from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def _compile(command: list[str], double: bool, target: str) -> None:
    define = ["-DMEMNETS_DOUBLE"] if double else []
    complaint = ""
    for extra in EXTRA_FLAGS:
        arguments = [*command, *BASE_FLAGS, *extra, *define, str(SOURCES / "sequence.c"), "-o", target, "-lm"]
        try:
            done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BuildError(f"the C compiler {command[0]} could not be run: {error}") from error
        if done.returncode == 0:
            return
        complaint = complaint or done.stderr.strip()[-400:]
    raise BuildError(f"the C compiler {command[0]} failed: {complaint}")


@functools.cache
def _key(command: tuple[str, ...]) -> str:
    """Changes with the sources, the flags, the compiler and the processor."""
    digest = hashlib.sha256()
    for source in sorted([*SOURCES.glob("*.c"), *SOURCES.glob("*.h")]):
        digest.update(source.read_bytes())
    try:
        version = subprocess.run([*command, "--version"], capture_output=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"the C compiler {command[0]} could not be run: {error}") from error
    digest.update(version)
    digest.update(repr((command, BASE_FLAGS, EXTRA_FLAGS, platform.machine(), _processor())).encode())
    return digest.hexdigest()[:20]


def _processor() -> str:
    """Name and instruction sets of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(line for line in lines if line.startswith(("model", "flags", "Features", "CPU part")))
