"""The sparse memory changed in place against its plain step, and what that costs."""

import copy
import gc

import pytest
import torch
from torch.testing import assert_close

import memnets
from cases import assert_same_state, leaves_of, numbers_of, weighted
from memnets.memories.sparse_slots import Run


def pair(**sizes):
    """Models with the same weights, in place and plain."""
    torch.manual_seed(0)
    fast = memnets.SAM(3, 5, **{"slots": 9, "width": 3, "heads": 2, "nonzero": 3, **sizes}).double()
    plain = copy.deepcopy(fast)
    plain.backend = "reference"
    assert "in place" in fast.backend_report()
    return fast, plain


def inputs(batch=4, steps=12, seed=1):
    return torch.randn(batch, steps, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradients(model, x, state, lengths):
    x = x.clone().requires_grad_()
    state = leaves_of(state)
    outputs, last = model(x, state, lengths)
    leaves = [x, *numbers_of(state), *model.parameters()]
    loss = weighted([outputs, *numbers_of(last)])
    first = torch.autograd.grad(loss, leaves, retain_graph=True)
    again = torch.autograd.grad(loss, leaves)
    for one, two in zip(first, again):
        assert torch.equal(one, two), "a second way back finds something of the first"
    return outputs, last, first


@pytest.mark.parametrize("sizes", [{}, {"slots": 5, "heads": 3}, {"slots": 40, "nonzero": 1}])
@pytest.mark.parametrize("lengths", [None, [7, 0, 12, 5]])
def test_in_place_is_the_plain_step(sizes, lengths):
    """Over more steps than slots, from a state that was used, with gradients of everything."""
    fast, plain = pair(**sizes)
    with torch.no_grad():
        start = plain(inputs(seed=2))[1]
    found, wanted = (gradients(model, inputs(), start, lengths) for model in (fast, plain))
    assert_close(found[0], wanted[0])
    assert_same_state(found[1], wanted[1])
    for got, want in zip(found[2], wanted[2]):
        assert_close(got, want)


def test_the_loss_of_some_steps_alone():
    fast, plain = pair()
    for t in (0, 3, 11):
        found, wanted = (
            torch.autograd.grad(weighted([model(inputs())[0][:, t]]), list(model.parameters()), allow_unused=True)
            for model in (fast, plain)
        )
        for got, want in zip(found, wanted):
            assert_close(got, want)


def test_what_is_handed_in_stays_as_it_was():
    fast, _ = pair()
    _, state = fast(inputs())
    kept = memnets.map_state(lambda tensor: tensor.detach().clone(), state)
    fast(inputs(seed=3), state)
    assert_same_state(state, kept, rtol=0, atol=0)


@pytest.mark.parametrize(("name", "value"), [("read_index", -1), ("read_index", 9), ("used", 10), ("used", -1)])
def test_a_state_that_names_slots_which_are_not_there_is_one_error_of_both(name, value):
    for model in pair():
        state = model(inputs())[1]
        inner = state.memory._replace(**{name: torch.full_like(getattr(state.memory, name), value)})
        with pytest.raises(ValueError, match=rf"state.{name} holds {value}, but must lie within 0\.\."):
            model(inputs(), state._replace(memory=inner))


@pytest.mark.parametrize("lengths", [None, [7, 12, 0, 5]])
def test_slots_past_those_in_use_count_as_zero_in_both(lengths):
    """A state made by hand may claim fewer than hold something."""
    found = []
    for model in pair():
        state = model(inputs())[1]
        memory = torch.ones_like(state.memory.memory, requires_grad=True)
        used = torch.tensor([4, 5, 6, 4])
        inner = state.memory._replace(memory=memory, last_access=state.memory.last_access.flip(1), used=used)
        outputs, last = model(inputs(), state._replace(memory=inner), lengths)
        loss = weighted([outputs, *numbers_of(last)])
        found.append((outputs, last, torch.autograd.grad(loss, memory)[0]))
    assert_close(found[0][0], found[1][0])
    assert_same_state(found[0][1], found[1][1])
    assert_close(found[0][2], found[1][2])
    assert not found[0][2][0, 4:].any()


def test_a_search_is_of_the_slots_in_use(monkeypatch):
    looked = []
    search = memnets.ops.most_similar

    def spy(memory, key, count):
        looked.append(memory.shape[1])
        return search(memory, key, count)

    monkeypatch.setattr(memnets.ops, "most_similar", spy)
    fast, plain = pair(slots=5000)
    found, wanted = fast(inputs())[0], plain(inputs())[0]
    assert looked[11] <= 12 * 2 + 3 * 12 + 3 < 100
    assert looked[12] == 5000
    assert_close(found, wanted)


def kept_bytes(model, steps):
    """What the way back needs of a sequence, each tensor once."""
    seen = {}

    def pack(tensor):
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(inputs(1, steps))
    return sum(seen.values())


def test_what_is_kept_does_not_grow_with_the_slots():
    small, large = (kept_bytes(pair(slots=slots)[0], 20) for slots in (64, 4096))
    assert large < 1.1 * small
    assert kept_bytes(pair(slots=4096)[1], 20) > 50 * large


def test_it_learns_to_keep_what_was_marked_among_more_than_it_was_trained_on():
    """The controller has no memory of its own. Trained on one of six, tested on one of twenty; chance is 1/2."""
    torch.manual_seed(0)
    model = memnets.SAM(8, 32, slots=512, width=8, heads=1, nonzero=2, output_size=6, controller="feedforward")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        x, wanted = marked(32, 6, generator)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x)[0][:, -1], wanted)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10)
        optimizer.step()
    x, wanted = marked(200, 20, generator)
    assert ((model(x)[0][:, -1] > 0) == (wanted > 0.5)).float().mean() > 0.97


def marked(batch, steps, generator):
    """Vectors of six bits, one of them marked, then a step in which that one is asked for."""
    bits = torch.randint(2, (batch, steps, 6), generator=generator).float()
    place = torch.randint(steps, (batch,), generator=generator)
    mark = torch.nn.functional.one_hot(place, steps).unsqueeze(-1).float()
    asked = torch.zeros(batch, 1, 8)
    asked[..., 7] = 1
    shown = torch.cat([2 * bits - 1, mark, torch.zeros(batch, steps, 1)], -1)
    return torch.cat([shown, asked], 1), bits[torch.arange(batch), place]


def test_a_training_step_leaves_nothing_behind():
    def runs():
        gc.collect()
        return sum(type(thing) is Run for thing in gc.get_objects())

    before = runs()  # tests of errors halfway may have left some
    model = memnets.SAM(3, 5, slots=9, width=3, heads=2, nonzero=3)
    for _ in range(2):
        model(torch.randn(2, 4, 3), lengths=[4, 2])[0].sum().backward()
    assert runs() == before
