"""Every module on a CUDA device: what it gives on the CPU, in outputs, last state and all gradients."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from cases import BATCH, STEPS, every_module, leaves_of, numbers_of, sequences, used_state, weighted
from memnets.base.state import map_state, state_tensors

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
LENGTHS = [2, 5, 0]


def results(module: nn.Module, inputs: Tensor, state, lengths) -> list[Tensor]:
    """On the CPU: outputs, numbers of the last state, gradients of inputs, first state and parameters."""
    device = next(module.parameters()).device
    inputs = inputs.to(device).requires_grad_()
    state = leaves_of(map_state(lambda tensor: tensor.to(device), state))
    outputs, last = module(inputs, state, lengths)
    assert {tensor.device for tensor in [outputs, *state_tensors(last)]} == {device}
    found = [outputs, *numbers_of(last)]
    leaves = [inputs, *numbers_of(state), *module.parameters()]
    made = [tensor.cpu() for tensor in found if tensor.requires_grad]
    grads = torch.autograd.grad(weighted(made), leaves, allow_unused=True)
    return [
        t.detach().cpu() for t in (*found, *(torch.zeros_like(x) if g is None else g for g, x in zip(grads, leaves)))
    ]


@every_module
@pytest.mark.parametrize("lengths", [None, LENGTHS, torch.tensor(LENGTHS)], ids=["whole", "lengths", "tensor"])
def test_agrees_with_the_cpu(case, lengths):
    module = case.make()
    inputs, state = sequences(), used_state(module)
    want = results(module, inputs, state, lengths)
    there = copy.deepcopy(module).cuda()
    got = results(there, inputs, state, lengths.cuda() if isinstance(lengths, Tensor) else lengths)
    for a, b in zip(got, want, strict=True):
        assert_close(a, b, rtol=1e-7, atol=1e-9)


@every_module
def test_starts_where_its_parameters_are(case):
    module = case.make(torch.float32).cuda()
    assert {tensor.device.type for tensor in state_tensors(module.initial_state(BATCH))} == {"cuda"}
    outputs, _ = module(sequences(dtype=torch.float32).cuda())
    assert outputs.shape == (BATCH, STEPS, module.output_size)
    assert outputs.isfinite().all()


@every_module
def test_trains_under_autocast(case):
    module = case.make(torch.float32).cuda()
    with torch.autocast("cuda", torch.bfloat16):
        outputs, _ = module(sequences(dtype=torch.float32).cuda())
    outputs.float().square().sum().backward()
    given = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    assert given
    assert all(bool(grad.isfinite().all()) for grad in given)
