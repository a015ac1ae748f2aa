"""Cells that were changed by hand, and transforms under the compiler: the plain cell runs, or an error says so."""

import pytest
import torch
from torch import nn

from memnets import NTM, MemoryCell, NTMMemory, Recurrent, StackedCell
from memnets.base.state import state_tensors
from memnets.kernels import BackendUnavailableError
from memnets.kernels.generate.cells import kernel_of


def change_interface(ntm, by):
    ntm.cell.interface = nn.Linear(8, ntm.cell.interface.out_features + by)


def change_width(ntm):
    ntm.cell.memory.width = 7


def change_shifts(ntm):
    ntm.cell.memory.shift_range = 2


def change_layer(ntm):
    ntm.cell.controller.layers[0] = nn.LSTMCell(ntm.cell.controller.input_size, 6)


@pytest.mark.parametrize(
    "change",
    [lambda n: change_interface(n, -3), lambda n: change_interface(n, 3), change_layer],
    ids=["smaller", "larger", "layer"],
)
def test_parts_that_do_not_fit_never_reach_the_kernel(change):
    ntm, inputs = NTM(4, 8, slots=10, width=5, backend="fused"), torch.zeros(2, 3, 4)
    ntm(inputs)  # has a kernel, which must not serve afterwards
    change(ntm)
    with pytest.raises(BackendUnavailableError, match="a step of the cell fails with RuntimeError"):
        ntm(inputs)


@pytest.mark.parametrize(
    "change", [change_width, change_shifts, lambda n: n.resize(4)], ids=["width", "shifts", "resize"]
)
def test_a_memory_changed_by_hand_is_generated_anew(change):
    ntm, inputs = NTM(4, 8, slots=10, width=5, backend="fused"), torch.randn(2, 3, 4)
    ntm(inputs)
    change(ntm)
    results = []
    for ntm.backend in ("reference", "fused"):
        try:
            results.append(ntm(inputs)[0])
        except Exception as error:
            results.append(type(error))
    assert results[0] is results[1] or isinstance(results[1], type) or torch.allclose(*results, atol=1e-6)


@pytest.mark.parametrize("backend", ["reference", "fused"])
@pytest.mark.parametrize("make", [lambda: MemoryCell(3, NTMMemory(5, 2), hidden_size=4), lambda: stacked()])
def test_an_output_size_changed_by_hand_is_told_by_the_first_step(make, backend):
    """Without a step to take it is what outputs of zeros have, whatever computes them."""
    cell = make()
    model, inputs = Recurrent(cell, backend=backend), torch.randn(2, 3, 3)
    want, real = model.initial_state(2), cell.output_size
    cell.output_size = 9
    with pytest.raises(ValueError, match=f"puts out {real} numbers a step and its output_size is 9"):
        model(inputs, lengths=[3, 0])
    outputs, last = model(inputs, lengths=[0, 0])
    assert torch.equal(outputs, torch.zeros(2, 3, 9))
    for a, b in zip(state_tensors(last), state_tensors(want)):
        assert torch.equal(a, b)


def stacked():
    lower = MemoryCell(3, NTMMemory(5, 2), hidden_size=4)
    return StackedCell([lower, MemoryCell(lower.output_size, NTMMemory(5, 2), hidden_size=4)])


def test_layers_without_bias():
    ntm, inputs = NTM(4, 8, slots=10, width=5, backend="fused"), torch.randn(2, 3, 4)
    ntm.cell.interface = nn.Linear(8, ntm.cell.interface.out_features, bias=False)
    fused, _ = ntm(inputs)
    ntm.backend = "reference"
    assert torch.allclose(fused, ntm(inputs)[0], atol=1e-6)


def test_outputs_may_be_changed_in_place():
    ntm, want = NTM(4, 8, slots=10, width=5, backend="fused"), None
    inputs = torch.randn(2, 3, 4)
    for backend in ("reference", "fused"):
        ntm.backend = backend
        outputs, _ = ntm(inputs)
        outputs *= 2
        got = torch.autograd.grad(outputs.square().sum(), list(ntm.parameters()))
        want = want or got
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(got, want))


def jvp(ntm, inputs):
    return torch.func.jvp(lambda x: ntm(x)[0], (inputs,), (torch.ones_like(inputs),))[1]


def gradient(ntm, inputs):
    return torch.func.grad(lambda x: ntm(x)[0].square().sum())(inputs)


@pytest.mark.parametrize("transform", [jvp, gradient])
def test_transforms_under_the_compiler(transform):
    torch._dynamo.reset()
    ntm, inputs = NTM(3, 4, slots=5, width=2), torch.randn(2, 3, 3)
    want = transform(ntm, inputs)
    assert want.abs().max() > 1e-4
    compiled = torch.compile(lambda x: transform(ntm, x), backend="eager")
    assert torch.allclose(compiled(inputs), want, atol=1e-6)
    ntm.backend = "fused"
    torch._dynamo.reset()
    with pytest.raises(Exception, match="use backend='reference'"):
        torch.compile(lambda x: transform(ntm, x), backend="eager")(inputs)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.uint16])
def test_small_integers_as_lengths_under_the_compiler(dtype):
    torch._dynamo.reset()
    ntm = NTM(3, 4, slots=5, width=2, backend="fused", checkpoint_every=60)
    inputs, lengths = torch.randn(3, 300, 3), torch.tensor([0, 1, 2], dtype=dtype)
    compiled = torch.compile(ntm, fullgraph=True, backend="aot_eager")
    got, want = compiled(inputs, lengths=lengths), ntm(inputs, lengths=lengths)
    assert torch.allclose(got[0], want[0])
    assert torch.allclose(got[1].memory.memory, want[1].memory.memory)


@pytest.mark.parametrize("name", ["strength", "sharpening"])
def test_the_most_extreme_numbers(name):
    ntm = NTM(3, 4, output_size=2, slots=5, width=2)
    with torch.no_grad():
        for part in ("strength", "sharpening"):
            ntm.cell.interface.bias[ntm.cell.memory.interface.places[part]] = 1e32 if name == part else 0
    outputs = []
    for ntm.backend in ("reference", "fused"):
        outputs.append(ntm(torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0)))[0])
    assert torch.allclose(*outputs, atol=1e-5)


def test_a_memory_resized_to_and_fro_is_traced_once_for_each_size():
    ntm = NTM(4, 8, slots=10, width=5, backend="fused")
    first = kernel_of(ntm.cell)
    second = kernel_of(ntm.resize(7).cell)
    assert second is not first
    assert kernel_of(ntm.resize(10).cell) is first
    assert kernel_of(ntm.resize(7).cell) is second
