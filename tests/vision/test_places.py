"""Where to look: chances by loops, scores as autograd gives them, and that draws follow the chances."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from memnets.vision.places import place_in, place_near


def chances_by_a_loop(maps, query):
    """A softmax over cells of what the query makes of a cell's maps and of its middle: places, and their chances."""
    _, height, width = maps.shape
    places, fits = [], []
    for i in range(height):
        for j in range(width):
            x, y = (j + 0.5) / width * 2 - 1, (i + 0.5) / height * 2 - 1
            shown = sum(query[k] * maps[k, i, j] for k in range(len(maps)))
            places.append((x, y))
            fits.append(shown + query[-3] * x + query[-2] * y + query[-1] * (x**2 + y**2))
    chances = np.exp(np.array(fits) - max(fits))
    return np.array(places), chances / chances.sum()


def test_cells_are_chosen_by_what_they_show_and_where_they_are():
    torch.manual_seed(0)
    maps, query = torch.randn(3, 2, 4, 6, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    best = place_in(maps, query, draw=False)
    assert best.score.shape == (3, 24)
    for b in range(3):
        places, chances = chances_by_a_loop(maps[b].numpy(), query[b].numpy())
        np.testing.assert_allclose(best.place[b], places[chances.argmax()], atol=1e-12)
        np.testing.assert_allclose(best.log_chance[b], np.log(chances.max()), atol=1e-12)
        np.testing.assert_allclose(best.score[b], np.eye(24)[chances.argmax()] - chances, atol=1e-12)
    many = 4000
    drawn = place_in(maps[:1].expand(many, -1, -1, -1), query[:1].expand(many, -1), draw=True)
    places, chances = chances_by_a_loop(maps[0].numpy(), query[0].numpy())
    found = (torch.cdist(drawn.place, torch.as_tensor(places)) < 1e-9).double().mean(0).numpy()
    np.testing.assert_allclose(found, chances, atol=4 * np.sqrt(0.25 / many))


def test_a_query_looks_for_a_place():
    """x0 and y0 twice, and minus one: a bell around (x0, y0)."""
    query = 50 * torch.tensor([[0.0, 2 * 0.6, 2 * -0.3, -1.0]])
    assert_close(place_in(torch.rand(1, 1, 10, 10), query, draw=False).place, torch.tensor([[0.5, -0.3]]))


@pytest.mark.parametrize("draw", [True, False])
def test_scores_are_the_gradients_of_the_logarithm(draw):
    torch.manual_seed(0)
    mean = (torch.rand(5, 2, dtype=torch.float64) - 0.5).requires_grad_()
    choice = place_near(mean, 0.3, draw=draw)
    assert_close(torch.autograd.grad(choice.log_chance.sum(), mean)[0], choice.score)
    normal = torch.distributions.Normal(mean, 0.3).log_prob(choice.place).sum(1)
    assert_close(choice.log_chance, normal + np.log(2 * np.pi))
    maps = torch.randn(5, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    choice = place_in(maps, torch.eye(4, dtype=torch.float64)[:1].expand(5, 4), draw=draw)  # the map itself
    assert_close(torch.autograd.grad(choice.log_chance.sum(), maps)[0].flatten(1), choice.score)
    assert not choice.place.requires_grad
    assert not choice.score.requires_grad


def test_draws_spread_around_the_mean():
    torch.manual_seed(0)
    mean = torch.tensor([0.2, -0.4])
    drawn = place_near(mean.expand(4000, 2), 0.1, draw=True).place
    assert_close(drawn.mean(0), mean, atol=0.01, rtol=0)
    assert_close(drawn.std(0), torch.full((2,), 0.1), atol=0.005, rtol=0)
    assert place_near(mean.expand(100, 2), 3.0, draw=True).place.abs().max() == 1
