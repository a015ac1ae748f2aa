"""The DNC's equations against loops in NumPy, their gradients, and the cases in which the answer is certain."""

from itertools import pairwise

import pytest
import torch
from drawn import (
    assert_equals_oracle,
    assert_gradients,
    assert_traceable,
    distribution,
    finite_with_gradients,
    normal,
    one_hot,
    uniform,
)
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from memnets import ops
from oracles import dnc

NAMES = (
    "allocation_weights",
    "allocation_weights_by_head",
    "backward_weights",
    "deallocate",
    "forward_weights",
    "masked_content_weights",
    "masked_cosine_similarity",
    "memory_retention",
    "memory_usage",
    "read_weighting",
    "sharpen_links",
    "update_links",
    "update_precedence",
    "write_weighting",
)
sizes = st.sampled_from([1, 2, 3, 5, 7])


def arguments(name, batch, readers, writers, slots, width, seed=0):
    """Values after activation, as each function takes them."""

    def unit(*shape, more=0):
        return uniform(batch, *shape, seed=seed + more)

    def weights(heads, more=0):
        """Weightings that sum to less than 1."""
        return distribution(batch, heads, slots, seed=seed + more) * unit(heads, 1, more=more)

    memory, key = normal(batch, slots, width, seed=seed), normal(batch, readers, width, seed=seed + 1)
    links = dnc.update_links(unit(writers, slots, slots).numpy() / slots, weights(writers).numpy(), weights(writers))
    along = torch.from_numpy(dnc.forward_weights(links, weights(readers, 4)))
    links = torch.from_numpy(links)
    return {
        "allocation_weights": (unit(slots),),
        "allocation_weights_by_head": (unit(slots), unit(writers, more=1), unit(writers, more=2)),
        "backward_weights": (links, weights(readers, 3)),
        "deallocate": (memory, unit(slots)),
        "forward_weights": (links, weights(readers, 3)),
        "masked_content_weights": (memory, key, 5 * unit(readers), unit(readers, width, more=2)),
        "masked_cosine_similarity": (memory, key, unit(readers, width, more=2)),
        "memory_retention": (unit(readers), weights(readers, 3)),
        "memory_usage": (unit(slots), weights(writers, 1), unit(slots, more=2)),
        "read_weighting": (weights(readers), along, along.flip(-1), distribution(batch, readers, 2 * writers + 1)),
        "sharpen_links": (along + 0.01, 1 + 9 * unit(readers, writers)),
        "update_links": (links, weights(writers, 1), weights(writers, 2)),
        "update_precedence": (weights(writers, 1), weights(writers, 2)),
        "write_weighting": (weights(writers, 1), weights(writers, 2), unit(writers, more=3), unit(writers, more=4)),
    }[name]


@pytest.mark.parametrize("name", NAMES)
@given(batch=st.integers(1, 3), readers=sizes, writers=sizes, slots=sizes, width=sizes, seed=st.integers(0, 2**20))
def test_equals_its_loop(name, batch, readers, writers, slots, width, seed):
    assert_equals_oracle(
        getattr(ops, name), getattr(dnc, name), arguments(name, batch, readers, writers, slots, width, seed)
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("readers", "writers", "slots", "width"), [(2, 2, 4, 3), (1, 1, 1, 1), (3, 1, 5, 2)])
def test_gradients(name, readers, writers, slots, width):
    assert_gradients(getattr(ops, name), arguments(name, 2, readers, writers, slots, width))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("readers", "writers", "slots"), [(2, 2, 4), (1, 1, 1)])
def test_traceable(name, readers, writers, slots):
    assert_traceable(getattr(ops, name), arguments(name, 2, readers, writers, slots, 3))


@given(writers=sizes, slots=sizes, seed=st.integers(0, 2**20))
def test_weightings_stay_below_one(writers, slots, seed):
    usage, allocation_gate, write_gate = arguments("allocation_weights_by_head", 2, 1, writers, slots, 1, seed)
    allocation = ops.allocation_weights_by_head(usage, allocation_gate, write_gate)
    content = distribution(2, writers, slots, seed=seed)
    weights = ops.write_weighting(content, allocation, allocation_gate, write_gate)
    for _ in range(3):
        usage = ops.memory_usage(usage, weights, torch.ones_like(usage))
    for value in (allocation, weights, allocation.sum(-1), weights.sum(-1), usage):
        assert value.min() >= 0
        assert value.max() <= 1 + 1e-12


