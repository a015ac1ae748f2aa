"""The fused kernel among PyTorch's own tools: transforms, tracing, compilation, other devices."""

import pytest
import torch
from fused_cases import Case
from torch import nn

from memnets import NTM, trace
from memnets.base.state import map_state
from memnets.kernels import BackendUnavailableError
from memnets.kernels.generate import calls


def test_torch_func():
    auto, fused = Case().model("auto"), Case().model("fused")
    inputs = Case().inputs()

    def loss(ntm):
        return lambda x: ntm(x)[0].sum()

    want = torch.func.grad(loss(Case().model("reference")))(inputs)
    assert torch.allclose(torch.func.grad(loss(auto))(inputs), want)
    with pytest.raises(BackendUnavailableError, match="backend='reference'"):
        torch.func.grad(loss(fused))(inputs)


def test_compiles_without_a_graph_break():
    case = Case(dtype=torch.float32)
    ntm = case.model("fused")
    compiled = torch.compile(lambda x: ntm(x)[0] * 2, fullgraph=True, backend="aot_eager")
    inputs = case.inputs().requires_grad_()
    got, want = compiled(inputs), ntm(inputs)[0] * 2
    assert torch.allclose(got, want)
    leaves = [inputs, *ntm.parameters()]
    for a, b in zip(torch.autograd.grad(got.sum(), leaves), torch.autograd.grad(want.sum(), leaves)):
        assert torch.allclose(a, b, atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(compiled(inputs), want)


@pytest.mark.parametrize("options", [{}, {"checkpoint_every": 2}, {"truncated_bptt_steps": 2}], ids=str)
def test_one_compiled_module_takes_any_lengths(options):
    torch._dynamo.reset()
    case = Case(batch=3, steps=5, dtype=torch.float32, options=options)
    ntm = case.model("fused")
    compiled = torch.compile(lambda x, lengths: ntm(x, lengths=lengths)[0] * 2, fullgraph=True, backend="aot_eager")
    inputs = case.inputs().requires_grad_()
    leaves = [inputs, *ntm.parameters()]
    for lengths in ([5, 3, 2], [2, 5, 2], torch.tensor([4, 0, 5]), torch.tensor([1, 5, 3])):
        want = ntm(inputs, lengths=lengths)[0] * 2
        got = compiled(inputs, lengths)
        assert torch.allclose(got, want)
        for a, b in zip(torch.autograd.grad(got.sum(), leaves), torch.autograd.grad(want.sum(), leaves)):
            assert torch.allclose(a, b, atol=1e-6)
    with pytest.raises(ValueError, match=r"lengths is \[.*\], but must lie within 0\.\."):
        compiled(inputs, torch.tensor([3, 6, 1]))


@pytest.mark.parametrize("lengths", [None, [5, 3, 1, 0]])
def test_compiled_checkpoints_keep_nothing_and_change_nothing(lengths, monkeypatch):
    case = Case(batch=4, steps=5, dtype=torch.float32, options={"checkpoint_every": 2})
    ntm = case.model("fused")
    kept, forward = [], calls.forward
    monkeypatch.setattr(calls, "forward", lambda *a, **k: kept.append([*a, *k.values()][5]) or forward(*a, **k))
    compiled = torch.compile(lambda x: ntm(x, lengths=lengths)[0] * 2, fullgraph=True, backend="aot_eager")
    inputs = case.inputs().requires_grad_()
    leaves = [inputs, *ntm.parameters()]
    want = torch.autograd.grad((ntm(inputs, lengths=lengths)[0] * 2).sum(), leaves)
    assert kept == [False] * 3 + [True] * 3
    kept.clear()
    got = torch.autograd.grad(compiled(inputs).sum(), leaves)
    assert kept == [False] * 3 + [True] * 3
    for a, b in zip(got, want):
        assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_torch_func_with_checkpoints(backend):
    ntm = Case(options={"checkpoint_every": 2}).model(backend)
    plain = Case().model("reference")
    inputs = Case().inputs()
    got = torch.func.grad(lambda x: ntm(x)[0].sum())(inputs)
    assert torch.allclose(got, torch.func.grad(lambda x: plain(x)[0].sum())(inputs))


def test_forward_mode():
    inputs, tangent = Case().inputs(), torch.ones_like(Case().inputs())

    def derivative(backend):
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(inputs, tangent)
            return torch.autograd.forward_ad.unpack_dual(Case().model(backend)(dual)[0]).tangent

    assert torch.allclose(derivative("auto"), derivative("reference"))
    with pytest.raises(BackendUnavailableError, match="backend='reference'"):
        derivative("fused")


def test_batches_of_gradients():
    inputs = Case().inputs().requires_grad_()
    output = Case().model("fused")(inputs)[0].sum((1, 2))
    with pytest.raises(RuntimeError, match="takes no batches of gradients: use backend='reference'"):
        torch.autograd.grad(output, inputs, torch.eye(len(output), dtype=output.dtype), is_grads_batched=True)


def test_tracing_runs_the_plain_cell():
    class Outputs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.ntm = NTM(3, 4, slots=5, width=2)

        def forward(self, x):
            return self.ntm(x)[0]

    module = Outputs()
    with torch.no_grad():
        traced = torch.jit.trace(module, torch.randn(2, 3, 3), check_trace=False)
        other = torch.randn(2, 3, 3)
        assert torch.allclose(traced(other), module(other), atol=1e-6)


@pytest.mark.parametrize("backend", ["auto", "fused", "reference"])
def test_a_state_on_another_device(backend):
    ntm = NTM(3, 4, slots=5, width=2, backend=backend)
    state = map_state(lambda t: t.to("meta"), ntm.initial_state(2))
    with pytest.raises(ValueError, match="state holds a tensor on meta, but the inputs are on cpu"):
        ntm(torch.zeros(2, 3, 3), state)


def test_auto_says_once_that_it_runs_the_plain_cell(caplog, monkeypatch):
    monkeypatch.setattr("memnets.kernels.dispatch._said", set())
    with caplog.at_level("WARNING", logger="memnets"):
        for _ in range(2):
            NTM(3, 4).to(torch.bfloat16)(torch.zeros(1, 1, 3, dtype=torch.bfloat16))
    assert [record.message.count("runs in place of the fused kernel") for record in caplog.records] == [1]


def test_hooks_on_all_modules_are_called(caplog):
    ntm, seen = NTM(3, 4, slots=5, width=2), []
    handle = nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(type(module).__name__))
    try:
        ntm(torch.zeros(1, 2, 3))
    finally:
        handle.remove()
    assert seen.count("MemoryCell") == 2


def test_a_hook_within_the_cell_is_said_and_a_trace_is_not(caplog, monkeypatch):
    monkeypatch.setattr("memnets.kernels.dispatch._said", set())
    ntm, inputs = NTM(3, 4, slots=5, width=2), torch.zeros(1, 2, 3)
    with trace(ntm) as traced:
        ntm(inputs)
    assert traced["reads"].shape == (1, 2, 1, 2)
    assert not caplog.records
    ntm.cell.memory.register_forward_hook(lambda *_: None)
    ntm(inputs)
    assert "a module inside the cell has hooks" in caplog.text


def test_a_backend_set_later_is_checked():
    ntm = NTM(3, 4, slots=5, width=2)
    ntm.backend = "fussed"
    with pytest.raises(ValueError, match="backend is 'fussed', but must be one of auto, reference, compiled, fused"):
        ntm(torch.zeros(1, 2, 3))
