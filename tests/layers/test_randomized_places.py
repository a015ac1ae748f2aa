"""Places that are drawn: Ruoss et al. 2023."""

import pytest
import torch
from torch.testing import assert_close

import memnets
from memnets.layers import AttentionLayer
from memnets.layers.positions import draw_places
from oracles.layers import attention_layer

KINDS = ["sinusoidal", "rotary", "alibi"]


def inputs(steps=5, size=8, seed=0):
    return torch.randn(2, steps, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("positions", KINDS)
def test_a_layer_takes_its_steps_for_where_they_stand(positions):
    layer, places = AttentionLayer(8, 2, positions=positions).double(), [1, 2, 7, 30, 41]
    wanted, _ = attention_layer(2, positions, places)(
        inputs().numpy(), {name: w.detach().numpy() for name, w in layer.named_parameters()}
    )
    found = layer(inputs(), places=torch.tensor([places]))[0]
    assert_close(found.detach(), torch.from_numpy(wanted))
    assert not torch.allclose(found, layer(inputs())[0])


def test_places_ascend_and_none_comes_twice():
    torch.manual_seed(0)
    drawn = torch.stack([draw_places(20, 40)[0] for _ in range(200)])
    assert (drawn.diff(dim=1) > 0).all()
    assert (drawn.min(), drawn.max()) == (0, 39)
    assert len({tuple(row) for row in drawn.tolist()}) == 200
    share = torch.bincount(drawn.flatten(), minlength=40) / 200
    assert_close(share, torch.full((40,), 0.5), atol=0.13, rtol=0)
    assert draw_places(40, 40).tolist() == [list(range(40))]


@pytest.mark.parametrize("positions", KINDS)
def test_training_draws_anew_and_evaluation_does_not(positions):
    model = memnets.Transformer(8, 8, heads=2, num_layers=2, positions=positions, randomized=50).double()
    first, second = model(inputs())[0], model(inputs())[0]
    assert not torch.allclose(first, second)
    model.eval()
    found = model(inputs())[0]
    assert torch.equal(found, model(inputs())[0])
    assert_close(model(inputs()[:1])[0], found[:1])  # whatever else is in the batch
    padded = torch.cat([inputs(), torch.full((2, 1, 8), 9.0)], 1)
    assert_close(model(padded, None, [5, 5])[0][:, :5], found)


def test_only_whole_sequences_and_no_more_steps_than_places():
    model = memnets.Transformer(8, 8, heads=2, randomized=6).double()
    _, state = model(inputs())
    with pytest.raises(ValueError, match=r"state has 5 steps, but with randomized=6 .* pass state=None"):
        model(inputs(), state)
    with pytest.raises(ValueError, match=r"has 7 steps, but their places are drawn from 6: .* randomized=7 or more"):
        model(inputs(7))
    with pytest.raises(ValueError, match="randomized is 6, but positions is 'none': choose sinusoidal"):
        memnets.Transformer(8, 8, positions="none", randomized=6)
    with pytest.raises(ValueError, match="randomized is 0, but must be at least 1"):
        memnets.Transformer(8, 8, randomized=0)
