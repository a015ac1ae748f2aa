"""States: NamedTuples of tensors, mapped, cut, indexed and joined."""

import pytest
import torch

from memnets import (
    CellState,
    FeedforwardState,
    HiddenState,
    LSTMState,
    NTMState,
    detach_state,
    index_state,
    map_state,
    stack_states,
)
from memnets.base.state import state_tensors


def nested(batch=4, offset=0.0):
    """A whole cell's state; each number of each tensor tells its sequence."""

    def rows(*shape):
        numbers = torch.arange(batch, dtype=torch.float32) + offset
        return numbers.reshape(batch, *[1] * len(shape)).expand(batch, *shape).clone()

    return CellState(
        LSTMState(rows(1, 5), rows(1, 5) + 100), NTMState(rows(6, 3), rows(1, 6), rows(2, 6)), rows(1, 3) + 200
    )


def same(got, want):
    assert type(got) is type(want)
    for a, b in zip(state_tensors(got), state_tensors(want), strict=True):
        assert torch.equal(a, b)


def test_the_tensors_come_in_the_order_of_the_fields():
    state = nested()
    names = [state.controller.hidden, state.controller.cell, *state.memory, state.reads]
    for got, want in zip(state_tensors(state), names, strict=True):
        assert got is want
    assert list(state_tensors(FeedforwardState())) == []


def test_map_keeps_every_kind():
    doubled = map_state(lambda tensor: 2 * tensor, nested())
    assert [type(part) for part in doubled] == [LSTMState, NTMState, torch.Tensor]
    for got, want in zip(state_tensors(doubled), state_tensors(nested()), strict=True):
        assert torch.equal(got, 2 * want)
    assert map_state(torch.neg, FeedforwardState()) == FeedforwardState()


def test_detach_cuts_and_keeps_the_values():
    state = map_state(lambda tensor: tensor.requires_grad_() * 1, nested())
    assert all(tensor.requires_grad for tensor in state_tensors(state))
    cut = detach_state(state)
    assert not any(tensor.requires_grad for tensor in state_tensors(cut))
    same(cut, nested())


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (0, [0]),
        (2, [2]),
        (-1, [3]),
        (slice(1, 3), [1, 2]),
        (torch.tensor([3, 0, 0]), [3, 0, 0]),
        (torch.tensor([True, False, False, True]), [0, 3]),
    ],
)
def test_index_takes_sequences_and_keeps_the_batch(index, rows):
    taken = index_state(nested(), index)
    for got, want in zip(state_tensors(taken), state_tensors(nested()), strict=True):
        assert torch.equal(got, want[rows])


def test_stack_joins_batches_in_order():
    same(stack_states([index_state(nested(), b) for b in range(4)]), nested())
    joined = stack_states([nested(2), nested(3, offset=10)])
    assert joined.memory.memory[:, 0, 0].tolist() == [0, 1, 10, 11, 12]
    same(stack_states([FeedforwardState(), FeedforwardState()]), FeedforwardState())


def test_stack_of_nothing_or_of_different_kinds():
    with pytest.raises(ValueError, match="stack_states needs at least one state, got none"):
        stack_states([])
    with pytest.raises(TypeError, match="stack_states needs states of one kind, got HiddenState, LSTMState"):
        stack_states([nested(), nested()._replace(controller=HiddenState(torch.zeros(1)))])


@pytest.mark.parametrize("bad", [[torch.zeros(2)], (torch.zeros(2),), {"h": torch.zeros(2)}, None, 3])
def test_what_is_no_state(bad):
    message = f"a state is a NamedTuple of tensors and states, got {type(bad).__name__}"
    with pytest.raises(TypeError, match=message):
        map_state(torch.neg, bad)
    with pytest.raises(TypeError, match=message):
        list(state_tensors(CellState(bad, HiddenState(torch.zeros(1)), torch.zeros(1))))
