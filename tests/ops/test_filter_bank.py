"""DRAW's filters against loops, and what they read and write."""

import pytest
import torch
from drawn import assert_equals_oracle, assert_gradients, finite_with_gradients, normal, uniform
from torch.testing import assert_close

from memnets.ops.filter_bank import attention_window, filter_bank, filters, read_patch, write_patch
from oracles import draw


def of(function, *numbers):
    return lambda *tensors: function(*tensors, *numbers)


def test_equal_to_the_loops():
    assert_equals_oracle(of(attention_window, 7, 9, 3), of(draw.attention_window, 7, 9, 3), (normal(2, 5),))
    place = (4 + normal(3), 1 + uniform(3), 0.5 + uniform(3, seed=1))
    assert_equals_oracle(of(filter_bank, 8, 3), of(draw.filter_bank, 8, 3), place)
    down, across, gamma = uniform(2, 3, 6), uniform(2, 3, 7), 1 + uniform(2)
    assert_equals_oracle(read_patch, draw.read_patch, (normal(2, 6, 7), down, across, gamma))
    assert_equals_oracle(write_patch, draw.write_patch, (normal(2, 3, 3), down, across, gamma))
    assert_gradients(of(filter_bank, 6, 3), place)


def test_filters_of_no_width_read_and_write_single_pixels():
    """With a stride of one and hardly any variance a window is a crop."""
    values = torch.tensor([[0.0, 0.0, -9.0, 0.0, 0.0]], dtype=torch.float64)
    seen = attention_window(values, 5, 5, 5)
    down, across = filters(seen, 5, 5, 5)
    image = normal(1, 5, 5)
    assert_close(read_patch(image, down, across, seen.intensity), image)
    assert_close(write_patch(image, down, across, seen.intensity), image)
    shifted = seen._replace(x=seen.x + 1)
    assert_close(read_patch(image, *filters(shifted, 5, 5, 5), seen.intensity)[..., :-1], image[..., 1:])


@pytest.mark.parametrize("scale", [30.0, -30.0])
def test_windows_far_outside_and_of_extreme_widths(scale):
    def bank(values):
        seen = attention_window(values, 6, 6, 3)
        return torch.cat([part.flatten() for part in filters(seen, 6, 6, 3)])

    found = finite_with_gradients(bank, torch.full((1, 5), scale, dtype=torch.float64))
    assert_close(found.view(2, 3, 6).sum(-1), torch.ones(2, 3), check_dtype=False)
