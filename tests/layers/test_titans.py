"""Neural memory: chunks against steps, what it is a form of, and that it learns to recall."""

import pytest
import torch
from torch.testing import assert_close

import memnets
from cases import assert_same_state, leaves_of, numbers_of, weighted
from memnets.layers import AttentionLayer, TitansAttentionLayer, TitansContextLayer, TitansLayer, WindowAttentionLayer
from memnets.ops import delta_rule
from memnets.ops.neural_memory import Steps, neural_memory


def inputs(steps, seed=0):
    return torch.randn(3, steps, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("lengths", [None, [11, 4, 0]])
@pytest.mark.parametrize(
    "options",
    [
        {"chunk": 1},
        {"chunk": 4, "window": 3},
        {"chunk": 16, "depth": 2, "window": 2, "decay": False},
        {"chunk": 3, "depth": 3, "momentum": False},
    ],
)
def test_chunks_equal_steps(options, lengths):
    """Outputs, the last state and every gradient, from a state in which each sequence is elsewhere in its chunk."""
    torch.manual_seed(0)
    chunked, stepwise = TitansLayer(8, 2, **options).double(), TitansLayer(8, 2, parallel=False, **options).double()
    stepwise.load_state_dict(chunked.state_dict())
    with torch.no_grad():
        start = chunked(inputs(5, seed=1), None, [5, 2, 3])[1]
    results = []
    for layer in (chunked, stepwise):
        x, state = inputs(11).requires_grad_(), leaves_of(start)
        y, after = layer(x, state, lengths)
        inside = [row[:n] for row, n in zip(y, lengths or [11] * 3)]
        leaves = [x, *(t for t in numbers_of(state) if t.numel()), *layer.parameters()]
        loss = weighted([*inside, *numbers_of(after)])
        results.append((torch.cat(inside), after, torch.autograd.grad(loss, leaves, materialize_grads=True)))
    assert_close(results[0][0], results[1][0])
    assert_same_state(results[0][1], results[1][1])
    for got, want in zip(results[0][2], results[1][2]):
        assert_close(got, want)


def test_a_matrix_without_momentum_and_decay_is_the_delta_rule():
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 7, 3, 4, generator=generator, dtype=torch.float64) for _ in range(3))
    beta = torch.rand(2, 7, 3, generator=generator, dtype=torch.float64)
    layer = TitansLayer(12, 3, chunk=1, momentum=False, decay=False).double()
    nothing = torch.zeros_like(beta)
    o, state = neural_memory(Steps(q, k, v, beta, nothing, nothing, nothing + 1), layer.initial_state(2).memory, 1)
    expected, memory = delta_rule(q, k, v, beta)
    assert_close(o, expected)
    assert_close(state.memory.squeeze(2), memory)


def test_a_window_learns_a_key_again():
    """Asked for a key that came a step ago, the Omega rule has learnt it twice and recalls it better."""
    torch.manual_seed(0)
    k = torch.nn.functional.normalize(torch.randn(1, 2, 1, 8), dim=-1)
    v, half, zero = torch.randn(1, 2, 1, 8), torch.full((1, 2, 1), 0.5), torch.zeros(1, 2, 1)
    apart = []
    for window in (1, 2):
        start = TitansLayer(8, 1, chunk=1, window=window, momentum=False, decay=False).initial_state(1).memory
        steps = Steps(k[:, [0, 0]], k, v, half, zero, zero, zero + 1)
        o, _ = neural_memory(steps, start, 1)
        apart.append((o[:, 1] - v[:, 0]).norm().item())
    assert apart[1] < 0.7 * apart[0]


def test_an_untrained_memory_forgets_by_decay_alone():
    layer = TitansLayer(8, 2, chunk=1).double()
    with torch.no_grad():
        layer.rate.weight.zero_()
        layer.rate.bias.fill_(-1e3)  # nothing is written
        layer.decay.weight.zero_()
        layer.decay.bias.fill_(0.0)  # and half is lost a step
        layer.start.fill_(1.0)
    _, state = layer(inputs(3))
    assert_close(state.memory.memory, torch.full_like(state.memory.memory, 0.125))


@pytest.mark.parametrize("name", ["depth", "chunk", "window"])
def test_what_does_not_fit(name):
    with pytest.raises(ValueError, match=f"{name} is 0, but must be at least 1"):
        memnets.Titans(3, 8, **{name: 0})


def test_a_window_as_long_as_the_sequence_is_attention_to_all_of_it():
    torch.manual_seed(0)
    whole, window = AttentionLayer(8, 2).double(), WindowAttentionLayer(8, 2, window=6).double()
    window.load_state_dict(whole.state_dict())
    assert_close(window(inputs(6))[0], whole(inputs(6))[0])
    assert not torch.allclose(window(inputs(7))[0][:, 6], whole(inputs(7))[0][:, 6])  # the first is out of sight
    assert window(inputs(9), None, [9, 2, 0])[1].keys.shape == (3, 5, 2, 4)


def test_a_closed_gate_puts_out_nothing():
    layer = TitansAttentionLayer(8, 2, place="gate", attention_window=3)
    with torch.no_grad():
        layer.memory_norm.weight.zero_()  # a gate of a half
        half, _ = layer(inputs(4).float())
        y, _ = layer.attention(inputs(4).float())
    assert_close(half, layer.attention_norm(y) / 2)
    with pytest.raises(ValueError, match="attention is 'both', but must be one of none, context, gate, layer"):
        memnets.Titans(3, 8, attention="both")


def test_as_context_earlier_segments_are_seen_through_the_memory_alone():
    layer = TitansContextLayer(8, 2, chunk=3, convolution=1).double()
    other = inputs(6).clone()
    other[:, 0] += 1
    remembered = layer(inputs(6))[0] - layer(other)[0]
    assert (remembered[:, 3:].abs().amax((1, 2)) > 1e-6).all()
    with torch.no_grad():
        layer.memory.rate.weight.zero_()
        layer.memory.rate.bias.fill_(float("-inf"))  # nothing is written
    forgotten = layer(inputs(6))[0] - layer(other)[0]
    assert (forgotten[:, :3].abs().amax((1, 2)) > 1e-6).all()
    assert_close(forgotten[:, 3:], torch.zeros_like(forgotten[:, 3:]))
