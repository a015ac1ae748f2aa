"""Bad inputs, lengths and states are refused with the value received and the remedy, by each module on the list."""

import functools

import numpy as np
import pytest
import torch
from torch import Tensor

import memnets
from cases import BASELINES, BATCH, CASES, INPUTS, around_a_cell, is_memory, run_oracle, sequences
from memnets.base.state import map_state, state_tensors

every_module = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_module
@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ([[[0.0] * INPUTS]], TypeError, r"inputs must be a tensor \(batch, steps, features\), got list"),
        (torch.zeros(INPUTS), ValueError, r"inputs has shape \(3,\), but must have three dimensions"),
        (torch.zeros(2, 4, 7), ValueError, r"inputs has 7 features \(shape \(2, 4, 7\)\).*input_size=3"),
        (
            torch.zeros(2, 4, INPUTS, dtype=torch.half),
            TypeError,
            r"dtype torch.float16, but the module.s parameters are",
        ),
        (torch.zeros(2, 4, INPUTS, dtype=torch.long), TypeError, r"dtype torch.int64.*call inputs.float\(\)"),
        (torch.zeros(0, 4, INPUTS), ValueError, r"inputs has batch of size 0 \(shape \(0, 4, 3\)\)"),
        (torch.zeros(2, 0, INPUTS), ValueError, r"inputs has steps of size 0"),
    ],
)
def test_wrong_inputs(case, inputs, error, message):
    with pytest.raises(error, match=message):
        case.make()(inputs)


@every_module
@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([1, 2, 6], ValueError, r"lengths\[2\] is 6, but must lie within 0..5"),
        ([1, -1, 2], ValueError, r"lengths\[1\] is -1, but must lie within 0..5"),
        ([1, 2], ValueError, r"lengths has shape \(2,\), but must be \(3,\)"),
        (torch.ones(3, 1, dtype=torch.long), ValueError, r"lengths has shape \(3, 1\), but must be \(3,\)"),
        (torch.tensor(4), ValueError, r"lengths has shape \(\), but must be \(3,\)"),
        (4, ValueError, r"lengths has shape \(\), but must be \(3,\)"),
        (torch.ones(3), TypeError, r"lengths has dtype torch.float32, but must hold integers"),
        (torch.ones(3, dtype=torch.bool), TypeError, r"lengths has dtype torch.bool, but must hold integers"),
        ([1.0, 2.5, 3.0], TypeError, r"lengths is \[1.0, 2.5, 3.0\], but must hold integers"),
    ],
)
def test_wrong_lengths(case, lengths, error, message):
    with pytest.raises(error, match=message):
        case.make()(sequences(), None, lengths)


@every_module
def test_wrong_states(case):
    module, inputs = case.make(), sequences()
    good = module.initial_state(BATCH)
    with pytest.raises(TypeError, match=rf"state is a tuple, but this module's state is a {type(good).__name__}"):
        module(inputs, tuple(good))
    other = memnets.HiddenState if isinstance(good, memnets.LSTMState) else memnets.LSTMState
    wrong = other(*[torch.zeros(BATCH, 1, 5)] * len(other._fields))
    with pytest.raises(TypeError, match=rf"state is a {other.__name__}, but this module's state is a"):
        module(inputs, wrong)
    with pytest.raises(ValueError, match=r"state holds a tensor of shape \(4, .*where \(3, .*another batch size"):
        module(inputs, module.initial_state(4))
    with pytest.raises(ValueError, match=r"batch_size is 0, but must be at least 1"):
        module.initial_state(0)


@pytest.mark.parametrize("given", ["rnn", "feedforward", "lstm"])
def test_a_state_whose_parts_are_of_another_kind(given):
    kinds = {"rnn": "HiddenState", "feedforward": "FeedforwardState", "lstm": "LSTMState"}
    wanted = "lstm" if given != "lstm" else "rnn"
    module = memnets.NTM(INPUTS, 5, slots=6, width=4, controller=wanted).double()
    other = memnets.NTM(INPUTS, 5, slots=6, width=4, controller=given).double()
    with pytest.raises(TypeError, match=rf"state holds a {kinds[given]} where a {kinds[wanted]} is needed"):
        module(sequences(), other.initial_state(BATCH))
    good = module.initial_state(BATCH)
    with pytest.raises(TypeError, match=r"state holds a list where a Tensor is needed"):
        module(sequences(), good._replace(reads=good.reads.tolist()))


SLOTTED = [c for c in CASES if is_memory(c.make()) and c.make().cell.memory.slots]


@pytest.mark.parametrize("case", SLOTTED, ids=lambda case: case.name)
def test_a_state_from_before_a_resize(case):
    module, inputs = case.make(), sequences()
    state = module.initial_state(BATCH)
    assert module.resize(9) is module
    with pytest.raises(ValueError, match=r"of shape \(.*\) where \(3, .*9.*\) is needed.*before resize\(\)"):
        module(inputs, state)
    outputs, state = module(inputs)
    expected, last = run_oracle(module, inputs)
    np.testing.assert_allclose(outputs.detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    for got, want in zip(state_tensors(state), last, strict=True):
        np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-9, atol=1e-12)


def test_a_memory_without_slots_cannot_be_resized():
    module = memnets.MemoryNetwork(INPUTS, 5, memory=memnets.DeltaMemory(4, 3))
    with pytest.raises(ValueError, match="MemoryNetwork holds no memory with slots: they cannot be set to 9"):
        module.resize(9)
    with pytest.raises(ValueError, match="DeltaMemory has no slots"):
        module.cell.memory.resize(9)


@every_module
def test_a_state_of_another_precision(case):
    module = case.make(torch.float32)
    wrong = map_state(Tensor.double, module.initial_state(BATCH))
    if list(state_tensors(wrong)):
        with pytest.raises(TypeError, match=r"float64 where torch.float32 is needed: memnets.map_state"):
            module(sequences(dtype=torch.float32), wrong)


@every_module
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("batch_first", [True, False])
def test_check_finite_names_the_place(case, bad, batch_first):
    inputs = sequences()
    inputs[1, 3, 2] = inputs[2, 0, 0] = bad
    module = case.make(check_finite=True, batch_first=batch_first)
    with pytest.raises(ValueError, match=rf"2 values that are NaN or Inf; the first is {bad} at batch 1, step 3, fe"):
        module(inputs if batch_first else inputs.transpose(0, 1))
    case.make()(inputs)


@pytest.mark.parametrize("option", ["output_size", "truncated_bptt_steps"])
def test_sizes_below_one(option):
    cell = around_a_cell().cell
    makers = [lambda **options: memnets.Recurrent(cell, **options)]
    makers += [functools.partial(kind, INPUTS, 5) for kind in (memnets.NTM, *BASELINES)]
    for make in makers:
        with pytest.raises(ValueError, match=rf"{option} is 0, but must be at least 1"):
            make(**{option: 0})
