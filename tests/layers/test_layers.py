"""Whole-sequence layers by themselves: chunks against steps, one piece against many, padding, and what they claim."""

import pytest
import torch
from torch.testing import assert_close

import memnets
from cases import assert_same_state, leaves_of, numbers_of, weighted
from memnets.base.state import index_state
from memnets.layers import AttentionLayer, DeltaLayer, LinearAttentionLayer

LAYERS = {
    "delta": lambda **options: DeltaLayer(8, 2, **options),
    "delta-wide": lambda **options: DeltaLayer(8, 2, key_width=3, value_width=5, convolution=2, **options),
    "gated-delta": lambda **options: DeltaLayer(8, 2, decay=True, negative_eigenvalues=True, **options),
    "delta-product": lambda **options: DeltaLayer(8, 2, products=2, negative_eigenvalues=True, **options),
    "gated-delta-product": lambda **options: DeltaLayer(8, 2, products=3, decay=True, **options),
    "linear-attention": lambda **options: LinearAttentionLayer(8, 2, **options),
}
CACHES = {f"attention-{p}": lambda p=p: AttentionLayer(8, 2, positions=p) for p in memnets.layers.positions.POSITIONS}
every_chunked = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
every_layer = pytest.mark.parametrize("make", (LAYERS | CACHES).values(), ids=LAYERS | CACHES)
STEPS = 11


