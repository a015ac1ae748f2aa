"""Attention against NumPy written from the papers' equations, and location addressing against memnets.ops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memnets import ops
from memnets.attention.additive import AdditiveAttention, ContextGate, CoverageAttention, context, coverage
from memnets.attention.location import LocationAttention, shift_along
from memnets.base.state import state_tensors
from memnets.decoding.attention_decoder import AttentionDecoder
from memnets.decoding.cells import make_cell


def arrays(module):
    return {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def scores_by_hand(p, query, features):
    """v tanh(W_a a_i + W_d h), place by place."""
    return np.array(
        [
            p["score.weight"][0]
            @ np.tanh(p["of_features.weight"] @ a + p["of_features.bias"] + p["of_query.weight"] @ query)
            for a in features
        ]
    )


def sizes(seed):
    random = np.random.default_rng(seed)
    counts = random.integers(1, 8, size=3)
    features = torch.from_numpy(random.standard_normal((3, 8, 4)))
    mask = torch.arange(8) < torch.from_numpy(counts).unsqueeze(1)
    return random, counts, features * mask.unsqueeze(2), mask, torch.from_numpy(random.standard_normal((3, 5)))


@given(seed=st.integers(0, 999))
def test_additive_attention(seed):
    _, counts, features, mask, query = sizes(seed)
    torch.manual_seed(seed)
    attention = AdditiveAttention(5, 4, 6).double()
    keys = attention.prepare(features, mask)
    weights = attention(query, keys, attention.initial_weights(keys))
    z, p = context(weights, features).detach().numpy(), arrays(attention)
    for b, n in enumerate(counts):
        expected = softmax(scores_by_hand(p, query[b].numpy(), features[b, :n].numpy()))
        np.testing.assert_allclose(weights[b, :n].detach(), expected)
        np.testing.assert_allclose(z[b], expected @ features[b, :n].numpy())
        assert not weights[b, n:].any()
        np.testing.assert_allclose(attention.initial_weights(keys)[b, :n], 1 / n)


@given(seed=st.integers(0, 999))
def test_coverage_attention_over_three_steps(seed):
    _, counts, features, mask, query = sizes(seed)
    torch.manual_seed(seed)
    attention = CoverageAttention(5, 4, 6).double()
    keys, p = attention.prepare(features, mask), arrays(attention)
    carried = attention.initial_weights(keys)
    seen = carried.numpy().copy()
    for _ in range(3):
        weights = attention(query, keys, carried)
        carried = attention.carry(carried, weights)
        for b, n in enumerate(counts):
            hidden = np.tanh(
                features[b, :n].numpy() @ p["of_features.weight"].T
                + p["of_features.bias"]
                + p["of_query.weight"] @ query[b].numpy()
                + np.outer(seen[b, :n], p["of_coverage.weight"][:, 0])
            )
            expected = softmax(hidden @ p["score.weight"][0])
            np.testing.assert_allclose(weights[b, :n].detach(), expected)
            seen[b, :n] += expected
        assert not weights[~mask].any()
        np.testing.assert_allclose(carried.detach(), seen)


def test_the_gate_is_one_number():
    gate = ContextGate(5).double()
    h, p = torch.randn(3, 5, dtype=torch.float64), arrays(gate)
    expected = 1 / (1 + np.exp(-(h.numpy() @ p["project.weight"].T + p["project.bias"])))
    np.testing.assert_allclose(gate(h).detach(), expected)
    assert gate(h).shape == (3, 1)


def test_coverage_in_its_three_scales():
    random = np.random.default_rng(0)
    weights, mask = random.random((3, 4, 5)), np.arange(5) < np.array([[5], [2], [1]])
    weights *= mask[:, None]
    places = np.zeros((3, 5))
    for b in range(3):
        for i in range(5):
            places[b, i] = mask[b, i] * (1 - sum(weights[b, t, i] for t in range(4))) ** 2
    given = (torch.from_numpy(weights), torch.from_numpy(mask))
    np.testing.assert_allclose(coverage(*given, reduction="none"), places)
    np.testing.assert_allclose(coverage(*given, reduction="sum"), places.sum() / 3)
    np.testing.assert_allclose(coverage(*given, reduction="mean"), places.sum() / 8)
    whole = torch.full((2, 4, 6), 0.25)
    assert coverage(whole, reduction="sum") == 0
    np.testing.assert_allclose(coverage(2 * whole, reduction="mean"), 1)
    with pytest.raises(ValueError, match="reduction is 'max', but must be one of none, sum, mean"):
        coverage(whole, reduction="max")


@given(seed=st.integers(0, 999), back=st.integers(0, 3), ahead=st.integers(1, 9))
def test_shift_along_a_line_with_two_ends(seed, back, ahead):
    random, counts, _, mask, _ = sizes(seed)
    weights = random.random((3, 8)) * mask.numpy()
    shift = random.random((3, back + 1 + ahead))
    expected = np.zeros((3, 8))
    for b in range(3):
        for i in range(counts[b]):
            for k in range(-back, ahead + 1):
                target = min(max(i + k, 0), counts[b] - 1)
                expected[b, target] += weights[b, i] * shift[b, k + back]
    result = shift_along(torch.from_numpy(weights), torch.from_numpy(shift), torch.from_numpy(counts), back)
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_away_from_the_ends_a_line_is_the_ntms_circle():
    weights, shift = torch.zeros(2, 12, dtype=torch.float64), torch.rand(2, 5, dtype=torch.float64)
    weights[:, 4:7] = torch.rand(2, 3, dtype=torch.float64)
    circular = ops.shift_weights(weights.unsqueeze(1), shift.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(shift_along(weights, shift, torch.tensor([12, 10]), backward=2), circular)


@pytest.mark.parametrize("combine", ["product", "interpolate"])
@given(seed=st.integers(0, 999))
def test_location_attention(combine, seed):
    random, counts, features, mask, query = sizes(seed)
    torch.manual_seed(seed)
    attention = LocationAttention(5, 4, 6, shift_back=1, shift_ahead=2, combine=combine).double()
    keys = attention.prepare(features, mask)
    prev = np.stack([softmax(np.where(row, random.standard_normal(8), -np.inf)) for row in mask.numpy()])
    prev[0] = np.eye(8)[counts[0] - 1]
    weights, p = attention(query, keys, torch.from_numpy(prev)), arrays(attention)

    def emitted(name, h):
        return p[f"{name}.weight"] @ h + p[f"{name}.bias"]

    def shifted(w, s, n):
        moved = np.zeros(n)
        for i in range(n):
            for k in range(-1, 3):
                moved[min(max(i + k, 0), n - 1)] += w[i] * s[k + 1]
        return moved

    for b, n in enumerate(counts):
        h, last = query[b].numpy(), prev[b, :n]
        scores = scores_by_hand(p, h, features[b, :n].numpy())
        shift = softmax(emitted("of_shift", h))
        if combine == "product":
            moved = np.exp(scores) * (shifted(last, shift, n) + 1e-16)
            moved /= moved.sum()
        else:
            near = np.exp(scores) * (shifted(last, np.full(4, 0.25), n) + 1e-16)
            gate = 1 / (1 + np.exp(-emitted("of_gate", h)[0]))
            moved = shifted(gate * near / near.sum() + (1 - gate) * last, shift, n)
        gamma = 1 + np.log1p(np.exp(emitted("of_sharpening", h)[0]))
        expected = (moved + 1e-16) ** gamma
        np.testing.assert_allclose(weights[b, :n].detach(), expected / expected.sum(), rtol=1e-6, atol=1e-12)
        assert not weights[b, n:].any()


@pytest.mark.parametrize("combine", ["product", "interpolate"])
def test_location_attention_reads_on_from_where_it_was_wherever_that_is(combine):
    """The same columns further along give the same weights further along: nothing knows the absolute place."""
    attention = LocationAttention(5, 4, 6, combine=combine).double()
    features, query = torch.randn(1, 40, 4, dtype=torch.float64), torch.randn(1, 5, dtype=torch.float64)
    shifted = features.roll(13, 1)
    prev = torch.eye(40, dtype=torch.float64)[9:10]
    here = attention(query, attention.prepare(features), prev)
    there = attention(query, attention.prepare(shifted), prev.roll(13, 1))
    torch.testing.assert_close(there, here.roll(13, 1))


def test_jitter_moves_the_last_weighting_by_one_place_while_training():
    attention = LocationAttention(5, 4, 6, jitter=0.4).double()
    keys, query = attention.prepare(torch.zeros(4000, 9, 4).double()), torch.zeros(4000, 5).double()
    prev = torch.eye(9, dtype=torch.float64)[4].expand(4000, -1)
    with torch.no_grad():
        attention.of_shift.weight.zero_()
        attention.of_shift.bias.copy_(torch.tensor([-99.0, 0.0, *[-99.0] * 6]))  # stay
        places = attention(query, keys, prev).argmax(1).bincount(minlength=9) / 4000
        assert places.nonzero().squeeze(1).tolist() == [3, 4, 5]
        assert places[3] == pytest.approx(0.2, abs=0.03)
        assert places[5] == pytest.approx(0.2, abs=0.03)
        assert attention.eval()(query, keys, prev).argmax(1).unique().tolist() == [4]


@pytest.mark.parametrize("combine", ["product", "interpolate"])
def test_location_attention_stays_finite_at_extremes(combine):
    attention = LocationAttention(5, 4, 6, combine=combine)
    keys = attention.prepare(torch.randn(2, 9, 4) * 1e4, torch.arange(9) < torch.tensor([[9], [1]]))
    query = (torch.randn(2, 5) * 1e4).requires_grad_()
    weights = attention.initial_weights(keys)
    for _ in range(12):
        weights = attention(query, keys, weights)
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    weights.square().sum().backward()
    assert query.grad is not None
    assert query.grad.isfinite().all()


def test_a_decoder_step_by_hand():
    """Cell on [E y, z], attention from its output, gate, deep output: Xu et al. 2015, equations 7 and 8."""
    torch.manual_seed(3)
    cell = make_cell("gru", 6 + 4, 5)
    decoder = AttentionDecoder(7, AdditiveAttention(5, 4, 3), cell, feature_size=4, embedding_size=6, gate=True)
    decoder = decoder.double().eval()
    features = torch.randn(2, 8, 4, dtype=torch.float64)
    keys = decoder.attention.prepare(features)
    state = decoder.initial_state(keys)
    torch.testing.assert_close(state.context, features.mean(1))
    step, after = decoder(torch.tensor([0, 4]), keys, state)
    p = arrays(decoder)
    embedded = p["embedding.weight"][[0, 4]]
    h = cell.layers[0](torch.from_numpy(np.hstack([embedded, features.mean(1).numpy()]))).detach().numpy()
    gate = 1 / (1 + np.exp(-(h @ p["gate.project.weight"].T + p["gate.project.bias"])))
    for b in range(2):
        own = {name.removeprefix("attention."): value for name, value in p.items()}
        alpha = softmax(scores_by_hand(own, h[b], features[b].numpy()))
        z = gate[b] * (alpha @ features[b].numpy())
        deep = embedded[b] + p["of_hidden.weight"] @ h[b] + p["of_hidden.bias"] + p["of_context.weight"] @ z
        logits = p["output.weight"] @ np.tanh(deep) + p["output.bias"]
        np.testing.assert_allclose(step.logits[b].detach(), logits)
        np.testing.assert_allclose(after.context[b].detach(), z)
        np.testing.assert_allclose(step.weights[b].detach(), alpha)
    np.testing.assert_allclose(step.gate.detach(), gate)


@pytest.mark.parametrize("kind", ["lstm", "ntm", "feedforward"])
def test_a_cell_that_starts_anew_forgets_what_it_did(kind):
    """While training, so that it cannot count; never when it reads."""
    decoder = AttentionDecoder(
        4, AdditiveAttention(5 + (4 if kind == "ntm" else 0), 4, 3), make_cell(kind, 6 + 4, 5, slots=3, width=4),
        feature_size=4, embedding_size=6, restart=1.0,
    )  # fmt: skip
    keys = decoder.attention.prepare(torch.randn(2, 8, 4))
    start = decoder.initial_state(keys)
    symbols = torch.tensor([1, 2])
    later = decoder.eval()(symbols, keys, start)[1]
    anew = decoder.train()(symbols, keys, later)[1].cell
    forgot = decoder.eval()(symbols, keys, later._replace(cell=start.cell))[1].cell
    kept = decoder(symbols, keys, later)[1].cell
    for one, two in zip(state_tensors(anew), state_tensors(forgot)):
        assert torch.equal(one, two)
    if kind != "feedforward":
        assert any(not torch.equal(one, two) for one, two in zip(state_tensors(anew), state_tensors(kept)))
