"""The delta rule, gated or not, and linear attention: loops in NumPy, chunks against steps, certain answers."""

import pytest
import torch
from drawn import (
    assert_equals_oracle,
    assert_gradients,
    assert_traceable,
    finite_with_gradients,
    normal,
    uniform,
)
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from memnets import ops
from oracles import delta as oracle

RULES = ("delta_rule", "gated_delta_rule", "linear_attention")
sizes = st.sampled_from([1, 2, 3, 5])
steps_ = st.sampled_from([1, 2, 3, 5, 7, 8, 13])


def arguments(name, batch, steps, heads, key_size, value_size, seed=0):
    """A sequence and a starting state; keys of length 1, beta within [0, 2]."""
    q, k = (normal(batch, steps, heads, key_size, seed=seed + n) for n in (0, 1))
    k = k / k.norm(dim=-1, keepdim=True)
    v = normal(batch, steps, heads, value_size, seed=seed + 2)
    state = normal(batch, heads, key_size, value_size, seed=seed + 5)
    beta, log_decay = 2 * uniform(batch, steps, heads, seed=seed + 3), uniform(batch, steps, heads, seed=seed + 4).log()
    gates = {"delta_rule": (beta,), "gated_delta_rule": (beta, log_decay), "linear_attention": ()}[name]
    return (q, k, v, *gates, state)


def rule(name, chunk=None):
    """The function of a sequence and its state, all by position."""
    return lambda *inputs: getattr(ops, name)(*inputs[:-1], initial_state=inputs[-1], chunk=chunk)


def oracle_of(name):
    function = oracle.linear_attention if name == "linear_attention" else oracle.delta_rule
    return lambda *inputs: function(*inputs[:-1], initial_state=inputs[-1])


@pytest.mark.parametrize("name", RULES)
@given(
    batch=st.integers(1, 2),
    steps=steps_,
    heads=sizes,
    key_size=sizes,
    value_size=sizes,
    chunk=st.sampled_from([None, 1, 2, 3, 4, 7, 64]),
    seed=st.integers(0, 2**20),
)
def test_equals_its_loop(name, batch, steps, heads, key_size, value_size, chunk, seed):
    inputs = arguments(name, batch, steps, heads, key_size, value_size, seed)
    assert_equals_oracle(rule(name, chunk), oracle_of(name), inputs)


