"""NVIDIA's runtime compiler: it comes with torch's CUDA wheels, and needs no other compiler."""

import ctypes
import functools
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from ..generate.cache import BuildError

REMEDY = "install torch's build for CUDA, which brings it, or pip install nvidia-cuda-nvrtc-cu12 (or nvidia-cuda-nvrtc)"


def _candidates() -> Iterator[str]:
    """Where the library may be: the one of torch's CUDA version first, then others, then the system's."""
    import torch

    version = (torch.version.cuda or "").split(".")[0]
    found: list[Path] = []
    spec = importlib.util.find_spec("nvidia")
    for folder in list(spec.submodule_search_locations or []) if spec is not None else []:
        found += [path for path in Path(folder).glob("**/libnvrtc.so.*") if "alt" not in path.name]
    found += Path(torch.__file__).parent.glob("lib/libnvrtc*.so*")
    yield from sorted((str(path) for path in found), key=lambda path: not path.endswith(f".so.{version}"))
    yield from (f"libnvrtc.so.{version}", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so")


@functools.cache
def library() -> ctypes.CDLL:
    """The compiler.

    Raises:
        BuildError: it is not installed.
    """
    for path in _candidates():
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise BuildError(f"NVIDIA's runtime compiler (libnvrtc) was not found: {REMEDY}")


@functools.cache
def version() -> str:
    """Of the compiler, such as "12.9"."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check(library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)), "nvrtcVersion")
    return f"{major.value}.{minor.value}"


def _check(code: int, call: str) -> None:
    if code:
        raise BuildError(f"{call} of NVIDIA's runtime compiler failed with error {code}")


def compile_to_cubin(source: str, architecture: str) -> bytes:
    """The machine code for an architecture such as "sm_90".

    Raises:
        BuildError: there is no compiler, or it refuses the source.
    """
    nvrtc, program = library(), ctypes.c_void_p()
    given = ctypes.byref(program), source.encode(), b"memnets.cu", 0, None, None
    _check(nvrtc.nvrtcCreateProgram(*given), "nvrtcCreateProgram")
    try:
        flags = [f"--gpu-architecture={architecture}", "--std=c++17"]
        code = nvrtc.nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(*map(str.encode, flags)))
        if code:
            said = _read(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog").rstrip(b"\0").decode(errors="replace")
            errors = [line.strip() for line in said.splitlines() if re.search(r"error", line)] or [said[-300:]]
            raise BuildError(f"NVIDIA's runtime compiler {version()} failed for {architecture}: {errors[0]}")
        return _read(program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN")
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _read(program: ctypes.c_void_p, size_call: str, call: str) -> bytes:
    size = ctypes.c_size_t()
    _check(getattr(library(), size_call)(program, ctypes.byref(size)), size_call)
    room = ctypes.create_string_buffer(size.value)
    _check(getattr(library(), call)(program, room), call)
    return room.raw