# Allocation.


def test_the_least_used_slot_is_allocated():
    usage = torch.tensor([[1.0, 0.9, 0.0, 1.0]])
    assert_close(ops.allocation_weights(usage), torch.tensor([[0.0, 0.0, 1.0, 0.0]]), atol=2e-6, rtol=0)


def test_the_first_of_equally_used_slots_is_allocated():
    for usage in (torch.zeros(1, 200), torch.full((1, 200), 1e-9)):
        allocation = ops.allocation_weights(usage)
        assert allocation[0, 0] == pytest.approx(1, abs=2e-6)
        assert allocation[0, 1:].sum() < 2e-6


def test_a_full_memory_allocates_nothing():
    assert ops.allocation_weights(torch.ones(1, 5)).abs().max() < 1e-6


def test_write_heads_allocate_different_slots():
    gates = torch.ones(1, 3, dtype=torch.float64)
    allocation = ops.allocation_weights_by_head(torch.tensor([[0.0, 1.0, 0.0, 0.0]]).double(), gates, gates)
    assert_close(allocation.sum(1), torch.tensor([[1.0, 0.0, 1.0, 1.0]]).double(), atol=1e-5, rtol=0)
    assert_close(allocation.amax(-1), torch.ones(1, 3).double(), atol=1e-5, rtol=0)


