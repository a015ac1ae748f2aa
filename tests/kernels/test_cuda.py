"""The generated CUDA kernels on a GPU, against the plain cell there."""

import pytest
import torch
from agreement import agree, assert_close, given, poisoned, results
from families import families

from memnets import NTM, Recurrent
from memnets.kernels.generate import library

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
PAPER = families(slots=128, width=20, hidden=100, inputs=9, outputs=8)
ODD = families(slots=33, width=7, hidden=45, inputs=40, outputs=3)
ON_CPU = ("queue", "many operators")
"""Cells of the tests, whose first state is made on the CPU."""
NAMES = [name for name in PAPER if name not in ON_CPU]


@pytest.fixture(autouse=True)
def poison(monkeypatch):
    monkeypatch.setattr(library, "empty", poisoned)


def on_cuda(made) -> Recurrent:
    torch.manual_seed(0)
    module = made()
    return (module if isinstance(module, Recurrent) else Recurrent(module)).cuda()


@pytest.mark.parametrize("name", NAMES)
def test_agrees_at_paper_sizes_in_double_precision(name):
    """To the last places but a few: there is no room for a number that a thread has missed."""
    agree(on_cuda(PAPER[name]), batch=5, steps=12, lengths=[12, 12, 11, 3, 0])


@pytest.mark.parametrize("name", NAMES)
def test_agrees_at_paper_sizes_in_single_precision(name):
    agree(on_cuda(PAPER[name]), batch=64, steps=20, dtype=torch.float32, tolerance=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_agrees_at_odd_sizes(name):
    agree(on_cuda(ODD[name]), batch=3, steps=9, lengths=[5, 9, 0])


@pytest.mark.parametrize("name", ["ntm-lstm", "dnc", "neural stack"])
def test_is_the_same_each_time(name):
    """A race between threads would show as a difference."""
    module = on_cuda(PAPER[name])
    module.backend = "fused"
    inputs, state = given(module, 64, 20)
    want = results(module, inputs, state, None)
    for _ in range(5):
        got = results(module, inputs, state, None)
        assert all(torch.equal(got[part], want[part]) for part in want)


def test_a_large_memory_lies_in_global_memory():
    module = on_cuda(lambda: NTM(5, 64, slots=1024, width=64, read_heads=2, write_heads=2, output_size=3))
    agree(module, batch=2, steps=4)
    agree(module, batch=2, steps=4, dtype=torch.float32, tolerance=1e-3)


def test_bfloat16_is_as_near_to_the_exact_as_its_own_rounding():
    exact = on_cuda(PAPER["ntm-lstm"])
    module = on_cuda(PAPER["ntm-lstm"]).bfloat16()
    exact.load_state_dict(module.state_dict())
    exact.backend, module.backend = "reference", "fused"
    inputs = torch.randn(8, 20, 9, device="cuda").bfloat16()
    want, got = exact(inputs.float())[0], module(inputs)[0]
    assert got.dtype == torch.bfloat16
    assert_close({"": got.float()}, {"": want}, 3e-2)
    got.float().square().sum().backward()
    want.square().sum().backward()
    for (name, p), q in zip(module.named_parameters(), exact.parameters()):
        assert_close({name: p.grad.float()}, {name: q.grad}, 5e-2)


@pytest.mark.parametrize("name", NAMES)
def test_is_chosen_by_itself(name):
    assert on_cuda(PAPER[name]).backend_report()["fused"].startswith("chosen")


def test_compiles_without_a_graph_break():
    module = on_cuda(PAPER["ntm-lstm"])
    module.backend = "fused"
    compiled = torch.compile(lambda x: module(x)[0] * 2, fullgraph=True)
    inputs = torch.randn(4, 9, 9, device="cuda", requires_grad=True)
    got, want = compiled(inputs), module(inputs)[0] * 2
    assert_close({"": got.detach()}, {"": want.detach()}, 1e-5)
    leaves = [inputs, *module.parameters()]
    pairs = zip(torch.autograd.grad(got.sum(), leaves), torch.autograd.grad(want.sum(), leaves))
    for a, b in pairs:
        assert_close({"": a}, {"": b}, 1e-4)


def test_under_autocast_it_computes_as_without():
    module = on_cuda(lambda: NTM(9, 100, backend="fused"))
    inputs = torch.randn(4, 9, 9, device="cuda")
    want = module(inputs)[0]
    with torch.autocast("cuda", torch.bfloat16):
        got = module(inputs)[0]
    assert_close({"": got.detach()}, {"": want.detach()}, 1e-5)


def test_on_streams_beside_each_other():
    module = on_cuda(PAPER["ntm-gru"])
    module.backend = "fused"
    inputs = [torch.randn(16, 30, 9, device="cuda") for _ in range(2)]
    with torch.no_grad():
        want = [module(x)[0] for x in inputs]
        torch.cuda.synchronize()
        streams, got = [torch.cuda.Stream() for _ in inputs], []
        for _ in range(3):
            for x, stream in zip(inputs, streams):
                with torch.cuda.stream(stream):
                    got.append(module(x)[0])
        torch.cuda.synchronize()
    assert all(torch.equal(a, b) for a, b in zip(got, want * 3))
