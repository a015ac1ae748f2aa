"""Which unit of a network knows what: each unit's numbers over a text, and how well they foretell a feature of it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..base.modes import evaluating
from ..base.state import named_tensors
from ..models.language_model import LanguageModel

CONTROLS = 20
"""Shuffled controls of a feature."""


class Units(NamedTuple):
    """What each unit of a network held after each character.

    Attributes:
        names: of each of the U units, such as "cell 0:17" (layer and number).
        values: ``(T, U)``, float32.
    """

    names: list[str]
    values: np.ndarray


class Found(NamedTuple):
    """The unit that foretells a feature best.

    Attributes:
        unit: its number among :class:`Units`.
        name: its name.
        score: squared correlation with the feature on the half of the text that it was not chosen on.
        control: the largest such score that was found for the feature moved along the text, :data:`CONTROLS` times.
        others: the next best units, by name, with their scores there.
    """

    unit: int
    name: str
    score: float
    control: float
    others: dict[str, float]


@torch.no_grad()
def record_units(model: LanguageModel, tokens: Tensor) -> Units:
    """Read a text step by step, and keep what the units hold after each character.

    The units are those of the network's cells and hidden states, of a memory network's controller too; where there are
    none, as in a Transformer, its outputs.

    Args:
        model: a language model.
        tokens: ``(T,)``, the text as classes.
    """
    tokens = tokens.to(model.embedding.weight.device)
    state, rows = model.initial_state(1), []
    names = [own for name, part in _units_of(state).items() for own in _names(name, part[0])]
    with evaluating(model):
        if not names:  # outputs come of many steps at once
            for piece in tokens.split(PIECE):
                features, state = model.network(model.embedding(piece.unsqueeze(0)), state)
                rows.append(features[0].float().cpu())  # (T, U)
            values = torch.cat(rows)
            return Units([f"output 0:{unit}" for unit in range(values.shape[1])], values.numpy())
        for token in tokens:
            _, state = model.network(model.embedding(token.view(1, 1)), state)
            rows.append(torch.cat([part.float().flatten() for part in _units_of(state).values()]).cpu())
    return Units(names, torch.stack(rows).numpy())


PIECE = 256
"""Steps at once of a network whose outputs are looked at."""


def _units_of(state: Any) -> dict[str, Tensor]:
    """The cells and hidden states of a state by name."""
    return {name: part for name, part in named_tensors(state) if name.split(".")[-1] in ("cell", "hidden")}


def _names(name: str, part: Tensor) -> list[str]:
    """Of each number of a state's field ``(L, H)``: field, layer, unit."""
    short = name.split(".")[-1]
    return [f"{short} {layer}:{unit}" for layer in range(part.shape[0]) for unit in range(part.shape[1])]


def rank_units(units: Units, features: Mapping[str, np.ndarray], *, seed: int = 0) -> dict[str, Found]:
    """The best unit for each feature that varies in both halves of the text.

    A unit is chosen on the first half and scored on the second. The control goes through the same with the feature
    moved along the text by a random distance: it has the feature's own rhythm, and nothing to do with the units.

    Args:
        units: what :func:`record_units` gave, of T characters.
        features: each ``(T,)``, by name.
        seed: of the distances.
    """
    half = len(units.values) // 2
    halves = units.values[:half], units.values[half:]
    drawn = np.random.default_rng(seed)
    found = {}
    for name, feature in features.items():
        if np.ptp(feature[:half]) and np.ptp(feature[half:]):
            order, scores = _choose(halves, feature)
            moved = (
                np.roll(feature, int(n)) for n in drawn.integers(len(feature) // 10, len(feature) * 9 // 10, CONTROLS)
            )
            control = max(float(scored[best[0]]) for best, scored in (_choose(halves, other) for other in moved))
            others = {units.names[n]: float(scores[n]) for n in order[1:5]}
            found[name] = Found(int(order[0]), units.names[order[0]], float(scores[order[0]]), control, others)
    return found


def _choose(halves: tuple[np.ndarray, np.ndarray], feature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Units by squared correlation with a feature on the first half, and their squared correlations on the second."""
    first = squared_correlations(halves[0], feature[: len(halves[0])])
    second = squared_correlations(halves[1], feature[len(halves[0]) :])
    return np.argsort(-first), second


def squared_correlations(values: np.ndarray, feature: np.ndarray) -> np.ndarray:
    """``(U,)`` of values ``(T, U)`` and a feature ``(T,)``: the share of its variance that a line of each explains."""
    values = values - values.mean(0)
    feature = feature - feature.mean()
    power = (values**2).sum(0) * (feature**2).sum()
    return np.where(power > 1e-12, (feature @ values) ** 2 / np.maximum(power, 1e-12), 0.0)
