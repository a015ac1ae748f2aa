"""benchmarks/attacks/attack_kernels.py in small, and each kind of fault that it found in the kernels' doors."""

import functools
import json
import math
import subprocess
import sys

import pytest
import torch

from memnets import NTM, TapeRNN, kernels
from memnets.base.state import map_state, state_tensors
from running import ROOT, environment

SCRIPT = ROOT / "benchmarks" / "attacks" / "attack_kernels.py"


def test_a_small_attack(tmp_path):
    figures = tmp_path / "figures.json"
    options = ["--plain", "--calls", "24", "--programs", "1", "--seed", "16", "--json", str(figures)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, env=environment(), timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())
    assert (found["calls"], found["bad"]) == (24, 0)
    assert len(found["outcomes"]) == 10  # each group of calls
    assert found["outcomes"]["honest"] == {"same numbers": found["calls"] - sum(others(found))}


def others(found):
    return (sum(counts.values()) for group, counts in found["outcomes"].items() if group != "honest")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return NTM(3, 4, slots=5, width=2, backend="fused")


@pytest.fixture(scope="module")
def given(model):
    """What ``torch.ops.memnets.fused_forward`` takes, and after it fused_backward."""
    key, *names = kernels.find(model.cell)
    state = list(state_tensors(model.initial_state(2)))
    parameters = [functools.reduce(getattr, name.split("."), model.cell).detach() for name in names]
    arguments = [key, torch.randn(6, 2, 3), state, parameters, torch.tensor([6, 1])]
    outputs, *rest = torch.ops.memnets.fused_forward(*arguments, True)
    return {"forward": arguments, "back": [rest[len(state) :], torch.ones_like(outputs), rest[: len(state)]]}


def with_first(tensors, change):
    return [change(tensors[0]), *tensors[1:]]


def shrunk(tensor):
    tensor = tensor.clone()
    tensor.untyped_storage().resize_(4)
    return tensor


def test_the_operators_refuse_what_does_not_fit(given):
    _, inputs, state, parameters, _ = given["forward"]
    kept, d_outputs, d_last = given["back"]
    wrong = [
        (0, "no such", "there is no kernel 'no such' in this process"),
        (1, inputs[..., :2], r"inputs has shape \(6, 2, 2\), but the kernel was made for \(6, 2, 3\)"),
        (1, inputs[:0], r"at least one step and one sequence"),
        (1, inputs[:, :0], r"at least one step and one sequence"),
        (1, inputs.double(), "inputs has dtype torch.float64, but the kernel was made for torch.float32"),
        (1, shrunk(inputs), "storage was freed or made smaller"),
        (2, state[:-1], "state has 5 tensors, but the kernel was made for 6"),
        (2, with_first(state, lambda t: t[:1]), r"state\[0\] has shape \(1, 1, 4\)"),
        (2, with_first(state, shrunk), r"state\[0\] has shape .* storage was freed"),
        (2, with_first(state, torch.Tensor.long), r"state\[0\] has dtype torch.int64"),
        (3, parameters[1:], "parameters has"),
        (3, with_first(parameters, lambda t: t[1:]), r"parameters\[0\] has shape"),
        (4, torch.tensor([7, 1]), r"lengths is \[7, 1\], but must lie within 0\.\.6"),
        (4, torch.tensor([3, -1]), r"lengths is \[3, -1\], but must lie within 0\.\.6"),
        (4, torch.tensor([3]), r"lengths has shape \(1,\), but must be \(2,\)"),
        (5, [], None),
        (5, kept[:1], "what forward kept has 1 tensors"),
        (5, with_first(kept, lambda t: t[1:]), r"what forward kept\[0\] has shape"),
        (6, d_outputs[:3], "the gradient of the outputs has shape"),
        (7, d_last[1:], "the gradient of the state has 5 tensors"),
        (7, with_first(d_last, lambda t: t[:1]), r"the gradient of state\[0\] has shape"),
    ]
    good = [*given["forward"], *given["back"]]
    for place, value, message in wrong:
        arguments = [*good[:place], value, *good[place + 1 :]]
        calls = [lambda a=arguments: torch.ops.memnets.fused_backward(*a)]
        if place < 5:
            calls.append(lambda a=arguments: torch.ops.memnets.fused_forward(*a[:5], True))
        for call in calls:
            if message is None:  # nothing was kept: it is run again
                call()
                continue
            with pytest.raises((ValueError, TypeError), match=message):
                call()


