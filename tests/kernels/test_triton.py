"""The fused CUDA kernel: in Triton's interpreter, compiled for a GPU, and, where there is one, run on it."""

import copy
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fused_cases import Case, assert_agree, distance

from memnets import NTM
from memnets.base.state import state_tensors
from memnets.kernels import handwritten as engine
from memnets.kernels.handwritten.configuration import Plan, parameters_of

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def test_in_the_interpreter():
    """In a process of its own: TRITON_INTERPRET changes all that Triton does in a process."""
    file = Path(__file__).with_name("triton_interpreted.py")
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=file.parents[2], env={**os.environ, "TRITON_INTERPRET": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Compiler:
    """Stands in for a kernel: compiles it for a GPU in place of launching it."""

    def __init__(self, kernel, capability):
        self.kernel, self.capability, self.compiled = kernel, capability, None

    def __getitem__(self, grid):
        return self

    def __call__(self, *args, num_warps, **constants):
        from triton import compile
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        types = {torch.float32: "*fp32", torch.bfloat16: "*bf16", torch.int32: "*i32"}
        names = self.kernel.arg_names
        signature = dict.fromkeys(constants, "constexpr")
        for name, value in zip(names, args):
            signature[name] = types[value.dtype] if isinstance(value, torch.Tensor) else "i32"
            if value is None:
                signature[name], constants[name] = "constexpr", None
        source = ASTSource(self.kernel, {name: signature[name] for name in names}, constants)
        target = GPUTarget("cuda", self.capability, 32)
        self.compiled = compile(source, target=target, options={"num_warps": num_warps})


BARRIERS = {"forward_kernel": 5, "backward_kernel": 7}
"""That each kernel asks for with two layers: before reading what other threads of a sample have written."""


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="kernels are interpreted")
def test_compiles_for_a_gpu(monkeypatch, tmp_path):
    """Down to the machine code of a GPU, which this machine need not have."""
    from memnets.kernels.handwritten import calls

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    kernels = {name: Compiler(getattr(calls, name), 90) for name in ("forward_kernel", "backward_kernel")}
    for name, kernel in kernels.items():
        monkeypatch.setattr(calls, name, kernel)
    case = Case(batch=2, steps=3, slots=16, width=4, layers=2, dtype=torch.bfloat16)
    ntm = case.model("reference")
    state, parameters = list(state_tensors(ntm.initial_state(2))), parameters_of(ntm.cell)
    given = Plan(True, 2, 3), case.inputs().transpose(0, 1), state, parameters, [3, 1]
    with torch.no_grad():
        _, kept = calls.forward(*given, keep=True)
        needs = [True] * (1 + len(state) + len(parameters))
        calls.backward(*given, kept, torch.zeros_like(kept.outputs[1:]), [None] * len(state), needs)
    for name, kernel in kernels.items():
        assert kernel.compiled.asm["cubin"]
        asked = kernel.compiled.asm["ttgir"].count("ttg.barrier")  # not those that Triton adds for its own sums
        assert asked == BARRIERS[name]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_report_without_a_device():
    assert "CUDA device" in engine.unavailable()
    assert "CUDA only" in engine.unsupported(NTM(3, 4).cell)


PAPER = Case(
    batch=64, steps=41, features=9, hidden=100, slots=128, width=20, output_size=8, dtype=torch.float32, device="cuda"
)
ON_CUDA = {
    "paper": {},
    "lengths": {"lengths": [(7 * n) % 42 for n in range(64)]},
    "fresh": {"carried": False},
    "feed-forward": {"controller": "feedforward", "layers": 2},
    "heads and layers": {"batch": 5, "readers": 2, "writers": 3, "layers": 2, "shift_range": 2},
    "odd sizes": {"batch": 3, "steps": 7, "hidden": 33, "slots": 127, "width": 33},
    "all ones": {"batch": 1, "steps": 1, "hidden": 1, "slots": 1, "width": 1, "shift_range": 0},
    "largest": {"batch": 4, "steps": 9, "slots": 256, "width": 32, "hidden": 256},
}


@pytest.fixture
def poison(monkeypatch):
    from memnets.kernels.handwritten import calls

    def empty(like, *shape, dtype=torch.float32):
        return like.new_full(shape, float("nan"), dtype=dtype)

    monkeypatch.setattr(calls, "empty", empty)


def on_cuda(**changes):
    case = copy.copy(PAPER)
    for name, value in changes.items():
        setattr(case, name, value)
    return case


@CUDA
@pytest.mark.usefixtures("poison")
@pytest.mark.parametrize("changes", ON_CUDA.values(), ids=ON_CUDA.keys())
def test_agrees_with_reference_on_cuda(changes):
    assert_agree(on_cuda(**changes))


@CUDA
def test_is_the_same_each_time_on_cuda():
    """A race between threads would show as a difference."""
    want = PAPER.results(PAPER.model("fused"))
    for _ in range(10):
        got = PAPER.results(PAPER.model("fused"))
        assert all(torch.equal(got[name], want[name]) for name in want)


@CUDA
@pytest.mark.usefixtures("poison")
def test_bfloat16_on_cuda():
    case = on_cuda(dtype=torch.bfloat16, carried=False)
    ntm = case.model("fused")
    exact = case.model("reference").float()
    output, _ = ntm(case.inputs())
    want, _ = exact(case.inputs().float())
    assert distance(output.detach().float(), want.detach()) < 5e-2


@CUDA
def test_chosen_by_itself_on_cuda():
    ntm = PAPER.model("auto")
    assert ntm.backend_report()["fused"].startswith("chosen")
    assert "256 slots" in NTM(3, 4, slots=256, width=64).cuda().backend_report()["fused"]


@CUDA
def test_compiles_without_a_graph_break_on_cuda():
    ntm = PAPER.model("fused")
    compiled = torch.compile(lambda x: ntm(x)[0] * 2, fullgraph=True)
    inputs = PAPER.inputs().requires_grad_()
    got, want = compiled(inputs), ntm(inputs)[0] * 2
    assert distance(got.detach(), want.detach()) < 1e-5
    leaves = [inputs, *ntm.parameters()]
    for a, b in zip(torch.autograd.grad(got.sum(), leaves), torch.autograd.grad(want.sum(), leaves)):
        assert distance(a, b) < 1e-4
