"""A trace of layers over whole sequences holds what they did at each step, however the steps were taken."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import memnets
from cases import CASES, sequences
from memnets.base.records import Record, RecordedSequence
from memnets.layers import Layer, TitansLayer, WindowAttentionLayer

LAYERED = [case for case in CASES if any(isinstance(part, RecordedSequence) for part in case.make().modules())]
every_layer = pytest.mark.parametrize("case", LAYERED, ids=lambda case: case.name)


def test_all_layers_are_there():
    kinds = {type(case.make()).__name__ for case in LAYERED}
    assert kinds == {
        *("DeltaNet", "GatedDeltaNet", "LinearAttention", "Transformer", "Titans", "MemoryMosaic", "EndToEndMemory")
    }


@every_layer
def test_step_by_step_in_parts_and_whole_are_one_trace(case):
    """Each way says the same of every step, in the order of the batch, and nothing past a sequence's end."""
    module, inputs, lengths = case.make(), sequences(batch=4), torch.tensor([2, 5, 0, 3])
    expected, _ = module(inputs, None, lengths)
    with memnets.trace(module) as whole:
        outputs, _ = module(inputs, None, lengths)
    assert_close(outputs, expected)
    assert all(part.recorder is None for part in module.modules() if isinstance(part, RecordedSequence))
    with memnets.trace(module) as parts:
        state = None
        for start, stop in ((0, 1), (1, 2), (2, 5)):
            _, state = module(inputs[:, start:stop], state, (lengths - start).clamp(0, stop - start))
    assert torch.equal(whole["lengths"], lengths)
    assert set(parts) == set(whole) > {"lengths"}
    assert set(whole.kinds) == set(whole) - {"lengths"}
    for name in whole.kinds:
        assert whole[name].shape[:2] == (4, 5)
        assert not whole[name].requires_grad
        assert_close(parts[name], whole[name])
        for b, length in enumerate(lengths):
            assert whole[name][b, length:].eq(0).all()
            assert whole[name][b, :length].isfinite().all()
        if whole.kinds[name] == "weighting":
            total, least = whole[name].sum(-1), whole[name].min()
            assert least >= 0
            assert (total <= 1 + 1e-9).all()
        if whole.kinds[name] == "gate":
            assert 0 <= whole[name].min() <= whole[name].max() <= 1


@every_layer
def test_sequences_that_start_afresh(case):
    """After a reset a sequence's records are those of a new one, whatever the rest of the batch does."""
    module, inputs, lengths = case.make(), sequences(batch=3), torch.tensor([3, 5, 4])
    resets = torch.tensor([[0, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0]]).bool()
    with memnets.trace(module) as together:
        module(inputs, None, lengths, resets)
    for b, start in ((0, 0), (1, 2), (2, 1)):
        with memnets.trace(module) as alone:
            module(inputs[b : b + 1, start : int(lengths[b])])
        for name in alone.kinds:
            taken = together[name][b, start : int(lengths[b])]
            own = alone[name][0]
            inside = tuple(slice(size) for size in own.shape[1:])
            assert_close(taken[(slice(None), *inside)], own)


def test_names_and_shapes():
    inputs = sequences(batch=2, steps=3, dtype=torch.float32)
    model = memnets.Transformer(3, 8, heads=2, num_layers=2, product_keys=8)
    with memnets.trace(model) as trace:
        model(inputs)
    shapes = {name: tuple(trace[name].shape) for name in trace.kinds}
    assert shapes == {
        "blocks.0.layer.attention": (2, 3, 2, 3),
        "blocks.1.layer.attention": (2, 3, 2, 3),
        "blocks.1.feedforward.read": (2, 3, 4, 64),
    }
    assert_close(trace["blocks.1.feedforward.read"].sum(-1), torch.ones(2, 3, 4))
    model = memnets.GatedDeltaNet(3, 8, heads=2, products=2)
    with memnets.trace(model) as trace:
        model(inputs)
    assert {name: (tuple(trace[name].shape), kind) for name, kind in trace.kinds.items()} == {
        "key": ((2, 3, 2, 2, 4), "vector"),
        "value": ((2, 3, 2, 2, 4), "vector"),
        "query": ((2, 3, 2, 4), "vector"),
        "write_strength": ((2, 3, 4), "gate"),
        "decay": ((2, 3, 2), "gate"),
        "memory": ((2, 3, 2, 4, 4), "contents"),
    }


def test_attention_is_the_softmax_of_scores():
    """Against loops over steps and heads, without positions."""
    layer = memnets.layers.AttentionLayer(6, 2, positions="none").double()
    x = torch.randn(2, 4, 6, dtype=torch.float64)
    weights = layer.record(x, layer.initial_state(2))["attention"].value.detach().numpy()
    projected = (x @ layer.project.weight.T).detach().numpy().reshape(2, 4, 3, 2, 3)
    for b, t, h in np.ndindex(2, 4, 2):
        scores = [projected[b, t, 0, h] @ projected[b, i, 1, h] / np.sqrt(3) for i in range(t + 1)]
        expected = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(weights[b, t, h], [*expected, *[0] * (3 - t)], atol=1e-12)


def test_a_window_has_the_last_steps():
    """Steps that there never were have no share, and learned keys come first."""
    layer = WindowAttentionLayer(6, 2, window=3, persistent=2).double()
    x = torch.randn(1, 5, 6, dtype=torch.float64)
    shares = layer.record(x, layer.initial_state(1))["attention"].value
    assert shares.shape == (1, 5, 2, 2 + 3)
    assert_close(shares.sum(-1), torch.ones(1, 5, 2, dtype=torch.float64))
    assert shares[0, 0, :, 2:4].eq(0).all()
    assert shares[0, 1, :, 2].eq(0).all()
    assert (shares[0, 2:] > 0).all()
    _, state = layer(x[:, :4])
    assert_close(layer.record(x[:, 4:], state)["attention"].value[0, 0], shares[0, 4])


