"""The equations against loops in NumPy, their gradients, and the cases in which the answer is certain."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

import oracles
from memnets import ops


def normal(*shape, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def distribution(*shape, seed=0):
    return torch.softmax(normal(*shape, seed=seed, scale=2), dim=-1)


def one_hot(slots, index):
    weights = torch.zeros(1, 1, slots, dtype=torch.float64)
    weights[..., index] = 1
    return weights


def arguments(name, batch, heads, slots, width, shifts, seed=0):
    """Values after activation, as each op takes them."""
    memory = normal(batch, slots, width, seed=seed)
    weights = distribution(batch, heads, slots, seed=seed + 1)
    return {
        "cosine_similarity": (memory, normal(batch, heads, width, seed=seed + 2)),
        "content_weights": (memory, normal(batch, heads, width, seed=seed + 2), 5 * uniform(batch, heads, seed=seed)),
        "interpolate": (distribution(batch, heads, slots, seed=seed + 3), weights, uniform(batch, heads, seed=seed)),
        "shift_weights": (weights, distribution(batch, heads, shifts, seed=seed + 4)),
        "sharpen": (weights, 1 + 9 * uniform(batch, heads, seed=seed)),
        "read": (memory, weights),
        "write": (
            memory,
            weights,
            uniform(batch, heads, width, seed=seed + 5),
            normal(batch, heads, width, seed=seed + 6),
        ),
    }[name]


def oracle(name, *arrays):
    if name == "write":
        memory, weights, erase, add = arrays
        return oracles.add(oracles.erase(memory, weights, erase), weights, add)
    return getattr(oracles, name)(*arrays)


OPS = ["content_weights", "cosine_similarity", "interpolate", "read", "sharpen", "shift_weights", "write"]
"""Those of Graves et al. 2014; tests/ops has the others."""
WEIGHTINGS = ("content_weights", "interpolate", "shift_weights", "sharpen")
sizes = st.integers(1, 7)


@pytest.mark.parametrize("name", OPS)
@given(
    batch=st.integers(1, 3),
    heads=st.integers(1, 3),
    slots=sizes,
    width=sizes,
    reach=st.integers(0, 9),
    seed=st.integers(0, 2**20),
)
def test_op_equals_its_loop(name, batch, heads, slots, width, reach, seed):
    tensors = arguments(name, batch, heads, slots, width, 2 * reach + 1, seed)
    before = [tensor.clone() for tensor in tensors]
    result = getattr(ops, name)(*tensors)
    expected = oracle(name, *(tensor.numpy() for tensor in tensors))
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-10, atol=1e-14)
    for tensor, old in zip(tensors, before):
        assert torch.equal(tensor, old), "an input was changed in place"
    if name in WEIGHTINGS:
        assert_close(result.sum(-1), torch.ones(batch, heads, dtype=torch.float64))


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize(
    ("heads", "slots", "width", "shifts"), [(2, 5, 3, 3), (1, 1, 1, 1), (2, 3, 1, 9), (1, 2, 4, 5), (3, 1, 2, 7)]
)
def test_gradients_of_the_op_are_right(name, heads, slots, width, shifts):
    tensors = [tensor.requires_grad_() for tensor in arguments(name, 2, heads, slots, width, shifts)]
    assert torch.autograd.gradcheck(getattr(ops, name), tensors)


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_op_keeps_the_dtype(name, dtype):
    tensors = [tensor.to(dtype) for tensor in arguments(name, 2, 2, 4, 3, 3)]
    assert getattr(ops, name)(*tensors).dtype == dtype


def finite_with_gradients(function, *tensors):
    """The result in float32, which must be finite, as must the gradients of a weighted sum of it."""
    leaves = [tensor.float().clone().requires_grad_() for tensor in tensors]
    result = function(*leaves)
    assert result.isfinite().all()
    (result * normal(*result.shape, seed=9).float()).sum().backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
    return result.detach()


def test_a_zero_vector_is_similar_to_nothing():
    memory, key = normal(2, 5, 3), normal(2, 2, 3, seed=1)
    memory[:, 2], key[0, 1] = 0, 0
    similarity = finite_with_gradients(ops.cosine_similarity, memory, key)
    assert similarity[:, :, 2].eq(0).all()
    assert similarity[0, 1].eq(0).all()
    weights = finite_with_gradients(ops.content_weights, memory, key, torch.full((2, 2), 1e4))
    assert_close(weights[0, 1], torch.full((5,), 0.2))


def test_everything_zero_gives_equal_weights():
    zeros = torch.zeros(1, 4, 3)
    weights = finite_with_gradients(ops.content_weights, zeros, torch.zeros(1, 1, 3), torch.zeros(1, 1))
    assert_close(weights, torch.full((1, 1, 4), 0.25))


@pytest.mark.parametrize("scale", [1e-30, 1e15])
def test_content_weights_at_extreme_scales(scale):
    memory, key = normal(2, 5, 3, scale=scale), normal(2, 2, 3, seed=1, scale=scale)
    weights = finite_with_gradients(ops.content_weights, memory, key, torch.full((2, 2), 1e4))
    assert_close(weights.sum(-1), torch.ones(2, 2))


def test_a_strength_of_ten_thousand_takes_the_most_similar_slot():
    memory = torch.eye(3).unsqueeze(0)
    weights = finite_with_gradients(ops.content_weights, memory, memory[:, 1:2], torch.full((1, 1), 1e4))
    assert_close(weights[0, 0], torch.tensor([0.0, 1.0, 0.0]))


def test_a_sharpening_of_ten_thousand_takes_the_greatest_weight():
    weights = torch.tensor([[[0.3, 0.5, 0.2, 0.0]]])
    sharp = finite_with_gradients(ops.sharpen, weights, torch.full((1, 1), 1e4))
    assert_close(sharp[0, 0], torch.tensor([0.0, 1.0, 0.0, 0.0]))


def test_sharpening_a_certain_weighting_leaves_it():
    sharp = finite_with_gradients(ops.sharpen, one_hot(128, 5), torch.full((1, 1), 1e4))
    assert torch.equal(sharp, one_hot(128, 5).float())


def test_the_weight_of_a_slot_at_zero_is_that_of_the_constant():
    weights, gamma = one_hot(3, 1), torch.ones(1, 1, dtype=torch.float64)
    expected = oracles.sharpen(weights.numpy(), gamma.numpy())
    assert expected[0, 0, 0] == pytest.approx(1e-16, rel=1e-6)
    np.testing.assert_allclose(ops.sharpen(weights, gamma).numpy(), expected, rtol=1e-9, atol=0)


def test_sharpening_flat_weights_keeps_a_distribution():
    """A plain power underflows here: (1/128)^20 is below the least normal float32."""
    flat = torch.full((1, 1, 128), 1 / 128)
    assert (flat**20).max() < torch.finfo(torch.float32).tiny
    assert_close(finite_with_gradients(ops.sharpen, flat, torch.full((1, 1), 20.0)), flat)


def test_sharpening_of_nothing_is_flat():
    sharp = finite_with_gradients(ops.sharpen, torch.zeros(1, 1, 4), torch.full((1, 1), 1e4))
    assert_close(sharp, torch.full((1, 1, 4), 0.25))


def test_huge_values_are_written_and_read():
    memory, erase, add = normal(1, 4, 3, scale=1e30), uniform(1, 2, 3), normal(1, 2, 3, scale=1e30)
    weights = distribution(1, 2, 4)
    finite_with_gradients(ops.write, memory, weights, erase, add)
    finite_with_gradients(ops.read, memory, weights)


@pytest.mark.parametrize("slots", [1, 2, 3, 5])
@pytest.mark.parametrize("shifts", [1, 3, 5, 11])
def test_the_index_after_the_middle_moves_forward(slots, shifts):
    for start in range(slots):
        for index in range(shifts):
            moved = ops.shift_weights(one_hot(slots, start), one_hot(shifts, index))
            assert torch.equal(moved, one_hot(slots, (start + index - shifts // 2) % slots))


@pytest.mark.parametrize("shifts", [2, 4])
def test_an_even_number_of_shifts_is_refused(shifts):
    with pytest.raises(ValueError, match=rf"shift has {shifts} entries a head, but needs an odd number"):
        ops.shift_weights(one_hot(5, 0), distribution(1, 1, shifts))


def test_a_certain_gate_takes_one_weighting_alone():
    content, previous = distribution(2, 3, 6, seed=1).float(), distribution(2, 3, 6, seed=2).float()
    assert torch.equal(ops.interpolate(content, previous, torch.ones(2, 3)), content)
    assert torch.equal(ops.interpolate(content, previous, torch.zeros(2, 3)), previous)


def test_a_full_erase_at_one_slot_clears_that_slot_alone():
    memory = normal(1, 5, 3)
    erase, add = torch.ones(1, 1, 3, dtype=torch.float64), torch.zeros(1, 1, 3, dtype=torch.float64)
    written = ops.write(memory, one_hot(5, 2), erase, add)
    assert written[0, 2].eq(0).all()
    others = [0, 1, 3, 4]
    assert torch.equal(written[0, others], memory[0, others])


def test_a_vector_written_with_certainty_is_read_back():
    memory, erase, add = normal(1, 5, 3), torch.ones(1, 1, 3, dtype=torch.float64), normal(1, 1, 3, seed=1)
    written = ops.write(memory, one_hot(5, 4), erase, add)
    assert torch.equal(ops.read(written, one_hot(5, 4)), add)


def test_all_erases_come_before_all_adds():
    """Two heads on one slot: what one adds is not erased by the other, in whatever order they are."""
    memory = normal(1, 4, 3)
    weights = one_hot(4, 1).expand(1, 2, 4)
    erase = torch.tensor([0.0, 1.0], dtype=torch.float64).reshape(1, 2, 1).expand(1, 2, 3)
    add = normal(1, 2, 3, seed=1)
    written = ops.write(memory, weights, erase, add)
    assert_close(written[0, 1], add[0].sum(0))


@given(heads=st.integers(2, 4), seed=st.integers(0, 2**20))
def test_the_order_of_the_write_heads_does_not_matter(heads, seed):
    memory, *parts = arguments("write", 2, heads, 5, 3, 1, seed)
    order = torch.randperm(heads, generator=torch.Generator().manual_seed(seed))
    assert_close(ops.write(memory, *(part[:, order] for part in parts)), ops.write(memory, *parts))


@pytest.mark.parametrize("weights", [torch.eye(1, 6), torch.full((1, 65536), 2.0**-16)], ids=["one-hot", "flat"])
def test_sharpening_in_half_precision_is_finite_both_ways(weights):
    """1e-16 is 0 there."""
    weights = weights.half().unsqueeze(0).requires_grad_()
    sharpening = torch.full((1, 1), 20.0).half().requires_grad_()
    sharpened = ops.sharpen(weights, sharpening)
    assert sharpened.dtype == torch.float16
    assert_close(sharpened.float(), ops.sharpen(weights.float(), sharpening.float()), rtol=1e-2, atol=1e-4)
    sharpened.float().square().sum().backward()
    assert weights.grad.isfinite().all()
    assert sharpening.grad.isfinite().all()