@pytest.mark.parametrize("name", RULES)
@given(steps=steps_, chunk=st.sampled_from([1, 2, 3, 4, 7, 64]), seed=st.integers(0, 2**20))
def test_chunks_have_the_gradients_of_steps(name, steps, chunk, seed):
    def gradients(chunk):
        leaves = [tensor.requires_grad_() for tensor in arguments(name, 2, steps, 3, 4, 2, seed)]
        outputs, state = rule(name, chunk)(*leaves)
        loss = (outputs * normal(*outputs.shape, seed=8)).sum() + (state * normal(*state.shape, seed=9)).sum()
        return torch.autograd.grad(loss, leaves)

    assert_close(gradients(chunk), gradients(None), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("chunk", [None, 2, 64])
@pytest.mark.parametrize("shape", [(2, 5, 2, 3, 2), (1, 1, 1, 1, 1)])
def test_gradients_and_traces(name, chunk, shape):
    inputs = arguments(name, *shape)
    assert_gradients(rule(name, chunk), inputs)
    assert_traceable(rule(name, chunk), inputs)


@pytest.mark.parametrize("name", RULES)
def test_a_step_is_that_of_the_sequence(name):
    *sequence, state = arguments(name, 2, 4, 3, 5, 2)
    step = getattr(ops, name.replace("rule", "step") if "rule" in name else f"{name}_step")
    assert_traceable(step, (*(x[:, 0] for x in sequence), state))
    outputs, last = rule(name)(*sequence, state)
    for t in range(4):
        output, state = step(*(x[:, t] for x in sequence), state)
        assert torch.equal(output, outputs[:, t])
    assert torch.equal(state, last)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("chunk", [None, 4])
@pytest.mark.parametrize("half", [0, 3, 8])
def test_two_halves_with_the_state_carried_are_the_whole(name, chunk, half):
    *sequence, state = arguments(name, 2, 11, 3, 4, 2)
    outputs, last = rule(name, chunk)(*sequence, state)
    first, middle = rule(name, chunk)(*(x[:, :half] for x in sequence), state)
    second, end = rule(name, chunk)(*(x[:, half:] for x in sequence), middle)
    assert_close(torch.cat([first, second], dim=1), outputs)
    assert_close(end, last)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("chunk", [None, 4])
def test_no_state_is_a_state_of_zeros(name, chunk):
    *sequence, state = arguments(name, 2, 7, 3, 4, 2)
    result = getattr(ops, name)(*sequence, chunk=chunk)
    assert_close(result, rule(name, chunk)(*sequence, torch.zeros_like(state)))


@pytest.mark.parametrize("name", ["delta_rule", "gated_delta_rule"])
@pytest.mark.parametrize("chunk", [None, 4])
def test_steps_with_closed_gates_leave_the_memory(name, chunk):
    """How a layer leaves out padding."""
    q, k, v, *gates, state = arguments(name, 2, 7, 3, 4, 2)
    for gate in gates:
        gate[:, 5:] = 0
    last = rule(name, chunk)(q, k, v, *gates, state)[1]
    assert_close(last, rule(name, chunk)(*(x[:, :5] for x in (q, k, v, *gates)), state)[1])


@pytest.mark.parametrize("chunk", [None, 4])
def test_a_key_written_with_full_strength_recalls_its_last_value(chunk):
    _, k, v, beta, state = arguments("delta_rule", 2, 6, 3, 4, 2)
    k[:, 5] = k[:, 2]
    outputs, _ = ops.delta_rule(k, k, v, torch.ones_like(beta), state, chunk)
    assert_close(outputs, v)


@pytest.mark.parametrize("chunk", [None, 4])
def test_no_decay_is_the_plain_delta_rule(chunk):
    q, k, v, beta, state = arguments("delta_rule", 2, 6, 3, 4, 2)
    gated = ops.gated_delta_rule(q, k, v, beta, torch.zeros_like(beta), state, chunk)
    assert_close(gated, ops.delta_rule(q, k, v, beta, state, chunk))


def test_a_column_of_ones_gives_the_normaliser_of_linear_attention():
    q, k, v, _ = arguments("linear_attention", 1, 5, 1, 4, 2)
    q, k = q.exp(), k.exp()
    outputs, _ = ops.linear_attention(q, k, torch.cat([v, torch.ones_like(v[..., :1])], dim=-1), chunk=2)
    scores = torch.tril(q[0, :, 0] @ k[0, :, 0].T)
    assert_close(outputs[0, :, 0, :-1] / outputs[0, :, 0, -1:], scores / scores.sum(-1, keepdim=True) @ v[0, :, 0])


# Precision and extremes.


@pytest.mark.parametrize("chunk", [32, 64, 256])
@pytest.mark.parametrize("beta", [1.0, 1.99, 2.0])
def test_chunks_are_exact_in_float32_where_a_key_repeats(chunk, beta):
    """Powers of the chunk's matrix, in place of substitution, would cancel here: their entries pass 1e18."""
    q, k, v, strength, state = arguments("delta_rule", 1, 256, 1, 8, 4)
    k, strength = k[:, :1].expand_as(k), torch.full_like(strength, beta)
    exact = ops.delta_rule(q, k, v, strength, state)
    result = ops.delta_rule(*(x.float() for x in (q, k, v, strength, state)), chunk=chunk)
    for value, expected in zip(result, exact):
        assert_close(value.double(), expected, rtol=1e-4, atol=5e-4)


@pytest.mark.parametrize("chunk", [None, 8])
def test_a_decay_of_zero_forgets_everything_before_it(chunk):
    q, k, v, beta, log_decay, state = arguments("gated_delta_rule", 2, 11, 2, 3, 2)
    log_decay[:, 6] = -torch.inf
    outputs, last = finite_gated(q, k, v, beta, log_decay, state, chunk)
    after = ops.gated_delta_rule(*(x[:, 6:] for x in (q, k, v, beta, log_decay)), chunk=chunk)
    assert_close((outputs[:, 6:], last), after)


@pytest.mark.parametrize("chunk", [8, 64])
def test_small_decays_beside_large_ones_keep_their_digits(chunk):
    """A difference of running sums would have lost them: the sums pass 1e9, where float32 counts in steps of 64."""
    q, k, v, beta, log_decay, state = arguments("gated_delta_rule", 2, 40, 2, 3, 2)
    log_decay[:, ::7] = -1e9
    exact = ops.gated_delta_rule(q, k, v, beta, log_decay, state)
    result = ops.gated_delta_rule(*(x.float() for x in (q, k, v, beta, log_decay, state)), chunk=chunk)
    for value, expected in zip(result, exact):
        assert_close(value.double(), expected, rtol=1e-4, atol=1e-4)


def finite_gated(*inputs):
    *tensors, chunk = inputs
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    outputs, state = ops.gated_delta_rule(*leaves, chunk=chunk)
    (outputs.sum() + state.sum()).backward()
    for leaf in leaves:
        assert leaf.grad.isfinite().all()
    return outputs.detach(), state.detach()


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("chunk", [None, 4])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e15])
def test_extreme_scales(name, chunk, scale):
    q, k, v, *gates, state = arguments(name, 2, 7, 2, 3, 2)
    finite_with_gradients(rule(name, chunk), scale * q, k, scale * v, *gates, scale * state)
    finite_with_gradients(rule(name, chunk), q, 0 * k, v, *gates, state)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("chunk", [None, 4])
