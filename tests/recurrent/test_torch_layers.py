"""The baselines are torch's own layers, number for number."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import memnets
from cases import BASELINES, sequences

LAYERS = {memnets.LSTM: nn.LSTM, memnets.GRU: nn.GRU, memnets.RNN: nn.RNN}
every_baseline = pytest.mark.parametrize("kind", BASELINES, ids=lambda kind: kind.__name__)


def pair(kind, **arguments):
    """A baseline and torch's layer with the same weights."""
    module = kind(3, 5, **arguments).double()
    layer = LAYERS[kind](3, 5, arguments.get("num_layers", 1), batch_first=True).double()
    layer.load_state_dict(module.layer.state_dict())
    return module, layer


def to_torch(state):
    parts = tuple(part.transpose(0, 1).contiguous() for part in state)  # (L, B, H)
    return parts if len(parts) > 1 else parts[0]


def assert_last(state, last):
    last = last if isinstance(last, tuple) else (last,)
    assert all(torch.equal(got, want.transpose(0, 1)) for got, want in zip(state, last, strict=True))


@every_baseline
@pytest.mark.parametrize("num_layers", [1, 3])
def test_equals_torch_exactly(kind, num_layers):
    module, layer = pair(kind, num_layers=num_layers)
    inputs = sequences()
    outputs, state = module(inputs)
    expected, last = layer(inputs)
    assert torch.equal(outputs, expected)
    assert_last(state, last)
    outputs, again = module(inputs, state)
    expected, last = layer(inputs, last)
    assert torch.equal(outputs, expected)
    assert_last(again, last)


@every_baseline
def test_gradients_equal_torch_exactly(kind):
    module, layer = pair(kind, num_layers=2)
    module(sequences())[0].square().sum().backward()
    layer(sequences())[0].square().sum().backward()
    for got, want in zip(module.layer.parameters(), layer.parameters(), strict=True):
        assert torch.equal(got.grad, want.grad)


@every_baseline
def test_lengths_equal_a_packed_sequence(kind):
    module, layer = pair(kind)
    lengths = torch.tensor([4, 1, 3])
    packed = nn.utils.rnn.pack_padded_sequence(sequences(), lengths, batch_first=True, enforce_sorted=False)
    packed, last = layer(packed)
    expected, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=5)
    outputs, state = module(sequences(), None, lengths)
    assert torch.equal(outputs, expected)
    assert_last(state, last)


@every_baseline
def test_the_projection_is_of_the_hidden_state_and_not_of_the_padding(kind):
    module, layer = pair(kind, output_size=2)
    with torch.no_grad():
        module.output.bias.fill_(3.0)
    outputs, _ = module(sequences(), None, [5, 2, 0])
    hidden, _ = layer(sequences())
    assert_close(outputs[0], module.output(hidden[0]))
    assert_close(outputs[1, :2], module.output(hidden[1, :2]))
    assert outputs[1, 2:].eq(0).all()
    assert outputs[2].eq(0).all()


@every_baseline
def test_the_initial_state_is_zero_with_a_tensor_a_field(kind):
    state = kind(3, 5, num_layers=2).initial_state(4)
    assert type(state) is (memnets.LSTMState if kind is memnets.LSTM else memnets.HiddenState)
    assert len({tensor.data_ptr() for tensor in state}) == len(state)
    for tensor in state:
        assert tensor.shape == (4, 2, 5)
        assert tensor.eq(0).all()


@every_baseline
def test_the_report_names_the_layer_of_torch(kind):
    assert kind(3, 5).backend_report() == {"torch": f"chosen: torch.nn.{kind.__name__}"}


@every_baseline
@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers"])
def test_sizes_below_one(kind, name):
    with pytest.raises(ValueError, match=f"{name} is 0, but must be at least 1"):
        kind(**{"input_size": 3, "hidden_size": 5, name: 0})
