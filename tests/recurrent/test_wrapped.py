"""Cells whose parts were wrapped, quantised, or have no parameters."""

import warnings
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import memnets

INPUTS = torch.linspace(-1, 1, 24).view(2, 4, 3)


class Adapted(nn.Module):
    """A frozen layer and a low-rank change of it (LoRA)."""

    def __init__(self, base: nn.Linear, rank: int = 2):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down, self.up = nn.Linear(base.in_features, rank, bias=False), nn.Linear(rank, base.out_features)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


def ntm(**options):
    torch.manual_seed(0)
    return memnets.NTM(3, 5, output_size=2, slots=4, width=3, **options)


def test_an_adapted_layer_runs_everywhere_and_is_traced():
    found = []
    for backend in ("reference", "fused"):
        model = ntm(backend=backend)
        model.cell.interface, model.output = Adapted(model.cell.interface), Adapted(model.output)
        outputs, _ = model(INPUTS, lengths=[4, 2])
        outputs.square().sum().backward()
        assert model.cell.interface.base.weight.grad is None
        found.append([outputs, model.cell.interface.down.weight.grad])
    assert_close(*found)
    with memnets.trace(model) as trace:
        model(INPUTS)
    assert trace["reads"].shape == (2, 4, 1, 3)


def test_a_quantised_module_runs_as_the_plain_cell():
    model = ntm().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would have us use another package
        small = torch.ao.quantization.quantize_dynamic(model, {nn.Linear, nn.LSTMCell}, dtype=torch.qint8)
    assert_close(small(INPUTS)[0], model(INPUTS)[0], rtol=0.1, atol=0.05)


class DecayState(NamedTuple):
    sum: torch.Tensor


class Decay(nn.Module):
    """A running sum; nothing to learn."""

    input_size = output_size = 3

    def initial_state(self, batch_size, *, device=None, dtype=None):
        return DecayState(torch.zeros(batch_size, 3, device=device, dtype=dtype))

    def forward(self, x, state):
        after = 0.5 * state.sum + x
        return after, DecayState(after)


@pytest.mark.parametrize("options", [{}, {"output_size": 2}, {"vocabulary": 5}])
def test_a_cell_without_parameters(options):
    model = memnets.Recurrent(Decay(), **options)
    inputs = torch.tensor([[0, 4, 1, 2], [3, 3, 0, 1]]) if "vocabulary" in options else INPUTS
    outputs, state = model(inputs, lengths=[4, 2])
    assert outputs.shape == (2, 4, options.get("output_size", 3))
    assert "no parameters" in model.backend_report()["fused"]
    if not options:
        assert_close(state.sum[1], 0.5 * INPUTS[1, 0] + INPUTS[1, 1])
