"""Bent characters, against a NumPy float64 loop over pixels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memnets_tasks import DigitLines
from memnets_tasks.images.distort import INK, cut, distort


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sampled(image: np.ndarray, y: float, x: float) -> float:
    """Bilinear, zero outside; pixel centres at whole numbers."""
    total = 0.0
    for row in (int(np.floor(y)), int(np.floor(y)) + 1):
        for column in (int(np.floor(x)), int(np.floor(x)) + 1):
            if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
                total += image[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def bent(image: np.ndarray, width: int, draws: np.ndarray, strength: float) -> np.ndarray:
    """Scale, shear, turn, move to the middle of the character, displace, press."""
    size = len(image)
    angle, slant = strength * 0.2 * draws[0], strength * 0.25 * draws[1]
    across = np.exp(strength * np.interp(draws[2], [-1, 1], [-0.25, 0.15]))
    down = np.exp(strength * np.interp(draws[3], [-1, 1], [-0.2, 0.05]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, slant], [0, 1]]) @ np.diag([1 / across, 1 / down])
    field = 0.06 * strength * draws[5:].reshape(2, 3, 3) * size  # pixels
    result = np.zeros_like(image)
    for i in range(size):
        for j in range(size):
            x, y = matrix @ np.array([j - (size - 1) / 2, i - (size - 1) / 2])
            x += (width - 1) / 2
            y += (size - 1) / 2
            down_field, right_field = 2 * i / (size - 1), 2 * j / (size - 1)
            x += sampled(field[0], down_field, right_field)
            y += sampled(field[1], down_field, right_field)
            result[i, j] = sampled(image, y, x)
    return result ** np.exp(strength * 0.4 * draws[4])


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
def test_against_a_loop_over_pixels(strength):
    size, n = 9, 4
    images = torch.rand(n, size, size, generator=seeded(1))
    images, widths = cut(images * (torch.arange(size) < torch.tensor([9, 5, 3, 7]).view(-1, 1, 1)))
    draws = 2 * torch.rand(n, 23, generator=seeded(2)) - 1
    got, covered = distort(images, widths, strength, seeded(2))
    for b in range(n):
        whole = bent(images[b].double().numpy(), int(widths[b]), draws[b].double().numpy(), strength)
        (columns,) = np.nonzero((whole > INK).any(0))
        kept = whole[:, columns[0] : columns[-1] + 1]
        assert int(covered[b]) == kept.shape[1]
        np.testing.assert_allclose(got[b, :, : kept.shape[1]], kept, atol=2e-5)
        assert not got[b, :, kept.shape[1] :].any()


def test_no_strength_leaves_characters_as_they_are():
    images, widths = cut(torch.rand(5, 14, 14, generator=seeded()))
    same, covered = distort(images, widths, 0.0, seeded(1))
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)
    assert torch.equal(covered, widths)


@given(st.integers(0, 10), st.integers(1, 4), st.integers(0, 99))
def test_characters_are_cut_to_their_ink(left, width, seed):
    images = torch.zeros(2, 14, 14)
    images[0, :, left : left + width] = 0.3 + 0.7 * torch.rand(14, width, generator=seeded(seed))
    shifted, widths = cut(images)  # the second is blank
    assert widths.tolist() == [width, 1]
    assert torch.equal(shifted[0, :, :width], images[0, :, left : left + width])
    assert not shifted[0, :, width:].any()
    assert not shifted[1].any()


def test_lines_of_bent_digits_have_their_boxes_and_nothing_else_is_drawn():
    plain, task = DigitLines(jitter=0), DigitLines(jitter=0, distortion=1.0)
    batch, straight = task.sample(8, 6, seeded(5)), plain.sample(8, 6, seeded(5))
    assert batch.texts == straight.texts
    assert not torch.equal(batch.boxes, straight.boxes)
    for line, boxes, width in zip(batch.images, batch.boxes, batch.widths):
        assert boxes[-1, 1] <= width
        outside = torch.ones(line.shape[-1], dtype=torch.bool)
        for left, right in boxes.int().tolist():
            outside[left:right] = False
            assert (line[0, :, left] > INK).any()
            assert (line[0, :, right - 1] > INK).any()
        assert not line[..., outside].any()
    assert torch.equal(task.sample(8, 6, seeded(5)).images, batch.images)


def test_arguments():
    with pytest.raises(ValueError, match="distortion is -1; give a number of at least 0"):
        DigitLines(distortion=-1)
