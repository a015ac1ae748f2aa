"""Whole numbers of any size in a batch, against Python's own."""

import random

import torch
from formal_batches import seeded

from memnets_tasks.formal import _numbers as numbers


def drawn(count, width, seed=0):
    """Numbers of up to so many bits, the extreme ones among them, and their bits."""
    source = random.Random(seed)
    values = [0, 1, 2**width - 1, 2 ** (width - 1)] + [source.getrandbits(width) for _ in range(count - 4)]
    return values, torch.tensor([[value >> i & 1 for i in range(width)] for value in values])


def read(bits):
    return [sum(bit << i for i, bit in enumerate(row)) for row in bits.tolist()]


def test_arithmetic_is_that_of_python():
    for width, other in ((1, 1), (24, 5), (25, 24), (250, 249), (700, 300)):
        (a, bits), (b, more) = drawn(50, width), drawn(50, other, seed=1)
        limbs, also = numbers.to_limbs(bits), numbers.to_limbs(more)
        assert read(numbers.to_bits(limbs, width)) == a
        assert read(numbers.to_bits(numbers.add(limbs, also), width + other + 1)) == [x + y for x, y in zip(a, b)]
        assert read(numbers.to_bits(numbers.multiply(limbs, also), width + other)) == [x * y for x, y in zip(a, b)]
        assert numbers.bit_length(bits).tolist() == [x.bit_length() for x in a]
        shuffled = bits.flip(0)
        signs = [(x > y) - (x < y) for x, y in zip(a, reversed(a))]
        assert numbers.compare(bits, shuffled).tolist() == signs


def test_positive_numbers_have_no_more_bits_than_asked_for():
    width = torch.tensor([0, 1, 2, 30] * 50)
    bits = numbers.draw_positive(width, 30, seeded())
    assert (numbers.bit_length(bits) <= width).all()
    assert ((numbers.bit_length(bits) > 0) == (width > 0)).all()