def test_what_a_delta_rule_memory_holds():
    """S after each step, by the rule itself from the keys, values and strengths of the trace."""
    model = memnets.DeltaNet(3, 8, heads=2, products=2, negative_eigenvalues=True, dtype=torch.float64)
    with memnets.trace(model) as trace:
        model(sequences(batch=1, steps=6))
    assert trace.kinds["write_strength"] == "scalar"  # within 0..2
    memory = np.zeros((2, 4, 4))
    keys, values = trace["key"][0].numpy(), trace["value"][0].numpy()  # (T, P, H, K)
    strengths = trace["write_strength"][0].unflatten(-1, (2, 2)).numpy()  # (T, P, H)
    for t in range(6):
        for product, h in np.ndindex(2, 2):
            k, v = keys[t, product, h], values[t, product, h]
            memory[h] += strengths[t, product, h] * np.outer(k, v - k @ memory[h])
        np.testing.assert_allclose(trace["memory"][0, t], memory)


def test_surprise_is_how_wrong_the_memory_was():
    """Of an empty memory the length of the value; of one that was taught a key with all its rate, nothing."""
    layer = TitansLayer(4, 1, chunk=1, momentum=False, decay=False, convolution=1).double()
    with torch.no_grad():
        layer.rate.weight.zero_()
        layer.rate.bias.fill_(40.0)  # a rate of 1
    x = torch.randn(1, 1, 4, dtype=torch.float64).expand(1, 2, 4)
    records = layer.record(x, layer.initial_state(1))
    surprise, value = records["surprise"].value[0, :, 0], records["value"].value[0, 0, 0]
    assert_close(
        surprise, torch.stack([value.norm(), torch.zeros_like(surprise[0])]), atol=1e-4, rtol=0
    )  # |k| is nearly 1
    assert records["surprise"].kind == "scalar"
    assert set(records) == {"key", "value", "query", "rate", "surprise", "memory"}


def test_what_one_hop_recalls():
    """Nothing of no sentence; all of the only one."""
    model = memnets.EndToEndMemory(3, 4, hops=2)
    with memnets.trace(model) as trace:
        model(sequences(batch=1, steps=3, dtype=torch.float32))
    assert trace["attention"].shape == (1, 3, 2, 3)
    assert trace["attention"][0, 0].eq(0).all()
    assert_close(trace["attention"][0, 1], torch.tensor([[1.0, 0, 0]] * 2))
    assert_close(trace["attention"].sum(-1)[0, 2], torch.ones(2))


def test_fast_weights():
    """A sums what was, faded; attention is how alike the present is, ``h A h``."""
    model = memnets.FastWeights(3, 4, decay=0.9, rate=0.5, dtype=torch.float64)
    with memnets.trace(model) as trace:
        outputs, _ = model(sequences(batch=1, steps=4))
    fast = np.zeros((4, 4))
    for t, h in enumerate(outputs[0].detach().numpy()):
        np.testing.assert_allclose(trace["attention"][0, t], [h @ fast @ h], atol=1e-12)
        fast = 0.9 * fast + 0.5 * np.outer(h, h)
        np.testing.assert_allclose(trace["fast"][0, t], fast, atol=1e-12)
        np.testing.assert_allclose(trace["hidden"][0, t], h)


class Decaying(Layer):
    """Somebody's own: half of what was, and the present."""

    def initial_state(self, batch_size, *, device=None, dtype=None):
        return memnets.layers.LinearAttentionState(self.zeros(batch_size, self.hidden_size, device=device, dtype=dtype))

    def __init__(self, hidden_size, heads=1):
        super().__init__(hidden_size, heads)
        self.scale = torch.nn.Parameter(torch.ones(()))

    def run(self, x, state, lengths):
        memory, outputs = state.memory, []
        for t, step in enumerate(x.unbind(1)):
            there = torch.ones(len(x), 1) if lengths is None else (t < lengths).unsqueeze(1)
            memory = torch.where(there > 0, 0.5 * memory + self.scale * step, memory)
            outputs.append(memory)
        return torch.stack(outputs, 1), type(state)(memory)


def test_a_layer_of_ones_own_says_what_its_state_was():
    layer = Decaying(2)
    recorded = layer.record(torch.ones(1, 3, 2), layer.initial_state(1))
    assert {name: record.kind for name, record in recorded.items()} == {"memory": "vector"}
    assert_close(recorded["memory"].value[0, :, 0], torch.tensor([1.0, 1.5, 1.75]))


def test_an_unknown_kind_is_named():
    model = memnets.DeltaNet(3, 8, heads=2)
    model.layers[0].record = lambda x, state: {"mood": Record(x, "mood")}
    with memnets.trace(model), pytest.raises(ValueError, match=r"mood is a 'mood', but a kind is one of weighting"):
        model(sequences(dtype=torch.float32))


def test_records_of_another_shape_are_named():
    model = memnets.DeltaNet(3, 8, heads=2)
    model.layers[0].record = lambda x, state: {"mood": Record(x[:, :1], "vector")}
    with memnets.trace(model), pytest.raises(ValueError, match=r"mood.*give values \(B, T, \.\.\.\)"):
        model(sequences(dtype=torch.float32))


def test_the_network_within_a_model_is_found():
    model = memnets.LanguageModel("ab", network=memnets.DeltaNet(8, 8, heads=2))
    with memnets.trace(model) as trace:
        model(torch.tensor([[0, 1, 1]]))
    assert trace["memory"].shape == (1, 3, 2, 4, 4)
