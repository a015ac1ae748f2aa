"""Sequences that start afresh within a batch."""

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from cases import CASES, assert_same_state, sequences, used_state
from memnets import LSTM, NTM, MemoryNetwork
from memnets.base.state import index_state
from memories.own_memories import History

every_module = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
RESETS = torch.tensor([[True, False, False, True, False], [False] * 5, [False, False, True, True, False]])


@every_module
@pytest.mark.parametrize("lengths", [None, [5, 2, 3]])
def test_each_sequence_is_that_of_its_parts(case, lengths):
    module, inputs = case.make(), sequences().requires_grad_()
    start = used_state(module)
    outputs, state = module(inputs, start, lengths, resets=RESETS)
    for b, length in enumerate(lengths or [5, 5, 5]):
        cuts = [t for t in range(length) if RESETS[b, t]]
        parts, own = [], index_state(start, b)
        for first, last in zip([0, *cuts], [*cuts, length]):
            own = None if first in cuts else own
            if last > first:
                part, own = module(inputs[b : b + 1, first:last], own)
                parts.append(part)
        assert_close(outputs[b : b + 1, :length], torch.cat(parts, 1))
        assert outputs[b, length:].eq(0).all()
        assert_same_state(index_state(state, b), own)
    (gradient,) = torch.autograd.grad(outputs[2, 3:].sum(), inputs, allow_unused=True)
    assert gradient[2, :3].eq(0).all()


@pytest.mark.parametrize(
    "build", [partial(NTM, slots=4, width=2), partial(NTM, slots=4, width=2, backend="reference"), LSTM]
)
def test_truncation_counts_from_the_start_wherever_another_starts(build):
    module, gradients = build(3, 4, truncated_bptt_steps=3).double(), []
    starts = torch.zeros(3, 5, dtype=torch.bool)
    starts[0, [2, 4]] = True
    for resets in (None, starts):
        inputs = sequences().requires_grad_()
        outputs, _ = module(inputs, lengths=[5, 5, 4], resets=resets)
        gradients += torch.autograd.grad(outputs[1:, 3:].sum(), inputs)
    assert gradients[1][1, :3].eq(0).all()
    assert_close(gradients[1], gradients[0])


def test_steps_first():
    module, other = CASES[0].make(), CASES[0].make(batch_first=False)
    inputs = sequences()
    outputs, _ = other(inputs.transpose(0, 1), resets=RESETS.t())
    assert_close(outputs.transpose(0, 1), module(inputs, resets=RESETS)[0])


def test_a_memory_that_grows_starts_afresh_too():
    torch.manual_seed(0)
    model, inputs = MemoryNetwork(3, 4, memory=History()).double(), sequences()
    outputs, _ = model(inputs, resets=RESETS)
    assert_close(outputs[2:, 3:], model(inputs[2:, 3:])[0])


@pytest.mark.parametrize(
    ("resets", "error", "found"),
    [
        (torch.zeros(3, 5), TypeError, "float32, but must be a bool"),
        (torch.zeros(3, 4, dtype=torch.bool), ValueError, r"\(3, 4\), but must be \(3, 5\)"),
        ([[True]], TypeError, "list, but must be a bool"),
        (torch.zeros(3, 5, dtype=torch.bool).to_sparse(), TypeError, "sparse_coo, but must be dense"),
    ],
)
def test_what_is_no_resets(resets, error, found):
    with pytest.raises(error, match=found):
        CASES[0].make()(sequences(), resets=resets)


@pytest.mark.parametrize(("cut", "error"), [(0, ValueError), (2.5, TypeError)])
def test_a_cut_that_was_changed_by_hand_into_none_is_named(cut, error):
    model = CASES[0].make()
    model.truncated_bptt_steps = cut
    with pytest.raises(error, match=f"truncated_bptt_steps is {cut}, but must be"):
        model(sequences(), resets=RESETS)
