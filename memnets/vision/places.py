"""Choosing a place in an image: around a mean, or one of the cells of maps."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

COORDINATES = 4
"""Numbers that a query has for where a cell is, after those for what its maps show: of x, y, x^2 and y^2."""


class Choice(NamedTuple):
    """A place for each image of a batch, and what REINFORCE needs to teach it (Williams 1992).

    Attributes:
        place: ``(B, 2)``, x and y from -1, the left and upper edge, to 1. No gradient goes to one that was chosen.
        log_chance: ``(B,)``, the logarithm of the chance that it was chosen, or of the density but for a constant.
        score: ``(B, D)``, the gradient of that with respect to the D numbers that the policy says. Has no gradient.
    """

    place: Tensor
    log_chance: Tensor
    score: Tensor


def place_near(mean: Tensor, deviation: float, *, draw: bool) -> Choice:
    """A place drawn from a normal distribution around ``mean (B, 2)``, or the mean itself; D is 2.

    What is drawn outside the image is looked at on its edge; its chance is that of what was drawn.

    Source:
        Mnih et al. 2014, "Recurrent models of visual attention", arXiv:1406.6247, section 4.
    """
    drawn = mean.detach()
    if draw:
        drawn = drawn + deviation * torch.randn_like(drawn)
    apart = (drawn - mean) / deviation  # of what was drawn: that of the edge would pull every mean inwards
    log_chance = -(apart**2).sum(-1) / 2 - 2 * math.log(deviation)
    return Choice(drawn.clamp(-1, 1), log_chance, apart.detach() / deviation)


def place_in(maps: Tensor, query: Tensor, last: Tensor, *, draw: bool) -> Choice:
    """The middle of a cell, drawn from a softmax over how well cells fit a query, or the one that fits best.

    What a cell shows and where it is both count: the scalar product of the query with the cell's K maps, and x, y,
    ``x^2`` and ``y^2`` as seen from the last place. With these a query says "somewhat to the right of what was seen,
    in any row" in the same words wherever that was; without squares of each it could only say "around this point".

    Args:
        maps: ``(B, K, h, w)``, of an image as a whole.
        query: ``(B, K + 4)``.
        last: ``(B, 2)``, the place that was looked at before, from which no gradient comes; zeros are the middle.
        draw: rather than take the best.

    Returns:
        The choice; D is ``h * w``, the cells.

    Source:
        Elsayed et al. 2019, "Saccader: improving accuracy of hard attention models for vision", arXiv:1908.07644,
        section 3, for places drawn from a softmax over a map of the image.
    """
    height, width = maps.shape[-2:]
    y = (2 * torch.arange(height, device=maps.device, dtype=maps.dtype) + 1) / height - 1
    x = (2 * torch.arange(width, device=maps.device, dtype=maps.dtype) + 1) / width - 1
    middles = torch.stack([x.repeat(height), y.repeat_interleave(width)], dim=1)  # (h w, 2)
    apart = middles - last.detach().unsqueeze(1)  # (B, h w, 2)
    where = torch.cat([apart, apart**2], dim=2)  # (B, h w, 4)
    said, said_where = query.split([maps.shape[1], COORDINATES], dim=1)
    fits = torch.einsum("bk,bkn->bn", said, maps.flatten(2)) + torch.einsum("bc,bnc->bn", said_where, where)
    log_chances = fits.log_softmax(-1)
    chances = log_chances.detach().exp()
    cell = torch.multinomial(chances, 1) if draw else chances.argmax(1, keepdim=True)  # (B, 1)
    score = torch.zeros_like(chances).scatter_(1, cell, 1.0) - chances
    return Choice(middles[cell.squeeze(1)], log_chances.gather(1, cell).squeeze(1), score)