def inputs(batch=3, steps=STEPS, seed=0):
    return torch.randn(batch, steps, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@every_chunked
@pytest.mark.parametrize("chunk", [1, 2, 4, 7, 64])
@pytest.mark.parametrize("lengths", [None, [11, 4, 0]])
def test_chunks_equal_steps(make, chunk, lengths):
    """Outputs, the last state and every gradient, from a state that is not the first."""
    step_by_step, chunked = make(chunk=None).double(), make(chunk=chunk).double()
    chunked.load_state_dict(step_by_step.state_dict())
    with torch.no_grad():
        start = step_by_step(inputs(seed=1))[1]
    results = []
    for layer in (step_by_step, chunked):
        x, state = inputs().requires_grad_(), leaves_of(start)
        y, after = layer(x, state, lengths)
        inside = [row[:n] for row, n in zip(y, lengths or [STEPS] * 3)]
        leaves = [x, *state, *layer.parameters()]
        results.append((torch.cat(inside), after, torch.autograd.grad(weighted([*inside, *after]), leaves)))
    (y, state, gradients), (y_chunked, state_chunked, gradients_chunked) = results
    assert_close(y_chunked, y)
    assert_same_state(state_chunked, state)
    for got, want in zip(gradients_chunked, gradients, strict=True):
        assert_close(got, want)


@every_layer
def test_one_step_after_another_equals_the_whole(make):
    layer = make().double()
    whole, last = layer(inputs())
    state, parts = layer.initial_state(3), []
    for x in inputs().split(1, dim=1):
        y, state = layer(x, state)
        parts.append(y)
    assert_close(torch.cat(parts, 1), whole)
    assert_same_state(state, last)


@every_layer
def test_padding_and_ended_sequences(make):
    layer, lengths = make().double(), torch.tensor([7, 11, 0])
    start = layer(inputs(steps=4, seed=1), None, [2, 4, 3])[1]
    x = inputs().masked_fill((torch.arange(STEPS) >= lengths.unsqueeze(1)).unsqueeze(-1), float("nan")).requires_grad_()
    y, state = layer(x, start, lengths)
    for b, length in enumerate(lengths.tolist()):
        alone = index_state(start, b)
        if length:
            expected, alone = layer(inputs()[b : b + 1, :length], alone)
            assert_close(y[b : b + 1, :length], expected)
        assert_same_state(index_state(state, b), alone)
    assert_same_state(index_state(state, 2), index_state(start, 2), rtol=0, atol=0)
    sum(part.sum() for part in (y[0, :7], y[1], *numbers_of(state))).backward()
    assert x.grad.isfinite().all()
    assert x.grad[0, 7:].eq(0).all()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_the_cache_keeps_a_slot_a_step():
    layer = AttentionLayer(8, 2)
    _, state = layer(inputs().float(), None, [3, 11, 0])
    _, state = layer(inputs(steps=2).float(), state, [2, 0, 1])
    assert state.steps.tolist() == [5, 11, 1]
    assert state.keys.shape == state.values.shape == (3, 13, 2, 4)
    for b, steps in enumerate([5, 11, 1]):
        assert state.keys[b, :steps].ne(0).any(-1).all()
        assert state.keys[b, steps:].eq(0).all()


def test_rotary_and_alibi_see_distances_alone():
    """Moving a whole sequence on, as a cache with something before it that is not looked at, changes no score."""
    q, k = inputs(1, 1, 2), inputs(1, 1, 3)
    rotate = memnets.layers.positions.rotate
    near = [rotate(v.unsqueeze(2), torch.tensor([[place]])) for v, place in ((q, 5), (k, 2))]
    far = [rotate(v.unsqueeze(2), torch.tensor([[place]])) for v, place in ((q, 1005), (k, 1002))]
    other = [rotate(v.unsqueeze(2), torch.tensor([[place]])) for v, place in ((q, 5), (k, 3))]
    scores = [(a * b).sum() for a, b in (near, far, other)]
    assert_close(scores[0], scores[1])
    assert abs(scores[0] - scores[2]) > 1e-3
    distances = torch.tensor([[[0, 1, 2]]])
    added = memnets.layers.positions.penalties(4, distances, torch.float64)
    assert added[0, :, 0].tolist() == [[-0.0, -s, -2 * s] for s in (1 / 4, 1 / 16, 1 / 64, 1 / 256)]


def test_negative_eigenvalues_turn_what_a_key_recalls_round():
    """beta 2 makes of what a key recalls its opposite; within 0..1 it can do no more than erase."""
    for negative, lowest in ((False, 0.0), (True, -1.0)):
        layer = DeltaLayer(8, 1, negative_eigenvalues=negative, convolution=1).double()
        with torch.no_grad():
            layer.strength.weight.copy_(torch.full((1, 8), 100.0))  # beta is at its most
            layer.project.weight[16:].zero_()  # and what is written is zero
        x = torch.ones(1, 1, 8, dtype=torch.float64)
        start = layer.initial_state(1)._replace(memory=torch.eye(8, dtype=torch.float64).unsqueeze(0).unsqueeze(0))
        eigenvalues = torch.linalg.eigvalsh(layer(x, start)[1].memory[0, 0])
        assert_close(eigenvalues, torch.tensor([lowest, *[1.0] * 7], dtype=torch.float64), rtol=0, atol=1e-4)


def test_decay_forgets_and_one_step_of_products_writes_all_of_them():
    torch.manual_seed(0)
    layer = DeltaLayer(8, 2, products=3, convolution=1).double()
    x = inputs(1, 1)
    memory = layer(x)[1].memory
    assert torch.linalg.matrix_rank(memory).tolist() == [[3, 3]]
    gated = DeltaLayer(8, 2, decay=True).double()
    with torch.no_grad():
        gated.strength.weight.zero_()
        gated.decay.step.bias.fill_(1e3)
    start = gated.initial_state(1)._replace(memory=torch.ones(1, 2, 4, 4, dtype=torch.float64))
    assert torch.linalg.matrix_rank(gated(x, start)[1].memory).tolist() == [[1, 1]]  # the present key alone


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda: DeltaLayer(10, 4), "hidden_size is 10, but must be a multiple of heads=4"),
        (lambda: DeltaLayer(8, 0), "heads is 0, but must be at least 1"),
        (lambda: DeltaLayer(8, 2, key_width=0), "key_width is 0, but must be at least 1"),
        (lambda: DeltaLayer(8, 2, products=0), "products is 0, but must be at least 1"),
        (lambda: DeltaLayer(8, 2, convolution=0), "convolution is 0, but must be at least 1"),
        (lambda: DeltaLayer(8, 2, chunk=0), "chunk is 0, but must be at least 1"),
        (lambda: AttentionLayer(8, 2, positions="learnt"), "'learnt', but must be one of none, sinusoidal, rotary"),
        (lambda: AttentionLayer(8, 2)(torch.zeros(2, 3, 7)), r"inputs has 7 features \(shape \(2, 3, 7\)\)"),
        (lambda: memnets.DeltaNet(3, 8, num_layers=0), "num_layers is 0, but must be at least 1"),
        (lambda: memnets.Transformer(3, 8, feedforward_size=0), "feedforward_size is 0, but must be at least 1"),
        (lambda: memnets.LinearAttention(3, 8, dropout=2.0), r"dropout is 2.0, but must lie within 0\.\.1"),
    ],
)
def test_what_does_not_fit(make, found):
    with pytest.raises(ValueError, match=found):
        make()
