"""The launches of a program's kernels."""

from array import array
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ..generate import library
from ..generate.calls import Backward, Forward
from ..generate.library import pointers
from ..generate.products import parameter_gradients
from .source import ARGUMENTS

PACKING = 128
"""Blocks that copy matrices side by side."""


class Launcher(Protocol):
    """Runs the kernels of a program that was compiled."""

    def __call__(self, kernel: str, blocks: int, threads: int, shared: int, arguments: array) -> None:
        """Start ``kernel`` with ``shared`` bytes for the threads of each block; it ends before what comes after it."""


class Loaded(NamedTuple):
    """A program that can be called (see :class:`memnets.kernels.generate.calls.Program`).

    Attributes:
        launch: runs its kernels.
        layout: what is known of it (see ``source.build``).
        dtype: of its numbers.
        device: where it runs.
    """

    launch: Launcher
    layout: dict[str, Any]
    dtype: torch.dtype
    device: torch.device

    @property
    def every(self) -> int:
        """The large parts of the state are kept at every step."""
        return 1

    def forward(self, call: Forward) -> None:
        """One launch, after that which packs the matrices."""
        numbers = {"out": call.out.data_ptr(), "out_step": call.out.shape[2]}
        numbers["out_row"] = call.out.shape[1] * call.out.shape[2]
        if call.kept is not None:
            numbers |= {"keep": 1, "records": call.kept.records.data_ptr(), "big": call.kept.big.data_ptr()}
        starts = pointers([*call.starts, *[None] * (len(self.layout["products"]) + 1 - len(call.starts))])
        self._launch("forward", call, numbers, [starts, pointers(call.first), call.apart, pointers(call.last)])

    def backward(self, call: Backward) -> list[Tensor | None]:
        """One launch, and the products over all steps."""
        layout, batch = self.layout, call.x.shape[1]
        sums = library.empty(call.x, batch, layout["accumulators"])
        numbers = {"keep": 1, "records": call.kept.records.data_ptr(), "big": call.kept.big.data_ptr()}
        numbers |= {"d_out": call.d_out.data_ptr(), "out_step": call.d_out.stride(0), "out_row": call.d_out.stride(1)}
        numbers |= {"d_x": 0 if call.d_x is None else call.d_x.data_ptr()}
        numbers |= {"d_records": call.d_records.data_ptr(), "sums": sums.data_ptr()}
        starts = array("q", [0] * (len(layout["products"]) + 1))
        self._launch("backward", call, numbers, [starts, pointers(call.d_last), call.apart, pointers(call.d_first)])
        total = sums[0] if batch == 1 else sums.sum(0)
        given = call.x, call.kept.records, call.d_records, total, call.parameters, call.needs
        return parameter_gradients(layout, *given)

    def _launch(self, name: str, call: Forward | Backward, numbers: dict[str, int], tables: list[array]) -> None:
        x, sizes = call.x, self.layout[name]
        steps, batch, _ = x.shape
        ends = None if call.lengths is None else torch.tensor(call.lengths, dtype=torch.int64, device=x.device)
        packed = library.empty(x, sizes["packed"], spare=0)
        scratch = library.empty(x, batch * sizes["scratch"], spare=0)
        numbers |= {"steps": steps, "batch": batch, "x_step": x.stride(0), "x_row": x.stride(1), "x": x.data_ptr()}
        numbers |= {"packed": packed.data_ptr(), "scratch": scratch.data_ptr()}
        numbers["lengths"] = 0 if ends is None else ends.data_ptr()
        arguments = array("q", [numbers.get(argument, 0) for argument in ARGUMENTS])
        for table in (pointers(call.parameters) or array("q", [0]), *tables):
            arguments.extend(table)
        threads = self.layout["threads"]
        if sizes["packed"]:
            self.launch(f"memnets_pack_{name}", PACKING, threads, 0, arguments)
        self.launch(f"memnets_{name}", batch, threads, sizes["shared"] * self.dtype.itemsize, arguments)
