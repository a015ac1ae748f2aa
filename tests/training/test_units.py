"""Units that know a feature are found, and none where there is none."""

import numpy as np
import pytest
import torch

import memnets
from memnets.training.units import Units, rank_units, record_units, squared_correlations


def test_squared_correlations_are_those_of_numpy():
    values = np.random.default_rng(0).normal(size=(50, 3))
    feature = values[:, 1] + np.random.default_rng(1).normal(size=50)
    expected = [np.corrcoef(values[:, unit], feature)[0, 1] ** 2 for unit in range(3)]
    np.testing.assert_allclose(squared_correlations(values, feature), expected)
    assert (squared_correlations(np.ones((50, 2)), feature) == 0).all()


def test_the_unit_that_knows_is_found_and_others_are_chance():
    drawn = np.random.default_rng(0)
    values = drawn.normal(size=(4000, 30))
    feature = np.repeat(drawn.integers(0, 2, 400), 10).astype(float)
    values[:, 17] += 4 * feature
    units = Units([f"cell 0:{unit}" for unit in range(30)], values)
    found = rank_units(units, {"known": feature, "unknown": np.roll(feature, 77), "constant": np.ones(4000)})
    assert found.keys() == {"known", "unknown"}
    assert (found["known"].unit, found["known"].name) == (17, "cell 0:17")
    assert found["known"].score > 0.7 > 0.2 > found["known"].control
    assert found["unknown"].score < 0.2


@pytest.mark.parametrize(
    ("network", "names"),
    [
        (lambda: memnets.LSTM(4, 3, num_layers=2), ["hidden 0:0", "cell 1:2"]),
        (lambda: memnets.NTM(4, 3, slots=5, width=2, backend="reference"), ["hidden 0:2", "cell 0:0"]),
        (lambda: memnets.Transformer(4, 6, heads=2), ["output 0:5"]),
    ],
)
def test_units_are_read_step_by_step(network, names, monkeypatch):
    monkeypatch.setattr("memnets.training.units.PIECE", 4)
    torch.manual_seed(0)
    model = memnets.LanguageModel("abc", network=network())
    tokens = torch.randint(4, (9,))
    units = record_units(model, tokens)
    assert set(names) <= set(units.names)
    assert units.values.shape == (9, len(units.names))
    _, state = model(tokens.unsqueeze(0))
    if names[0] == "hidden 0:0":
        torch.testing.assert_close(torch.from_numpy(units.values[-1, 6:]), state.cell.detach().flatten())
    elif names[0].startswith("output"):
        outputs = model.network(model.embedding(tokens.unsqueeze(0)))[0]
        torch.testing.assert_close(torch.from_numpy(units.values), outputs[0].detach())
