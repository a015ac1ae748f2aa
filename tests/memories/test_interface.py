"""The table of what a controller emits."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from memnets import Interface, Part

PARTS = {
    "key": Part((2, 3), "tanh"),
    "add": Part((3,), "tanh"),
    "gate": Part((2,), "sigmoid", bias=-2.0),
    "amount": Part((), "softplus"),
    "power": Part((2,), "oneplus"),
    "shift": Part((2, 3), "softmax"),
    "modes": Part((4,), "softmax"),
    "raw": Part((1,)),
    "open": Part((2,), "relu"),
}


def test_parts_stand_in_order_and_are_activated_each():
    interface = Interface(**PARTS)
    emission = torch.randn(5, interface.size)
    parts = interface(emission)
    assert parts._fields == tuple(PARTS)
    plain = {
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "softplus": lambda x: torch.log1p(x.exp()),
        "oneplus": lambda x: 1 + torch.log1p(x.exp()),
        "softmax": lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
        "none": lambda x: x,
        "relu": lambda x: x.clamp(min=0),
    }
    start = 0
    for name, part in PARTS.items():
        assert interface.places[name] == slice(start, start + part.size)
        own = emission[:, start : start + part.size].reshape(5, *part.shape)
        assert_close(getattr(parts, name), plain[part.activation](own))
        start += part.size
    assert start == interface.size


def test_starting_biases_stand_where_the_part_does():
    interface, projection = Interface(**PARTS), nn.Linear(3, 32)
    before = projection.bias.clone()
    interface.initialise(projection)
    added = projection.bias - before
    assert_close(added[interface.places["gate"]], torch.full((2,), -2.0))
    assert added.ne(0).sum() == 2
    interface.initialise(nn.Linear(3, 32, bias=False))


def test_copies_and_pickles_are_equal():
    interface = Interface(**PARTS)
    for twin in (copy.deepcopy(interface), pickle.loads(pickle.dumps(interface))):
        assert twin == interface
        assert twin(torch.ones(1, twin.size))._fields == tuple(PARTS)
    assert interface != Interface(key=Part((2,)))


@pytest.mark.parametrize(
    ("parts", "error", "found"),
    [
        ({}, ValueError, "at least one part"),
        ({"key": Part((0, 3))}, ValueError, "key is 0, but must be at least 1"),
        ({"key": Part((2.0,))}, TypeError, r"key is 2\.0"),
        ({"key": Part((2,), "swish")}, ValueError, "'swish', but must be one of none, tanh"),
        ({"key": Part((), "softmax")}, ValueError, "key is a single number.*give it a shape"),
        ({"key": Part((2,), "tanh", float("inf"))}, ValueError, "bias.*key is inf"),
    ],
)
def test_parts_that_cannot_be(parts, error, found):
    with pytest.raises(error, match=found):
        Interface(**parts)
