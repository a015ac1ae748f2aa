"""The fused CUDA kernel in Triton's interpreter, on the CPU, against the reference: values, states, every gradient.

Triton reads TRITON_INTERPRET when it is imported, and would run all kernels of the process so: ``test_triton.py`` runs
this file in a process of its own. By hand: TRITON_INTERPRET=1 python -m pytest -n 0 tests/kernels/triton_interpreted.py
"""

import copy
import os

import pytest
import torch
import triton
import triton.language as tl
from fused_cases import Case, assert_agree, distance
from hypothesis import given, settings
from hypothesis import strategies as st

from memnets import NTM, BackendUnavailableError, kernels
from memnets.base.state import state_tensors
from memnets.kernels import dispatch as choice
from memnets.kernels.handwritten import calls, functions, sizes, support, trial
from memnets.kernels.handwritten.configuration import Plan, parameters_of
from memnets.kernels.handwritten.products import product

assert os.environ.get("TRITON_INTERPRET") == "1", __doc__


@pytest.fixture(autouse=True)
def triton_engine(monkeypatch):
    """The CUDA kernel in place of the C one, and every buffer starts as NaN."""

    def empty(like, *shape, dtype=torch.float32):
        return like.new_full(shape, float("nan"), dtype=dtype)

    monkeypatch.setattr(calls, "empty", empty)
    for module in (kernels, choice):
        monkeypatch.setattr(module, "engine_of", lambda cell: "triton")


@st.composite
def cases(draw):
    batch, steps = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    lengths = st.lists(st.integers(0, steps), min_size=batch, max_size=batch)
    return Case(
        batch=batch,
        steps=steps,
        features=draw(st.integers(1, 3)),
        hidden=draw(st.integers(1, 6)),
        slots=draw(st.sampled_from([1, 5, 8, 16])),
        width=draw(st.sampled_from([1, 3, 4])),
        readers=draw(st.integers(1, 2)),
        writers=draw(st.integers(1, 2)),
        shift_range=draw(st.integers(0, 2)),
        controller=draw(st.sampled_from(["lstm", "feedforward"])),
        layers=draw(st.integers(1, 2)),
        output_size=draw(st.sampled_from([None, 3])),
        lengths=draw(st.one_of(st.none(), lengths)),
        carried=draw(st.booleans()),
        seed=draw(st.integers(0, 1000)),
        dtype=torch.float32,
    )


@settings(max_examples=6)
@given(case=cases())
def test_agrees_with_reference(case):
    assert_agree(case)


SMALL = Case(batch=2, steps=3, features=2, hidden=3, slots=5, width=3, dtype=torch.float32)
NAMED = {
    "all ones": {"batch": 1, "steps": 1, "features": 1, "hidden": 1, "slots": 1, "width": 1, "shift_range": 0},
    "more shifts than slots": {"slots": 3, "shift_range": 4},
    "three layers": {"layers": 3, "lengths": [1, 3]},
    "three layers, feed-forward": {"layers": 3, "lengths": [2, 0], "controller": "feedforward"},
    "three writers": {"batch": 1, "readers": 2, "writers": 3},
    "wider than a tile": {"batch": 1, "steps": 2, "hidden": 33, "slots": 40, "width": 17},
    "no step": {"lengths": [0, 0]},
    "fresh": {"carried": False},
}


def case_of(**changes):
    case = copy.copy(SMALL)
    for name, value in changes.items():
        setattr(case, name, value)
    return case


@pytest.mark.parametrize("changes", NAMED.values(), ids=NAMED.keys())
def test_odd_sizes(changes):
    assert_agree(case_of(**changes))


def test_several_tiles_of_a_matrix(monkeypatch):
    monkeypatch.setattr(sizes, "TILE", 16)
    assert_agree(case_of(batch=1, hidden=7, layers=2))


def test_checkpoints_and_truncation():
    assert_agree(case_of(steps=4, lengths=[4, 1], options={"truncated_bptt_steps": 2}), checkpoint_every=3)


def test_inference_keeps_two_steps_and_gives_the_same():
    case = case_of(steps=4, layers=3, lengths=[4, 1])
    ntm = case.model("fused")
    want, want_state = ntm(case.inputs(), case.state(ntm), case.lengths)
    with torch.no_grad():
        got, state = ntm(case.inputs(), case.state(ntm), case.lengths)
    assert torch.equal(got, want)
    for a, b in zip(state_tensors(state), state_tensors(want_state)):
        assert torch.equal(a, b)


def test_nan_in_the_padding_stays_there():
    case = case_of(lengths=[3, 1])
    ntm, inputs = case.model("fused"), case.inputs()
    inputs[1, 1:] = float("nan")
    output, _ = ntm(inputs, lengths=[3, 1])
    grads = torch.autograd.grad(output.sum(), list(ntm.parameters()))
    assert all(bool(torch.isfinite(t).all()) for t in (output, *grads))


