"""Models of blocks: dropout, saving, states of several blocks, one compiled graph for all lengths."""

import pytest
import torch
from torch.testing import assert_close

import memnets
from cases import assert_same_state
from memnets.base.state import index_state, stack_states

MODELS = [memnets.DeltaNet, memnets.GatedDeltaNet, memnets.LinearAttention, memnets.Transformer]
every_model = pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
INPUTS = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))


@every_model
def test_dropout_is_at_work_in_training_alone(kind):
    model = kind(4, 8, heads=2, dropout=0.5, output_size=2)
    assert not torch.equal(model(INPUTS)[0], model(INPUTS)[0])
    model.eval()
    assert torch.equal(model(INPUTS)[0], model(INPUTS)[0])
    plain = kind(4, 8, heads=2, output_size=2)
    plain.load_state_dict(model.state_dict())
    assert torch.equal(plain(INPUTS)[0], model(INPUTS)[0])


@every_model
def test_saved_and_loaded(kind, tmp_path):
    model = kind(4, 8, heads=2, num_layers=2, vocabulary=6, output_size=6, feedforward_size=10)
    tokens = torch.randint(6, (2, 7))
    outputs, state = model(tokens)
    again = kind.from_pretrained(model.save_pretrained(tmp_path / "model"))
    assert torch.equal(again(tokens)[0], outputs)
    torch.save(state, tmp_path / "state.pt")
    assert_same_state(torch.load(tmp_path / "state.pt", weights_only=True), state, rtol=0, atol=0)


@every_model
def test_blocks_have_states_of_their_own(kind):
    model = kind(4, 8, heads=2, num_layers=3)
    _, state = model(INPUTS)
    assert all(tensor.shape[:2] == (3, 3) for tensor in state)
    assert not torch.equal(state[0][:, 0], state[0][:, 1])


@every_model
def test_one_graph_for_all_lengths(kind):
    torch._dynamo.reset()
    model = kind(4, 8, heads=2).double()
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(model, backend=backend, fullgraph=True)
    for lengths in ([2, 5, 0], [5, 5, 5], [1, 0, 3]):
        outputs, state = compiled(INPUTS.double(), lengths=torch.tensor(lengths))
        expected, last = model(INPUTS.double(), lengths=lengths)
        assert_close(outputs, expected)
        assert_same_state(state, last)
    assert len(graphs) == 1


def test_caches_of_different_ages_join():
    model = memnets.Transformer(4, 8, heads=2).double()
    inputs = INPUTS.double()
    old, young = model(inputs[:2, :4])[1], model(inputs[2:, :1])[1]
    state = stack_states([old, young], pad=True)
    outputs, state = model(inputs[:, 4:], state)
    assert_close(outputs[:2], model(inputs[:2])[0][:, 4:])
    assert_close(outputs[2:], model(inputs[2:, [0, 4]])[0][:, 1:])
    assert state.steps.tolist() == [[5], [5], [2]]
    assert_same_state(index_state(state, 2), model(inputs[2:, [0, 4]])[1])


def test_a_state_of_another_model_is_named():
    inputs = INPUTS[:, :1]
    _, state = memnets.DeltaNet(4, 8, heads=2)(inputs)
    with pytest.raises(TypeError, match=r"state is a DeltaNetState.*is a AttentionState"):
        memnets.Transformer(4, 8, heads=2)(inputs, state)
    with pytest.raises(ValueError, match=r"\(3, 1, 2, 4, 4\) where \(3, 1, 4, 2, 2\)"):
        memnets.DeltaNet(4, 8, heads=4)(inputs, state)
