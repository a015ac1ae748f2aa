"""The sparse DNC: what was written can be read again in its order and against it, in place and plain."""

import copy

import pytest
import torch
from torch.testing import assert_close

import memnets
from cases import assert_same_state, leaves_of, numbers_of, weighted
from memnets import ops

LARGE = 30.0
BACK, CONTENT, ON = range(3)


def emit(memory, *, write=None, key=None, mode=CONTENT):
    """What a controller emits to write a vector to a new slot, or nothing, and read."""
    parts = {name: torch.zeros(part.shape) for name, part in memory.interface.parts.items()}
    parts["write_gate"] -= LARGE if write is None else -LARGE
    parts["interpolation_gate"] -= LARGE
    parts["strength"] += LARGE
    parts["read_modes"][:, mode] = LARGE
    if write is not None:
        parts["value"] += 2 * write
    if key is not None:
        parts["key"] += key
    return torch.cat([part.flatten() for part in parts.values()]).unsqueeze(0)


def test_slots_are_read_on_and_back_in_the_order_in_which_they_were_written():
    memory, vectors = memnets.SDNCMemory(16, 6, heads=1, nonzero=1, links=2), torch.eye(6)
    state = memory.initial_state(1)
    for vector in vectors:
        _, state = memory(emit(memory, write=vector), state)
    found = []
    for mode in (CONTENT, ON, ON, ON, BACK, BACK):
        reads, state = memory(emit(memory, key=vectors[1], mode=mode), state)
        found.append(int(reads.argmax()))
        assert_close(reads, torch.tanh(2 * vectors[found[-1] : found[-1] + 1]), atol=1e-3, rtol=0)
    assert found == [1, 2, 3, 4, 3, 2]


def test_a_slot_that_is_written_again_is_no_longer_where_its_old_links_led():
    memory, vectors, links = memnets.SDNCMemory(3, 4, heads=1, nonzero=1, links=2), torch.eye(4), []
    state = memory.initial_state(1)
    for vector in vectors:  # while the first is read all the time, so that the fourth takes the place of the second
        _, state = memory(emit(memory, write=vector, key=vectors[0]), state)
        links.append(torch.zeros(3, 3).scatter_add(-1, state.on_index[0, 0], state.on_weights[0, 0]))
    assert_close(links[2], torch.tensor([[0.0, 1, 0], [0, 0, 1], [0, 0, 0]]))
    assert_close(links[3], torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 1, 0]]))


def test_slots_that_stand_twice_count_once_with_all_that_they_have():
    index = torch.tensor([[[4, 2, 4, 1, 2]]])
    weights = torch.tensor([[[0.1, 0.3, 0.4, 0.2, 0.0]]])
    slots, totals = ops.keep_largest(index, weights, 3)
    assert slots.tolist() == [[[4, 2, 1]]]
    assert_close(totals, torch.tensor([[[0.5, 0.3, 0.2]]]))


@pytest.mark.parametrize("lengths", [None, [7, 0, 12]])
def test_in_place_is_the_plain_step(lengths):
    """Over more steps than slots, from a state that was used, with gradients of everything."""
    torch.manual_seed(0)
    fast = memnets.SDNC(3, 5, slots=9, width=3, heads=2, nonzero=2, links=3).double()
    plain = copy.deepcopy(fast)
    plain.backend = "reference"
    assert "in place" in fast.backend_report()
    first, inputs = torch.randn(2, 3, 12, 3, dtype=torch.float64)
    with torch.no_grad():
        start = plain(first)[1]
    found = []
    for model in (fast, plain):
        x, state = inputs.clone().requires_grad_(), leaves_of(start)
        outputs, last = model(x, state, lengths)
        leaves = [x, *numbers_of(state), *model.parameters()]
        found.append((outputs, last, torch.autograd.grad(weighted([outputs, *numbers_of(last)]), leaves)))
    assert_close(found[0][0], found[1][0])
    assert_same_state(found[0][1], found[1][1])
    for got, want in zip(found[0][2], found[1][2]):
        assert_close(got, want)


@pytest.mark.parametrize("name", ["read_index", "precedence_index", "back_index", "on_index"])
@pytest.mark.parametrize("value", [-1, 5])
def test_a_state_that_names_slots_which_are_not_there_is_one_error(name, value):
    model = memnets.SDNC(3, 5, slots=5, width=3, heads=1, nonzero=2, links=2)
    state = model.initial_state(2)
    inner = state.memory._replace(**{name: torch.full_like(getattr(state.memory, name), value)})
    with pytest.raises(ValueError, match=rf"state.{name} holds {value}, but must lie within 0\.\.4"):
        model(torch.randn(2, 4, 3), state._replace(memory=inner))


def test_links_are_at_least_one():
    with pytest.raises(ValueError, match="links is 0, but must be at least 1"):
        memnets.SDNCMemory(links=0)