def test_after_resize():
    fused, reference = SMALL.model("fused").resize(9), SMALL.model("reference").resize(9)
    got, want = SMALL.results(fused), SMALL.results(reference)
    assert got["last 2"].shape[1] == 9
    assert max(distance(got[name], want[name]) for name in want) < 1e-4


@pytest.mark.parametrize("bias", [1e4, -1e4, 40.0])
def test_extreme_strength_and_sharpening(bias):
    case = case_of(batch=1)
    ntm, reference = case.model("fused"), case.model("reference")
    with torch.no_grad():
        for model in (ntm, reference):
            for part in ("strength", "sharpening"):
                model.cell.interface.bias[model.cell.memory.interface.places[part]] = bias
    got, want = case.results(ntm), case.results(reference)
    assert all(bool(torch.isfinite(t).all()) for t in got.values())
    assert distance(got["output"], want["output"]) < (1e-4 if bias < 100 else 1e-2)


def test_bfloat16():
    """Against float32 with the same parameters; memory and weightings never see bfloat16."""
    case = case_of(batch=1, steps=4, slots=8, dtype=torch.bfloat16, carried=False, layers=2)
    ntm = case.model("fused")
    exact = case.model("reference").float()
    inputs = case.inputs()
    output, last = ntm(inputs)
    want, want_last = exact(inputs.float())
    assert output.dtype == torch.bfloat16
    assert all(t.dtype == torch.bfloat16 for t in state_tensors(last))
    assert distance(output.detach().float(), want.detach()) < 2e-2
    for a, b in zip(state_tensors(last), state_tensors(want_last)):
        assert distance(a.detach().float(), b.detach()) < 2e-2
    got = torch.autograd.grad(output.float().square().sum(), list(ntm.parameters()))
    expected = torch.autograd.grad(want.square().sum(), list(exact.parameters()))
    assert all(g.dtype == torch.bfloat16 for g in got)
    assert max(distance(g.float(), e) for g, e in zip(got, expected)) < 5e-2


def test_bfloat16_keeps_memory_and_weightings_in_float32():
    case = case_of(steps=2, slots=8, dtype=torch.bfloat16)
    ntm = case.model("fused")
    state = [t.detach() for t in state_tensors(ntm.initial_state(2))]
    with torch.no_grad():
        inputs, parameters = case.inputs().transpose(0, 1), parameters_of(ntm.cell)
        _, kept = calls.forward(Plan(True, 1, 3), inputs, state, parameters, None, keep=True)
    assert {kept.weights.dtype, kept.memories.dtype, kept.emitted.dtype, kept.cells.dtype} == {torch.float32}
    sums = kept.weights.sum(-1)  # (T + 1, B, H); in bfloat16 they would be 1e-3 off
    assert torch.allclose(sums, torch.ones_like(sums), atol=1e-5)


@pytest.mark.parametrize("options", [{"checkpoint_every": 1}, {"checkpoint_every": 2}, {"truncated_bptt_steps": 2}])
def test_bfloat16_in_segments_rounds_nothing_between_them(options):
    case = {"batch": 1, "steps": 4, "slots": 8, "dtype": torch.bfloat16, "carried": False}
    inputs = case_of(**case).inputs()
    whole, last = case_of(**case).model("fused")(inputs)
    parts, end = case_of(**case, options=options).model("fused")(inputs)
    assert torch.equal(parts, whole)
    for a, b in zip(state_tensors(end), state_tensors(last)):
        assert torch.equal(a, b)


@triton.jit
def _product_kernel(vector, matrix, out):
    tl.store(out + tl.arange(0, 2), product(vector, matrix, 600, 2, 2, 2, 64))


def test_products_of_bfloat16_accumulate_in_float32():
    out = torch.zeros(2)
    ones = torch.ones(600, 2, dtype=torch.bfloat16)
    _product_kernel[(1,)](ones[:, 0].contiguous(), ones, out)
    assert out.tolist() == [600, 600]  # ones added up in bfloat16 stop at 256


@triton.jit
def _functions_kernel(x, sigmoids, tanhs, softpluses, slopes, size: tl.constexpr):
    i = tl.arange(0, size)
    value = tl.load(x + i)
    tl.store(sigmoids + i, functions.sigmoid(value))
    tl.store(tanhs + i, functions.tanh(value))
    tl.store(softpluses + i, functions.softplus(value))
    tl.store(slopes + i, functions.softplus_slope(functions.softplus(value)))