def test_half_precision_is_computed_in_float32(name, chunk):
    inputs = [tensor.bfloat16() for tensor in arguments(name, 2, 9, 3, 4, 2)]
    expected = rule(name, chunk)(*(tensor.float() for tensor in inputs))
    for autocast in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            outputs, state = rule(name, chunk)(*inputs)
        assert outputs.dtype == torch.bfloat16
        assert state.dtype == torch.float32
        assert torch.equal(outputs, expected[0].bfloat16())
        assert torch.equal(state, expected[1])


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("chunk", [None, 4])
def test_a_sequence_of_no_steps(name, chunk):
    *sequence, state = arguments(name, 2, 3, 3, 4, 2)
    outputs, last = rule(name, chunk)(*(x[:, :0] for x in sequence), state)
    assert outputs.shape == (2, 0, 3, 2)
    assert torch.equal(last, state)


def test_shapes_can_be_asked_for_without_values():
    inputs = [tensor.to("meta") for tensor in arguments("gated_delta_rule", 2, 9, 3, 4, 2)]
    outputs, state = rule("gated_delta_rule", 4)(*inputs)
    assert outputs.shape == (2, 9, 3, 2)
    assert state.shape == (2, 3, 4, 2)


# Errors.


@pytest.mark.parametrize("chunk", [0, -1])
def test_a_chunk_of_no_steps_is_refused(chunk):
    *sequence, _ = arguments("delta_rule", 2, 3, 3, 4, 2)
    with pytest.raises(ValueError, match=rf"chunk is {chunk}\b.*at least 1"):
        ops.delta_rule(*sequence, chunk=chunk)


@pytest.mark.parametrize(
    ("index", "name", "given_shape", "needed"),
    [
        (0, "q", (2, 7, 3, 5), (2, 7, 3, 4)),
        (1, "k", (2, 3, 7, 4), "(B, T, H, K)"),
        (2, "v", (2, 7, 2), "(B, T, H, V)"),
        (3, "beta", (2, 7, 3, 1), (2, 7, 3)),
        (4, "log_decay", (2, 7), (2, 7, 3)),
        (5, "initial_state", (2, 3, 2, 4), (2, 3, 4, 2)),
    ],
)
def test_a_shape_that_does_not_fit_is_named_with_the_one_needed(index, name, given_shape, needed):
    inputs = list(arguments("gated_delta_rule", 2, 7, 3, 4, 2))
    inputs[index] = torch.zeros(given_shape)
    with pytest.raises(ValueError) as error:
        rule("gated_delta_rule")(*inputs)
    for part in (name, str(given_shape), str(needed)):
        assert part in str(error.value)
