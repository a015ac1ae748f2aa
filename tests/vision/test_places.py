"""Where to look: chances by loops, scores as autograd gives them, and that draws follow the chances."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from memnets.vision.places import place_in, place_near


def chances_by_a_loop(maps, query, last):
    """A softmax over cells of what the query makes of a cell's maps and of its middle: places, and their chances."""
    _, height, width = maps.shape
    places, fits = [], []
    for i in range(height):
        for j in range(width):
            x, y = (j + 0.5) / width * 2 - 1, (i + 0.5) / height * 2 - 1
            shown = sum(query[k] * maps[k, i, j] for k in range(len(maps)))
            places.append((x, y))
            right, down = x - last[0], y - last[1]
            fits.append(shown + query[-4] * right + query[-3] * down + query[-2] * right**2 + query[-1] * down**2)
    chances = np.exp(np.array(fits) - max(fits))
    return np.array(places), chances / chances.sum()


def test_cells_are_chosen_by_what_they_show_and_where_they_are():
    torch.manual_seed(0)
    maps, query = torch.randn(3, 2, 4, 6, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    last = torch.rand(3, 2, dtype=torch.float64) - 0.5
    best = place_in(maps, query, last, draw=False)
    assert best.score.shape == (3, 24)
    for b in range(3):
        places, chances = chances_by_a_loop(maps[b].numpy(), query[b].numpy(), last[b].numpy())
        np.testing.assert_allclose(best.place[b], places[chances.argmax()], atol=1e-12)
        np.testing.assert_allclose(best.log_chance[b], np.log(chances.max()), atol=1e-12)
        np.testing.assert_allclose(best.score[b], np.eye(24)[chances.argmax()] - chances, atol=1e-12)
    many = 4000
    first = [part[:1].expand(many, *part.shape[1:]) for part in (maps, query, last)]
    drawn = place_in(*first, draw=True)
    places, chances = chances_by_a_loop(maps[0].numpy(), query[0].numpy(), last[0].numpy())
    found = (torch.cdist(drawn.place, torch.as_tensor(places)) < 1e-9).double().mean(0).numpy()
    np.testing.assert_allclose(found, chances, atol=4 * np.sqrt(0.25 / many))


def test_a_query_looks_for_a_place():
    """x0 and y0 twice, and minus one: a bell around (x0, y0), as seen from the last place."""
    query, last = 50 * torch.tensor([[0.0, 2 * 0.6, 2 * -0.3, -1.0, -1.0]]), torch.tensor([[0.0, 0.0], [-0.4, 1.0]])
    places = place_in(torch.rand(1, 1, 10, 10).expand(2, 1, 10, 10), query.expand(2, 5), last, draw=False).place
    assert_close(places, torch.tensor([[0.5, -0.3], [0.3, 0.7]]))


def test_the_same_query_finds_what_is_next_to_the_right_in_any_row():
    maps = torch.zeros(1, 1, 8, 8)
    for row, column in ((6, 1), (2, 3), (5, 6)):
        maps[0, 0, row, column] = 1.0
    query = torch.tensor([[1000.0, 2 * 0.6, 0.0, -1.0, 0.0]])  # where something is, best 0.6 to the right
    place, found = torch.tensor([[-0.6, 0.6]]), []
    for _ in range(2):
        place = place_in(maps, query, place, draw=False).place
        found.append(((place[0] + 1) * 4 - 0.5).tolist())
    assert found == [[3.0, 2.0], [6.0, 5.0]]  # columns and rows


@pytest.mark.parametrize("draw", [True, False])
def test_scores_are_the_gradients_of_the_logarithm(draw):
    torch.manual_seed(0)
    mean = (torch.rand(5, 2, dtype=torch.float64) - 0.5).requires_grad_()
    choice = place_near(mean, 0.1, draw=draw)
    assert_close(torch.autograd.grad(choice.log_chance.sum(), mean)[0], choice.score)
    normal = torch.distributions.Normal(mean, 0.1).log_prob(choice.place).sum(1)
    assert_close(choice.log_chance, normal + np.log(2 * np.pi))
    maps = torch.randn(5, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    query = torch.eye(5, dtype=torch.float64)[:1].expand(5, 5)  # the map itself
    choice = place_in(maps, query, mean, draw=draw)
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


def test_means_near_an_edge_are_not_pulled_inwards():
    """A score is zero on average, whatever the mean: a reward that is always the same teaches nothing."""
    torch.manual_seed(0)
    choice = place_near(torch.tensor([[0.95, -0.95]]).expand(10_000, 2), 0.2, draw=True)
    assert choice.place.abs().max() == 1
    assert_close(choice.score.mean(0), torch.zeros(2), atol=4 / 0.2 / 100, rtol=0)
