"""CUDA kernels run on the CPU: the very text that a GPU's compiler takes, by C++, with threads that take turns."""

import ctypes
import hashlib
import os
import shlex
import subprocess
from array import array
from pathlib import Path

import torch

from memnets.kernels.cuda import launch, source
from memnets.kernels.generate.engine import with_shapes

HEADER = Path(__file__).with_name("emulated.h")


class Emulated:
    """An engine for cells on the CPU.

    Args:
        folder: for what is compiled.
        threads: of a block.
        shared: bytes that a block's threads share.
        order: which of the threads goes first, the first (0) or the last.
    """

    prefix = "cuda-"
    numbers = {torch.float32: torch.float32, torch.float64: torch.float64, torch.bfloat16: torch.float32}
    tolerance = {torch.float32: 1e-3, torch.float64: 1e-6}

    def __init__(self, folder, threads=64, shared=100_000, order=0):
        self.folder, self.threads, self.shared, self.order = Path(folder), threads, shared, order
        self.compiled = {}

    def program(self, name, trace, dtype, check):
        made = source.build(trace, double=dtype == torch.float64, shared=self.shared, threads=self.threads)
        text = f'#include "{HEADER}"\n{made.source}\nEMULATED_KERNELS\n'
        program = launch.Loaded(self.launcher(text), with_shapes(made.layout), dtype, torch.device("cpu"))
        check(program)
        return program

    def launcher(self, text):
        options = ["-std=c++17", "-O0", "-w", *shlex.split(os.environ.get("EMULATED_OPTIONS", ""))]
        name = hashlib.sha256((HEADER.read_text() + text + repr(options)).encode()).hexdigest()[:20]
        path = self.folder / f"{name}.so"
        if not path.exists():
            file = self.folder / f"{name}.cpp"
            file.write_text(text)
            made = path.with_suffix(f".{os.getpid()}")
            subprocess.run(["g++", *options, "-fPIC", "-shared", str(file), "-o", str(made), "-lpthread"], check=True)
            made.replace(path)
        library = ctypes.CDLL(str(path))

        def start(kernel: str, blocks: int, threads: int, shared: int, arguments: array) -> None:
            assert threads == self.threads
            assert shared <= self.shared
            assert len(arguments) == library.emulated_arguments()
            given = ctypes.c_void_p(arguments.buffer_info()[0])
            library.emulated_launch(kernel.encode(), blocks, shared, self.order, given)

        return start
