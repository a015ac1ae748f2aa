"""The fused NTM on the CPU against the reference: values, last states and every gradient.

``CONTRIBUTING.md`` says how to run this under the address and undefined-behaviour sanitisers.
"""

import copy
import math

import pytest
import torch
from fused_cases import Case, assert_agree, distance
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from memnets import NTM, BackendUnavailableError, trace
from memnets.base.state import index_state, map_state, repeat_state, state_tensors
from memnets.kernels import autograd as function
from memnets.kernels import find
from memnets.kernels.generate import build, calls, library
from memnets.kernels.kernel import named

PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


@pytest.fixture(scope="module", autouse=True)
def as_users_have_it():
    """Compiled with the options that users' kernels are compiled with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(build.OPTIONS, raising=False)
        build._identity.cache_clear()
        yield
    build._identity.cache_clear()


@pytest.fixture(autouse=True)
def poison(monkeypatch):
    """Every buffer starts as NaN, so that a number read before it is written shows."""

    def empty(like, *shape, spare=library.SPARE):
        size = math.prod(shape)
        return like.new_full((size + spare,), float("nan"))[:size].view(shape)

    monkeypatch.setattr(library, "empty", empty)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@st.composite
def cases(draw, dtype):
    batch, steps = draw(st.integers(1, 19)), draw(st.integers(1, 11))
    lengths = st.lists(st.integers(0, steps), min_size=batch, max_size=batch)
    return Case(
        batch=batch,
        steps=steps,
        features=draw(st.integers(1, 5)),
        hidden=draw(st.integers(1, 20)),
        slots=draw(st.integers(1, 40)),
        width=draw(st.integers(1, 21)),
        readers=draw(st.integers(1, 4)),
        writers=draw(st.integers(1, 4)),
        shift_range=draw(st.integers(0, 3)),
        controller=draw(st.sampled_from(["lstm", "feedforward", "gru", "rnn"])),
        layers=draw(st.integers(1, 3)),
        output_size=draw(st.sampled_from([None, 3])),
        lengths=draw(st.one_of(st.none(), lengths)),
        carried=draw(st.booleans()),
        seed=draw(st.integers(0, 1000)),
        dtype=dtype,
    )


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases(torch.float64))
def test_agrees_with_reference_float64(case):
    assert_agree(case)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases(torch.float32))
def test_agrees_with_reference_float32(case):
    assert_agree(case)


SIZES = {
    "one slot": Case(slots=1),
    "width one": Case(width=1),
    "one step": Case(steps=1),
    "one sample": Case(batch=1),
    "all ones": Case(batch=1, steps=1, features=1, hidden=1, slots=1, width=1, shift_range=0, output_size=1),
    "primes": Case(batch=11, steps=13, features=7, hidden=31, slots=127, width=33, readers=3, writers=2),
    "paper": Case(batch=9, steps=21, features=9, hidden=100, slots=128, width=20),
    "more shifts than slots": Case(slots=3, shift_range=5),
    "large feed-forward": Case(batch=5, steps=17, hidden=64, slots=130, controller="feedforward", layers=2, readers=4),
    "no sample has a step": Case(lengths=[0, 0, 0]),
    "lengths": Case(batch=10, steps=9, lengths=[9, 0, 3, 4, 8, 9, 1, 5, 2, 7]),
}


@PRECISIONS
@pytest.mark.parametrize("case", SIZES.values(), ids=SIZES.keys())
def test_odd_sizes(case, dtype):
    case = copy.copy(case)
    case.dtype = dtype
    assert_agree(case)


def test_a_state_whose_samples_share_their_numbers():
    model, inputs = NTM(3, 4, slots=5, width=2, backend="fused"), torch.randn(4, 6, 3)
    first = map_state(lambda t: torch.rand(1, *t.shape[1:]).requires_grad_(), model.initial_state(1))
    other = index_state(first, 0)
    found = []
    for state in (repeat_state(first, 4), map_state(lambda t: t.expand(4, *t.shape[1:]).contiguous(), other)):
        outputs, last = model(inputs, state, [6, 0, 2, 6])
        loss = outputs.square().sum() + sum(t.square().sum() for t in state_tensors(last))
        found.append([outputs, *state_tensors(last), *torch.autograd.grad(loss, list(state_tensors(first)))])
    assert all(torch.equal(one, other) for one, other in zip(*found))


@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("lengths", [None, [12, 5, 0, 7]])
@pytest.mark.parametrize("every", [1, 4, 5, 100])
def test_checkpoint_every(every, lengths, carried):
    case = Case(batch=4, steps=12, lengths=lengths, carried=carried, layers=2)
    assert_agree(case, checkpoint_every=every)


@pytest.mark.parametrize("lengths", [None, [12, 5, 0, 7]])
def test_truncated_bptt(lengths):
    assert_agree(Case(batch=4, steps=12, lengths=lengths, options={"truncated_bptt_steps": 5}))
    assert_agree(Case(batch=4, steps=12, lengths=lengths, options={"truncated_bptt_steps": 5}), checkpoint_every=3)


@pytest.mark.parametrize("controller", ["lstm", "feedforward", "gru"])
def test_gradcheck(controller):
    case = Case(batch=2, steps=3, features=2, hidden=3, slots=4, width=3, controller=controller, lengths=[3, 2])
    ntm = case.model("fused")
    start = list(state_tensors(case.state(ntm)))

    inputs = case.inputs().requires_grad_()

    key, *names = find(ntm.cell)

    def run(inputs, *tensors):
        outputs, last = function.run(key, inputs.transpose(0, 1), tensors[: len(start)], tensors[len(start) :], [3, 2])
        return outputs, *last

    parameters = [named(ntm.cell, name).detach().clone().requires_grad_() for name in names]
    assert torch.autograd.gradcheck(run, (inputs, *start, *parameters))


@pytest.mark.parametrize("biased", [("strength", 1e4), ("sharpening", 1e4), ("strength", -1e4)])
@PRECISIONS
def test_extreme_strength_and_sharpening(biased, dtype):
    """Weightings that are all but one-hot: everything finite, and double precision still agrees."""
    case = Case(batch=4, steps=5, slots=17, dtype=dtype)

    def model(backend):
        ntm = case.model(backend)
        with torch.no_grad():
            ntm.cell.interface.bias[ntm.cell.memory.interface.places[biased[0]]] = biased[1]
        return ntm

    got, want = case.results(model("fused")), case.results(model("reference"))
    assert all(bool(torch.isfinite(t).all()) for t in got.values())
    if dtype == torch.float64:
        assert max(distance(got[name], want[name]) for name in want) < 1e-5  # 1e4 times the precision lost
    else:
        assert distance(got["output"], want["output"]) < 1e-2


def test_zero_memory_and_zero_keys():
    case = Case(batch=2, steps=4)
    ntm = {name: case.model(name) for name in ("fused", "reference")}
    results = {}
    for name, model in ntm.items():
        with torch.no_grad():
            model.cell.interface.weight.zero_()
            model.cell.interface.bias.zero_()
        state = model.initial_state(2)
        state = state._replace(memory=state.memory._replace(memory=torch.zeros_like(state.memory.memory)))
        output, _ = model(case.inputs(), state)
        results[name] = [output, *torch.autograd.grad(output.sum(), list(model.parameters()))]
    for got, want in zip(results["fused"], results["reference"]):
        assert distance(got.detach(), want.detach()) < 1e-9


def test_inputs_and_states_that_are_not_contiguous():
    case = Case(batch=6, steps=8)
    fused, reference = case.model("fused"), case.model("reference")
    inputs = torch.randn(8, 12, 8, dtype=torch.float64).transpose(0, 1)[::2, :, ::2]
    assert not inputs.is_contiguous()
    start = reference.initial_state(6)
    memory = start.memory.memory.transpose(1, 2).contiguous().transpose(1, 2)
    start = start._replace(memory=start.memory._replace(memory=memory))
    for got, want in zip(*[list(state_tensors(m(inputs, start)[1])) for m in (fused, reference)]):
        assert distance(got.detach(), want.detach()) < 1e-9
    loss = [(m(inputs, start)[0].transpose(0, 1)[::2] ** 2).sum() for m in (fused, reference)]
    grads = [torch.autograd.grad(value, list(m.parameters())) for value, m in zip(loss, (fused, reference))]
    for got, want in zip(*grads):
        assert distance(got, want) < 1e-9


def test_time_first():
    assert_agree(Case(batch=4, steps=4, carried=False, options={"batch_first": False}))


def test_after_resize():
    case = Case(slots=10)
    fused, reference = case.model("fused").resize(37), case.model("reference").resize(37)
    got, want = case.results(fused), case.results(reference)
    assert got["last 2"].shape[1] == 37
    assert max(distance(got[name], want[name]) for name in want) < 1e-9


def test_halves_equal_the_whole():
    case = Case(batch=3, steps=8)
    ntm = case.model("fused")
    whole, last = ntm(case.inputs())
    first, state = ntm(case.inputs()[:, :3])
    second, state = ntm(case.inputs()[:, 3:], state)
    assert torch.allclose(whole, torch.cat([first, second], 1))
    for a, b in zip(state_tensors(last), state_tensors(state)):
        assert torch.allclose(a, b)


def test_samples_do_not_depend_on_their_batch():
    case = Case(batch=13, steps=7, hidden=40)
    ntm = case.model("fused")
    whole, _ = ntm(case.inputs())
    alone = torch.cat([ntm(x[None])[0] for x in case.inputs()])
    assert torch.allclose(whole, alone, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("frozen", ["cell.interface", "cell.controller", "output", "cell"])
def test_frozen_parameters(frozen):
    case = Case(layers=2)
    results = []
    for backend in ("fused", "reference"):
        ntm = case.model(backend)
        ntm.get_submodule(frozen).requires_grad_(False)
        results.append(case.results(ntm))
    assert max(distance(results[0][name], results[1][name]) for name in results[1]) < 1e-9


def test_all_frozen_needs_no_gradient():
    ntm = Case().model("fused").requires_grad_(False)
    output, _ = ntm(Case().inputs())
    assert not output.requires_grad


def test_inference_saves_nothing(monkeypatch):
    case = Case(batch=2, steps=50)
    ntm = case.model("fused")
    ntm(case.inputs())  # the kernel is made and tried
    kept = []
    forward = calls.forward

    def spy(*args, **kwargs):
        kept.append(forward(*args, **kwargs)[2])
        return forward(*args, **kwargs)

    monkeypatch.setattr(calls, "forward", spy)
    want, _ = ntm(case.inputs())
    with torch.no_grad():
        got, last = ntm(case.inputs())
    assert torch.equal(got, want.detach())
    assert not any(t.requires_grad for t in (got, *state_tensors(last)))
    assert kept[0].records.numel() > 0
    assert kept[1].records.numel() == kept[1].big.numel() == 0


def test_backward_twice_on_a_retained_graph():
    ntm = Case().model("fused")
    output, _ = ntm(Case().inputs())
    first = torch.autograd.grad(output.sum(), list(ntm.parameters()), retain_graph=True)
    second = torch.autograd.grad(output.sum(), list(ntm.parameters()))
    for a, b in zip(first, second):
        assert torch.equal(a, b)


@pytest.mark.parametrize("batch", [1, 2, 5, 16, 33])
def test_two_threads(batch):
    case = Case(batch=batch, steps=9, hidden=20, dtype=torch.float32)
    one = case.results(case.model("fused"))
    torch.set_num_threads(2)
    two, again = case.results(case.model("fused")), case.results(case.model("fused"))
    for name in one:
        assert torch.equal(two[name], again[name]), name
        assert distance(two[name], one[name]) < 1e-5, name


def test_double_backward_says_what_to_use():
    ntm = Case().model("fused")
    inputs = Case().inputs().requires_grad_()
    output, _ = ntm(inputs)
    (grad,) = torch.autograd.grad((output**2).sum(), inputs, create_graph=True)
    with pytest.raises(RuntimeError, match="backend='reference'"):
        grad.sum().backward()


def test_autocast_computes_in_the_dtype_of_the_state():
    case = Case(dtype=torch.float32, output_size=3)
    ntm = case.model("fused")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, last = ntm(case.inputs())
        output.float().sum().backward()
    plain, want = ntm(case.inputs())
    assert output.dtype == torch.bfloat16
    for a, b in zip(state_tensors(last), state_tensors(want)):
        assert a.dtype == torch.float32
        assert torch.allclose(a, b, atol=1e-5)
    assert torch.allclose(output.float(), plain, atol=2e-2)
    assert all(p.grad is not None for p in ntm.parameters())


def test_report_and_choice():
    report = NTM(3, 4).backend_report()
    assert report["fused"].startswith("chosen")
    assert set(report) == {"reference", "compiled", "fused"}
    assert not report["reference"].startswith("chosen")
    assert NTM(3, 4, controller="gru").backend_report()["fused"].startswith("chosen")
    assert NTM(3, 4, backend="reference").backend_report()["reference"].startswith("chosen")


@pytest.mark.parametrize(
    ("ntm", "reason"),
    [
        (NTM(3, 4, backend="fused").to(torch.bfloat16), "float32 or float64"),
        (NTM(3, 4, backend="fused").to("meta"), "on the CPU and on CUDA"),
    ],
)
def test_asked_for_by_name_and_not_supported(ntm, reason):
    inputs = torch.randn(2, 3, 3, device=ntm.cell.interface.weight.device)
    with pytest.raises(BackendUnavailableError, match=reason):
        ntm(inputs.to(ntm.cell.interface.weight.dtype))
    assert reason in ntm.backend_report()["fused"]


def test_a_trace_runs_the_reference():
    case = Case(dtype=torch.float32)
    ntm = case.model("fused")
    want, _ = ntm(case.inputs())
    with trace(ntm) as record:
        got, _ = ntm(case.inputs())
    assert torch.allclose(got, want, atol=1e-5)
    assert record["write_weights"].shape == (3, 6, 1, 10)


def test_a_controller_of_one_s_own_is_fused():
    ntm = Case(dtype=torch.float32).model("fused")

    class Doubled(type(ntm.cell.controller)):
        def forward(self, x, state):
            h, state = super().forward(x, state)
            return 2 * h, state

    inputs = Case(dtype=torch.float32).inputs()
    before, _ = ntm(inputs)
    ntm.cell.controller.__class__ = Doubled
    fused, _ = ntm(inputs)
    ntm.backend = "reference"
    assert torch.allclose(fused, ntm(inputs)[0], atol=1e-6)
    assert not torch.allclose(fused, before, atol=1e-3)


def test_learns_like_the_reference():
    """The same steps of training give the same losses."""
    losses = {}
    for backend in ("fused", "reference"):
        case = Case(batch=8, steps=10, hidden=20, slots=16, dtype=torch.float32)
        ntm = case.model(backend)
        optimizer = torch.optim.RMSprop(ntm.parameters(), lr=1e-3, momentum=0.9)
        target = torch.randn(8, 10, 3, generator=torch.Generator().manual_seed(1))
        losses[backend] = []
        for _ in range(15):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(ntm(case.inputs())[0], target)
            loss.backward()
            nn.utils.clip_grad_norm_(ntm.parameters(), 10)
            optimizer.step()
            losses[backend].append(loss.item())
    assert losses["fused"] == pytest.approx(losses["reference"], rel=1e-3)
    assert losses["fused"][-1] < losses["fused"][0]