def test_functions_are_accurate_everywhere():
    """Relative to the value, however near to zero: a plain quotient of exponentials loses tanh there."""
    part = 1 << 12
    x = torch.cat([torch.linspace(-80, 80, part), torch.linspace(-1, 1, part), torch.logspace(-30, 1, 2 * part)])
    x[2 * part :: 2] *= -1
    found = [torch.full_like(x, float("nan")) for _ in range(4)]
    _functions_kernel[(1,)](x, *found, len(x))
    exact = x.double()
    wanted = [exact.sigmoid(), exact.tanh(), torch.nn.functional.softplus(exact, threshold=100), exact.sigmoid()]
    for got, want in zip(found, wanted):
        assert float(((got - want).abs() / want.abs().clamp(min=1e-30)).max()) < 2e-6


def test_compiles_without_a_graph_break():
    ntm = SMALL.model("fused")
    compiled = torch.compile(lambda x: ntm(x)[0] * 2, fullgraph=True, backend="aot_eager")
    inputs = SMALL.inputs().requires_grad_()
    got, want = compiled(inputs), ntm(inputs)[0] * 2
    assert torch.allclose(got, want)
    leaves = [inputs, *ntm.parameters()]
    for a, b in zip(torch.autograd.grad(got.sum(), leaves), torch.autograd.grad(want.sum(), leaves)):
        assert torch.allclose(a, b, atol=1e-6)


def test_double_backward_and_torch_func_say_what_to_use():
    ntm = SMALL.model("fused")
    inputs = SMALL.inputs().requires_grad_()
    (grad,) = torch.autograd.grad((ntm(inputs)[0] ** 2).sum(), inputs, create_graph=True)
    with pytest.raises(RuntimeError, match="backend='reference'"):
        grad.sum().backward()
    with pytest.raises(BackendUnavailableError, match="backend='reference'"):
        torch.func.grad(lambda x: ntm(x)[0].sum())(SMALL.inputs())


def test_autocast_computes_in_the_dtype_of_the_state():
    ntm = SMALL.model("fused")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, last = ntm(SMALL.inputs())
        output.float().sum().backward()
    plain, want = ntm(SMALL.inputs())
    assert output.dtype == torch.bfloat16
    for a, b in zip(state_tensors(last), state_tensors(want)):
        assert a.dtype == torch.float32
        assert torch.allclose(a, b, atol=1e-5)
    assert torch.allclose(output.float(), plain, atol=2e-2)


def test_frozen_parameters():
    results = []
    for backend in ("fused", "reference"):
        ntm = SMALL.model(backend)
        ntm.cell.controller.requires_grad_(False)
        results.append(SMALL.results(ntm))
    assert max(distance(results[0][name], results[1][name]) for name in results[1]) < 1e-4


def test_a_trial_passes_and_leaves_no_trace():
    before = torch.get_rng_state()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert trial.failure(torch.device("cpu"), hidden=3, slots=5, width=2, steps=2) is None
    assert torch.equal(torch.get_rng_state(), before)


def test_a_trial_that_fails_says_so(monkeypatch):
    small = {"hidden": 3, "slots": 5, "width": 2, "steps": 1}
    monkeypatch.setattr(trial, "TOLERANCE", 0.0)
    assert "on this device gave results that are" in str(trial.failure(torch.device("cpu"), **small))

    def broken(*args, **kwargs):
        raise RuntimeError("out of resources\nmore")

    monkeypatch.setattr(calls, "forward", broken)
    assert str(trial.failure(torch.device("cpu"), **small)).endswith("failed: out of resources")


@pytest.mark.parametrize(
    ("ntm", "reason"),
    [
        (NTM(3, 4, controller="gru"), "GRUController"),
        (NTM(3, 4).double(), "float32 or bfloat16, and parameters are torch.float64"),
        (NTM(3, 4, slots=256, width=33), "256 slots of width 33 take 256 x 64"),
        (NTM(3, 4, slots=4096, width=1, read_heads=2, write_heads=1), "3 heads over 4096 slots take 4 x 4096"),
        (NTM(3, support.HIDDEN_LIMIT + 1), "at most 512 hidden units, and the controller has 513"),
    ],
)
def test_what_is_not_supported_says_why(ntm, reason):
    assert reason in ntm.backend_report()["fused"]
    assert ntm.backend_report()["reference"].startswith("chosen")
    ntm.backend = "fused"
    with pytest.raises(BackendUnavailableError, match="use backend='auto'"):
        ntm(torch.zeros(1, 1, 3, dtype=ntm.cell.interface.weight.dtype))


@pytest.mark.parametrize("sizes", [{"slots": 256, "width": 32}, {"slots": 128, "width": 64}])
def test_the_largest_memories_are_supported(sizes):
    assert NTM(3, 4, **sizes).backend_report()["fused"].startswith("chosen")