def test_a_storage_freed_between_forward_and_backward(model):
    inputs = torch.randn(2, 6, 3, requires_grad=True)
    outputs, _ = model(inputs)
    inputs.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match="storage was freed"):
        outputs.sum().backward()


def test_run_sequence_refuses_what_it_would_have_to_cast(model):
    key, *names = kernels.find(model.cell)
    inputs, state = torch.randn(2, 6, 3), model.initial_state(2)
    for dtype in (torch.int64, torch.complex64, torch.bool):
        with pytest.raises(TypeError, match=f"has dtype {dtype}, but must be floating point"):
            kernels.run_sequence(model.cell, key, names, inputs, map_state(lambda t: t.to(dtype), state), None)  # noqa: B023
    with pytest.raises(ValueError, match=r"lengths has shape \(1,\), but must be \(2,\)"):
        kernels.run_sequence(model.cell, key, names, inputs, state, [3])


def test_tensors_negated_lazily_count_with_their_sign(model):
    inputs = torch.randn(2, 6, 3)
    state = map_state(lambda t: -torch.rand_like(t), model.initial_state(2))
    want = model(-inputs, map_state(torch.neg, state))
    got = model(torch._neg_view(inputs), map_state(torch._neg_view, state))
    assert torch.equal(got[0], want[0])
    assert torch.isfinite(want[0]).all()


def test_settings_changed_by_hand_are_checked_where_they_are_used():
    model = NTM(3, 4, slots=5, width=2)
    for name, value in {"checkpoint_every": -1, "truncated_bptt_steps": 0, "input_size": 9}.items():
        before = getattr(model, name)
        for model.backend in ("reference", "fused"):
            setattr(model, name, value)
            with pytest.raises(ValueError, match=f"{name} is {value}"):
                model(torch.randn(2, 6, model.input_size))
        setattr(model, name, before)


@pytest.mark.parametrize("backend", ["reference", "fused"])
def test_inputs_states_and_lengths_that_are_not_dense(backend):
    model = NTM(3, 4, slots=5, width=2, backend=backend)
    inputs, state = torch.randn(2, 6, 3), model.initial_state(2)
    parts = torch.nested.as_nested_tensor([inputs[0], inputs[1, :2]], layout=torch.jagged)
    for bad, error, message in (
        (inputs.to_sparse(), TypeError, "inputs has the layout torch.sparse_coo.*to_dense"),
        (parts, TypeError, "inputs is a nested tensor.*to_padded_tensor"),
        (inputs.to("meta"), ValueError, "inputs is on meta, but the module's parameters are on cpu"),
        (shrunk(inputs), ValueError, "inputs has shape .* storage was freed"),
    ):
        with pytest.raises(error, match=message):
            model(bad)
    for change, error, message in (
        (torch.Tensor.to_sparse, TypeError, "layout torch.sparse_coo where a dense one is needed"),
        (shrunk, ValueError, "a tensor of state has shape .* storage was freed"),
        (torch.Tensor.long, TypeError, "int64 where torch.float32 is needed"),
        (lambda t: t + 0j, TypeError, "complex64 where torch.float32 is needed"),
    ):
        with pytest.raises(error, match=message):
            model(inputs, map_state(change, state))
    with pytest.raises(ValueError, match="lengths is on meta"):
        model(inputs, lengths=torch.ones(2, dtype=torch.int64, device="meta"))
    for lengths, message in (({1, 2}, "lengths is a set"), ({0: 1, 1: 2}, "lengths is a dict"), ("12", "a str")):
        with pytest.raises(TypeError, match=message):
            model(inputs, lengths=lengths)


@pytest.mark.parametrize("value", [-1.0, -1e-3, math.nan])
@pytest.mark.parametrize("kind", [NTM, TapeRNN])
def test_states_that_no_step_gives_do_the_same_through_both_backends(kind, value):
    """Negative weightings; a count that is no number, by which a tape's cells are found."""
    model, found = kind(3, 4, slots=5, width=2), []
    state = map_state(lambda t: torch.full_like(t, value), model.initial_state(2))
    for model.backend in ("reference", "fused"):
        found.append(model(torch.ones(2, 6, 3), state)[0])
    assert torch.allclose(*found, atol=1e-5, equal_nan=True)
