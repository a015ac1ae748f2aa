"""Product keys: the search finds the best of all keys, and what does not fit."""

import pytest
import torch
from torch.testing import assert_close

import memnets
from memnets.layers import ProductKeyMemory


def test_the_best_of_all_keys_are_found():
    torch.manual_seed(0)
    memory = ProductKeyMemory(6, keys=16, heads=2, neighbours=3, key_width=4).double()
    x = torch.randn(5, 7, 6, dtype=torch.float64)
    shares, slots = memory.look_up(x)
    queries = memory.norm(memory.query(x).unflatten(-1, (2, 4)))  # (5, 7, H, 4)
    first, second = memory.keys.unbind(1)  # (H, 16, 2)
    joined = torch.cat([first.repeat_interleave(16, 1), second.repeat(1, 16, 1)], -1)  # (H, 256, 4)
    scores = torch.einsum("bthd,hnd->bthn", queries, joined)
    best, places = scores.topk(3)
    assert torch.equal(slots, places)
    assert_close(shares, best.softmax(-1))
    assert slots.unique().numel() > 50  # queries are not all alike


def test_the_middle_block_has_it():
    model = memnets.Transformer(3, 8, num_layers=3, heads=2, product_keys=8)
    kinds = [type(block.feedforward) for block in model.blocks]
    assert kinds == [torch.nn.Sequential, ProductKeyMemory, torch.nn.Sequential]
    assert model.blocks[1].feedforward.values.shape == (64, 8)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"keys": 4}, "neighbours is 8, but there are keys=4 half keys: give 4 at most"),
        ({"key_width": 3}, "key_width is 3, but must be even"),
        ({"heads": 0}, "heads is 0, but must be at least 1"),
    ],
)
def test_what_does_not_fit(options, found):
    with pytest.raises(ValueError, match=found):
        ProductKeyMemory(8, **options)
