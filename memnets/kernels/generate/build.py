"""Compiles generated programs, and keeps them in the user's cache.

A library is loaded only if the user owns it, no one else may write to it or to its folder, and its digest is the one
noted beside it. Where the cache is not like that, or cannot be written, a private folder serves for the process.
"""

import atexit
import contextlib
import functools
import hashlib
import json
import logging
import math
import os
import platform
import shlex
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SOURCES = Path(__file__).parent
BASE_FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math")
OPTIONS = "MEMNETS_CFLAGS"
"""A variable of the environment with further options, such as the -Og of tests, which want short compilation."""

EXTRA_FLAGS = (("-march=native", "-fopenmp"), ("-march=native",), ("-fopenmp",), ())
"""Tried in this order: not every compiler knows them all."""

TIMEOUT = 600
"""Seconds for a compilation; sanitisers on a busy machine need some of them."""

_PRIVATE = "memnets-kernels-"
_log = logging.getLogger("memnets")


class BuildError(RuntimeError):
    """A kernel cannot be compiled here; the message says why and what to do."""


class Built(NamedTuple):
    """A library and what was noted beside it."""

    path: Path
    layout: dict[str, Any]


def cache_folder() -> Path:
    """Where compiled kernels are kept: $MEMNETS_CACHE, or memnets/ in the user's cache folder."""
    if chosen := os.environ.get("MEMNETS_CACHE"):
        return Path(chosen).absolute()
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    except RuntimeError:
        return _private_folder("there is no home folder")
    return Path(home).absolute() / "memnets"


@functools.cache
def _private_folder(reason: str) -> Path:
    """A folder for this process, where the cache cannot be used; those of processes that were killed go."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PRIVATE}????????"):
        _remove_unlocked(left)
    folder = Path(tempfile.mkdtemp(prefix=_PRIVATE))
    _locked(str(folder))  # while the process lives
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _log.warning(
        "compiled kernels are made anew in each process: %s; set MEMNETS_CACHE to a folder that only you may write",
        reason,
    )
    return folder


def usable_folder() -> Path:
    """The cache folder, or a private one where others may write to it or it cannot be written."""
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = folder.resolve()  # a link on the way there could be exchanged later
        reason = _shared(folder)
        if reason is None and not os.access(folder, os.W_OK | os.X_OK):
            reason = f"{folder} cannot be written"
    except OSError as error:
        reason = f"{folder} cannot be used ({error.strerror})"
    return folder if reason is None else _private_folder(reason)


def _shared(folder: Path) -> str | None:
    """Who else could put something at ``folder``, which goes through no link, or None."""
    user = os.geteuid() if hasattr(os, "geteuid") else None
    if user is None:
        return None
    for part in (folder, *folder.parents):
        found = part.stat()
        if found.st_uid not in ((user,) if part == folder else (user, 0)):
            return f"{part} belongs to another user"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and (part == folder or not found.st_mode & stat.S_ISVTX):
            return f"{part} may be written by others"
    return None


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


def fetch(name: str, make: Callable[[], tuple[str, dict[str, Any]]], check: Callable[[Built], None]) -> Built:
    """The library of a program, from the cache or built now.

    Two processes may come here at once: each writes files of its own, and renames are atomic.

    Args:
        name: what tells the program from others, but for the compiler and the machine.
        make: gives the program's source and layout.
        check: raises where a library just built is wrong; it is then not kept.

    Raises:
        BuildError: no compiler, a compiler's error, or nowhere to write.
    """
    command = tuple(compiler())
    key = hashlib.sha256(f"{_identity(command)} {name}".encode()).hexdigest()[:24]
    folder = usable_folder()
    path = folder / f"{key}.so"
    layout = _noted(path)
    _sweep(folder)
    if layout is not None:
        return Built(path, layout)
    source, layout = make()
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as place, _at_work(place):
            library = Path(place) / path.name
            _compile(list(command), source, library)
            check(Built(library, layout))
            note = Path(place) / "note"
            note.write_text(json.dumps({"sha256": _digest(library, layout), "layout": layout}))
            os.replace(library, path)
            os.replace(note, path.with_suffix(".json"))
    except OSError as error:
        raise BuildError(
            f"the compiled kernel cannot be kept as {path} ({error.strerror}): remove what is there, or set "
            "MEMNETS_CACHE to another folder"
        ) from error
    return Built(path, layout)


def _noted(path: Path) -> dict[str, Any] | None:
    """The layout beside a library that may be loaded, or None where it is missing, damaged or another's."""
    try:
        for part in (path, path.with_suffix(".json")):
            found = part.lstat()
            own = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
            if not own or not stat.S_ISREG(found.st_mode) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
        note = json.loads(path.with_suffix(".json").read_text())
        return note["layout"] if _digest(path, note["layout"]) == note["sha256"] else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError):
        return None


def _digest(library: Path, layout: dict[str, Any]) -> str:
    """Of its name, the library and what is noted beside it, by which tensors are checked and scratch memory is made."""
    return hashlib.sha256(library.name.encode() + library.read_bytes() + json.dumps(layout).encode()).hexdigest()


@contextlib.contextmanager
def _at_work(place: str) -> Iterator[None]:
    """Holds a lock on a build's folder, which ends with the process, however that ends."""
    descriptor = _locked(place)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(place: str) -> int | None:
    """A descriptor of the folder with its lock, or None where another has it, or there are no such locks."""
    try:
        import fcntl

        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _sweep(folder: Path) -> None:
    """Remove what builds that were killed left behind."""
    for left in folder.glob("build-*"):
        _remove_unlocked(left, 3600)


def _remove_unlocked(left: Path, age: float = math.inf) -> None:
    """Remove a folder of ours that no process has locked any more, or that is that many seconds old."""
    try:
        found = left.lstat()
    except OSError:
        return
    passed = time.time() - found.st_mtime
    if passed < 10 or (hasattr(os, "geteuid") and found.st_uid != os.geteuid()):  # it may be about to be locked
        return
    descriptor = _locked(str(left))
    if descriptor is not None or passed > age:
        shutil.rmtree(left, ignore_errors=True)
    if descriptor is not None:
        os.close(descriptor)


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
