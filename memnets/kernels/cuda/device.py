"""Machine code on a device, by CUDA's driver: it comes with the graphics driver, and torch's context is used."""

import ctypes
import functools
from array import array

import torch

from ..generate.cache import BuildError

_SHARED_OPTIN = 97
"""CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"""
_SHARED_BYTES = 8
"""CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"""


@functools.cache
def driver() -> ctypes.CDLL:
    """The driver's library.

    Raises:
        BuildError: there is none.
    """
    for name in ("libcuda.so.1", "libcuda.so", "nvcuda.dll"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise BuildError("CUDA's driver (libcuda.so.1) was not found: install NVIDIA's driver")


def _call(name: str, *given: object) -> None:
    code = getattr(driver(), name)(*given)
    if code:
        said = ctypes.c_char_p()
        driver().cuGetErrorName(code, ctypes.byref(said))
        raise BuildError(f"{name} of CUDA's driver failed: {(said.value or b'').decode() or f'error {code}'}")


@functools.cache
def _context(index: int) -> ctypes.c_void_p:
    """The device's primary context, which is torch's."""
    torch.cuda.init()
    device, context = ctypes.c_int(), ctypes.c_void_p()
    _call("cuDeviceGet", ctypes.byref(device), index)
    _call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    return context


@functools.cache
def shared_bytes(index: int) -> int:
    """How much memory the threads of a block may share on a device."""
    device, size = ctypes.c_int(), ctypes.c_int()
    torch.cuda.init()
    _call("cuDeviceGet", ctypes.byref(device), index)
    _call("cuDeviceGetAttribute", ctypes.byref(size), _SHARED_OPTIN, device)
    return size.value


def architecture(index: int) -> str:
    """Such as "sm_90"."""
    major, minor = torch.cuda.get_device_capability(index)
    return f"sm_{major}{minor}"


class Module:
    """A program's kernels on a device.

    Args:
        cubin: their machine code.
        index: the device's.
        shared: for each kernel by name, the bytes that a block's threads share.

    Raises:
        BuildError: the device does not take it.
    """

    def __init__(self, cubin: bytes, index: int, shared: dict[str, int]):
        self.index, self.module = index, ctypes.c_void_p()
        self.kernels: dict[str, ctypes.c_void_p] = {}
        with _Current(index):
            _call("cuModuleLoadData", ctypes.byref(self.module), cubin)
            for name, size in shared.items():
                kernel = ctypes.c_void_p()
                _call("cuModuleGetFunction", ctypes.byref(kernel), self.module, name.encode())
                _call("cuFuncSetAttribute", kernel, _SHARED_BYTES, size)
                self.kernels[name] = kernel

    def __call__(self, kernel: str, blocks: int, threads: int, shared: int, arguments: array) -> None:
        """See :class:`memnets.kernels.cuda.launch.Launcher`: on torch's current stream."""
        stream = torch._C._cuda_getCurrentRawStream(self.index)  # pyright: ignore[reportAttributeAccessIssue]
        given = (ctypes.c_void_p * 1)(arguments.buffer_info()[0])
        shape = blocks, 1, 1, threads, 1, 1
        with _Current(self.index):
            _call("cuLaunchKernel", self.kernels[kernel], *shape, shared, ctypes.c_void_p(stream), given, None)


class _Current:
    """While it lasts, the device's context is the thread's."""

    def __init__(self, index: int):
        self.index = index

    def __enter__(self) -> None:
        now, own = ctypes.c_void_p(), _context(self.index)
        _call("cuCtxGetCurrent", ctypes.byref(now))
        self.pushed = now.value != own.value
        if self.pushed:
            _call("cuCtxPushCurrent_v2", own)

    def __exit__(self, *_: object) -> None:
        if self.pushed:
            _call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))
