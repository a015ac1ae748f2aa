"""An optimiser's state follows its parameters to the numbers they have now."""

import copy

import torch
from torch import nn

from memnets.training.parameter_order import in_order


class Net(nn.Module):
    def __init__(self, *order):
        super().__init__()
        for name, size in order:
            self.add_module(name, nn.Linear(2, size))

    def forward(self, x):
        return self.a(x).sum() + self.b(x).pow(2).sum()


def test_training_goes_on_as_if_the_order_had_been_this_one_all_along():
    old = Net(("a", 3), ("b", 4))
    new = Net(("b", 4), ("a", 3))
    new.load_state_dict(old.state_dict())
    x = torch.randn(5, 2)
    ours, theirs = (torch.optim.AdamW(net.parameters(), lr=0.1) for net in (new, old))
    for _ in range(3):
        old.zero_grad()
        old(x).backward()
        theirs.step()
    new.load_state_dict(old.state_dict())
    state = copy.deepcopy(theirs.state_dict())
    ours.load_state_dict(in_order(state, old.state_dict(), [name for name, _ in new.named_parameters()]))
    for net, optimizer in ((old, theirs), (new, ours)):
        net.zero_grad()
        net(x).backward()
        optimizer.step()
    for name, value in old.state_dict().items():
        assert torch.equal(new.state_dict()[name], value), name


def test_what_is_in_order_or_of_other_parameters_is_left_as_it_is():
    net = Net(("a", 3), ("b", 4))
    state = torch.optim.SGD(net.parameters(), lr=0.1).state_dict()
    names = list(net.state_dict())
    assert in_order(state, names, names) is state
    assert in_order(state, names[:-1], names) is state