def test_a_head_that_does_not_write_leaves_the_slot_to_the_next():
    write_gate = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    allocation = ops.allocation_weights_by_head(torch.zeros(1, 4).double(), torch.ones_like(write_gate), write_gate)
    assert_close(allocation, one_hot(4, 0, 0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("unused", [1, 2, 60, 128])
def test_the_gradient_of_the_allocation_is_exact_in_float32_where_slots_are_unused(unused):
    """Dividing the product of all factors by one of 1e-6, in values or logarithms, would lose it."""
    usage = uniform(2, 128)
    usage[:, :unused] = 0
    weights = normal(2, 128, seed=1)

    def gradient(dtype):
        leaf = usage.to(dtype, copy=True).requires_grad_()
        (ops.allocation_weights(leaf) * weights.to(dtype)).sum().backward()
        return leaf.grad.double()

    exact = gradient(torch.float64)
    assert exact.abs().max() < 200
    assert_close(gradient(torch.float32), exact, rtol=1e-4, atol=1e-4)


def test_freeing_a_slot_that_was_read_makes_it_the_next_to_be_allocated():
    retention = ops.memory_retention(torch.ones(1, 1).double(), one_hot(4, 2))
    usage = ops.memory_usage(torch.ones(1, 4).double(), torch.zeros(1, 1, 4).double(), retention)
    assert_close(ops.allocation_weights(usage).unsqueeze(1), one_hot(4, 2), atol=1e-5, rtol=0)


def test_a_gate_at_zero_frees_nothing_and_writes_nothing():
    zero = torch.zeros(1, 1, dtype=torch.float64)
    assert ops.memory_retention(zero, one_hot(4, 2)).eq(1).all()
    assert ops.write_weighting(one_hot(4, 1), one_hot(4, 2), zero, zero).eq(0).all()


def test_free_gates_and_read_weights_get_gradient():
    """A known DNC computes the usage without gradient by mistake."""
    free_gate, read_weights = uniform(2, 2).requires_grad_(), distribution(2, 2, 5).requires_grad_()
    write_weights = distribution(2, 1, 5, seed=1).requires_grad_()
    usage = ops.memory_usage(uniform(2, 5), write_weights, ops.memory_retention(free_gate, read_weights))
    (ops.allocation_weights(usage) * normal(2, 5)).sum().backward()
    for leaf in (free_gate, read_weights, write_weights):
        assert leaf.grad is not None
        assert leaf.grad.abs().min() > 0


def test_deallocation_erases_what_was_freed_alone():
    memory = normal(1, 4, 3)
    kept = ops.deallocate(memory, ops.memory_retention(torch.ones(1, 1).double(), one_hot(4, 2)))
    assert kept[0, 2].eq(0).all()
    assert torch.equal(kept[0, [0, 1, 3]], memory[0, [0, 1, 3]])


# Links.


def written_in_order(slots, order):
    links, precedence = torch.zeros(1, 1, slots, slots).double(), torch.zeros(1, 1, slots).double()
    for slot in order:
        links = ops.update_links(links, precedence, one_hot(slots, slot))
        precedence = ops.update_precedence(precedence, one_hot(slots, slot))
    return links, precedence


def test_links_are_the_order_of_writing():
    """Off the diagonal, and nothing on it: a known DNC multiplies by the identity and keeps the diagonal alone."""
    links, precedence = written_in_order(4, [0, 2, 1])
    expected = torch.zeros(1, 1, 4, 4).double()
    expected[0, 0, 2, 0] = expected[0, 0, 1, 2] = 1
    assert torch.equal(links, expected)
    assert torch.equal(precedence, one_hot(4, 1))


def test_writing_a_slot_again_takes_its_old_links():
    links, _ = written_in_order(4, [0, 2, 1, 2])
    expected = torch.zeros(1, 1, 4, 4).double()
    expected[0, 0, 2, 1] = 1
    assert torch.equal(links, expected)


def test_reading_forward_and_backward_follows_the_order_of_writing():
    order = [3, 0, 4, 1]
    links, _ = written_in_order(5, order)
    for before, after in pairwise(order):
        assert torch.equal(ops.forward_weights(links, one_hot(5, before))[:, :, 0], one_hot(5, after))
        assert torch.equal(ops.backward_weights(links, one_hot(5, after))[:, :, 0], one_hot(5, before))


def test_a_slot_written_twice_in_a_row_is_not_linked_to_itself():
    links, _ = written_in_order(3, [1, 1])
    assert links.eq(0).all()


def test_a_step_without_writing_changes_neither_links_nor_precedence():
    links, precedence = arguments("update_links", 2, 1, 2, 5, 1)[:2]
    nothing = torch.zeros(2, 2, 5, dtype=torch.float64)
    assert torch.equal(ops.update_links(links, precedence, nothing), links)
    assert torch.equal(ops.update_precedence(precedence, nothing), precedence)


def test_each_write_head_has_links_of_its_own():
    links, precedence, weights = arguments("update_links", 2, 1, 2, 5, 1)
    both = ops.update_links(links, precedence, weights)
    for head in range(2):
        one = ops.update_links(*(x[:, head : head + 1] for x in (links, precedence, weights)))
        assert_close(both[:, head : head + 1], one)


@given(slots=st.integers(2, 7), seed=st.integers(0, 2**20))
def test_links_stay_a_distribution_at_most(slots, seed):
    links, precedence = torch.zeros(1, 1, slots, slots).double(), torch.zeros(1, 1, slots).double()
    for step in range(6):
        weights = distribution(1, 1, slots, seed=seed + step)
        links, precedence = (
            ops.update_links(links, precedence, weights),
            ops.update_precedence(precedence, weights),
        )
        assert links.min() >= 0
        assert max(links.sum(-1).max(), links.sum(-2).max(), precedence.sum()) <= 1 + 1e-12
        assert links.diagonal(dim1=-2, dim2=-1).eq(0).all()


def test_vectors_written_by_allocation_are_read_back_in_order():
    """A DNC by hand: allocate three slots, find the first by content, then follow the links."""
    slots, values = 5, torch.eye(3).double()
    state = torch.zeros(1, slots, 3).double(), torch.zeros(1, slots).double()
    (memory, usage), write_weights = state, torch.zeros(1, 1, slots).double()
    links, precedence = torch.zeros(1, 1, slots, slots).double(), torch.zeros(1, 1, slots).double()
    one = torch.ones(1, 1).double()
    for value in values:
        usage = ops.memory_usage(usage, write_weights, torch.ones(1, slots).double())
        allocation = ops.allocation_weights_by_head(usage, one, one)
        write_weights = ops.write_weighting(allocation, allocation, one, one)
        memory = ops.write(memory, write_weights, torch.ones(1, 1, 3).double(), value.reshape(1, 1, 3))
        links = ops.update_links(links, precedence, write_weights)
        precedence = ops.update_precedence(precedence, write_weights)
    read_weights = ops.content_weights(memory, values[:1].unsqueeze(0), torch.full((1, 1), 100.0).double())
    for value in values:
        assert_close(ops.read(memory, read_weights)[0, 0], value, atol=1e-4, rtol=0)
        along = ops.forward_weights(links, read_weights), ops.backward_weights(links, read_weights)
        modes = torch.tensor([[[0.0, 0.0, 1.0]]]).double()
        read_weights = ops.read_weighting(read_weights, along[1], along[0], modes)


# Read modes.


def test_a_certain_mode_takes_one_weighting_alone():
    content, backward, forward, _ = arguments("read_weighting", 2, 3, 2, 5, 1)
    parts = (*backward.unbind(2), content, *forward.unbind(2))
    for index, part in enumerate(parts):
        modes = one_hot(5, index, index, index).expand(2, 3, 5)
        assert torch.equal(ops.read_weighting(content, backward, forward, modes), part)


@pytest.mark.parametrize("count", [3, 4, 6])
def test_modes_that_do_not_fit_the_write_heads_are_refused(count):
    content, backward, forward, _ = arguments("read_weighting", 2, 3, 2, 5, 1)
    with pytest.raises(ValueError, match=rf"{count} entries .*2 write head.* 5"):
        ops.read_weighting(content, backward, forward, distribution(2, 3, count))


# Csordas & Schmidhuber 2019.


def test_a_full_mask_is_plain_content_addressing():
    memory, key, strength, mask = arguments("masked_content_weights", 2, 3, 1, 5, 4)
    plain = ops.content_weights(memory, key, strength)
    assert_close(ops.masked_content_weights(memory, key, strength, torch.ones_like(mask)), plain)


def test_what_is_masked_hardly_counts():
    memory = torch.tensor([[[1.0, 0.0, 5.0], [0.0, 1.0, 0.0]]])
    key, mask, strength = torch.tensor([[[1.0, 0.0, -5.0]]]), torch.tensor([[[1.0, 1.0, 0.0]]]), torch.full((1, 1), 9.0)
    assert ops.content_weights(memory, key, strength)[0, 0].argmax() == 1
    assert ops.masked_content_weights(memory, key, strength, mask)[0, 0].argmax() == 0


def test_a_mask_of_nothing_still_sees():
    """Its floor of 0.1: an equal mask over all parts leaves the angle as it is."""
    memory, key, mask = arguments("masked_cosine_similarity", 2, 3, 1, 5, 4)
    similarity = ops.masked_cosine_similarity(memory, key, torch.zeros_like(mask))
    assert_close(similarity, ops.cosine_similarity(memory, key), rtol=1e-3, atol=1e-3)


def test_sharpening_takes_the_strongest_link_and_is_flat_without_links():
    weights = torch.tensor([0.2, 0.3, 0.0])
    sharp = finite_with_gradients(ops.sharpen_links, weights, torch.tensor(1e4))
    assert_close(sharp, torch.tensor([0.0, 1.0, 0.0]))
    flat = finite_with_gradients(ops.sharpen_links, torch.zeros(2, 1, 1, 4), torch.full((2, 1, 1), 20.0))
    assert_close(flat, torch.full((2, 1, 1, 4), 0.25))


def test_sharpening_does_not_underflow():
    weights = torch.full((1, 1, 128), 1 / 128)
    assert (weights**30).max() == 0
    assert_close(finite_with_gradients(ops.sharpen_links, weights, torch.full((1, 1), 30.0)), weights)


# Extremes.


@pytest.mark.parametrize("usage", [0.0, 1e-30, 1.0])
def test_extreme_usage(usage):
    full, ones = torch.full((2, 64), usage), torch.ones(2, 2)
    finite_with_gradients(ops.allocation_weights, full)
    finite_with_gradients(ops.allocation_weights_by_head, full, ones, ones)
    finite_with_gradients(ops.memory_usage, full, one_hot(64, 0, 0).expand(2, 2, 64), torch.zeros(2, 64))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e15])
def test_masked_content_at_extreme_scales(scale):
    memory, key = normal(2, 5, 3, scale=scale), normal(2, 2, 3, seed=1, scale=scale)
    for mask in (torch.zeros(2, 2, 3), torch.ones(2, 2, 3)):
        weights = finite_with_gradients(ops.masked_content_weights, memory, key, torch.full((2, 2), 1e4), mask)
        assert_close(weights.sum(-1), torch.ones(2, 2))
