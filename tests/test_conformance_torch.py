"""What torch asks of every memory, cell and recurrent module: moves, copies, compilation, precisions and gradients."""

import copy
import functools
import io

import pytest
import torch
from torch.testing import assert_close

from cases import (
    BASELINES,
    CASES,
    STEPS,
    TWO_WAYS,
    assert_same_state,
    carried,
    every_module,
    leaves_of,
    numbers_of,
    one_way,
    sequences,
    used_state,
    weighted,
)
from memnets.base.state import state_tensors


@every_module
def test_device_and_dtype_are_arguments(case):
    if "output_size" not in case.make().config:
        return  # a bare cell in Recurrent, to which it is handed on
    module = case.build(device="cpu")
    assert {p.dtype for p in case.build(dtype=torch.float64).parameters()} == {torch.float64}
    assert {p.device.type for p in case.build(device="meta").parameters()} == {"meta"}
    assert not {"device", "dtype"} & set(module.config)


@every_module
def test_dtype_and_device_moves(case):
    single, inputs = case.make(torch.float32), sequences(dtype=torch.float32)
    outputs, state = single(inputs)
    assert {tensor.dtype for tensor in (outputs, *numbers_of(state))} == {torch.float32}
    double = copy.deepcopy(single).double()
    outputs_double, state_double = double(inputs.double())
    assert {tensor.dtype for tensor in (outputs_double, *numbers_of(state_double))} == {torch.float64}
    assert_close(outputs, outputs_double.float(), rtol=1e-4, atol=1e-5)
    outputs, state = double.to("meta")(inputs.double().to("meta"))
    assert {tensor.device.type for tensor in (outputs, *state_tensors(state))} == {"meta"}


@every_module
def test_a_deep_copy_is_equal_and_apart(case):
    module, inputs = case.make(), sequences()
    expected, _ = module(inputs)
    twin = copy.deepcopy(module)
    assert torch.equal(twin(inputs)[0], expected)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(module(inputs)[0], expected)
    assert not torch.equal(twin(inputs)[0], expected)


@every_module
def test_state_dict_round_trip(case):
    module, inputs = case.make(), sequences()
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other = case.make(seed=99)
    assert not torch.equal(other(inputs)[0], module(inputs)[0])
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other(inputs)[0], module(inputs)[0])


@functools.cache
def first_of_each_kind():
    """The first case of each memory, and of each class that has none."""
    found = {}
    for case in [*CASES, *TWO_WAYS]:
        module = case.make()
        found.setdefault(type(getattr(getattr(module, "cell", None), "memory", None) or module), case.name)
    return set(found.values())


@every_module
def test_whole_graph_compiles(case):
    """torch cannot compile its own LSTM, GRU and RNN in one graph; everything else must.

    The way back is compiled too of the first of each kind; of its other settings the graph is captured alone.
    """
    torch._dynamo.reset()
    module, inputs = case.make(), sequences(batch=2, steps=2)
    backend = "aot_eager" if case.name in first_of_each_kind() else "eager"
    compiled = torch.compile(module, backend=backend, fullgraph=type(module) not in BASELINES)
    outputs, state = compiled(inputs)
    expected, expected_state = module(inputs)
    assert_close(outputs, expected)
    assert_same_state(state, expected_state)
    parameters = list(module.parameters())
    wanted = torch.autograd.grad(expected.square().sum(), parameters)
    for got, want in zip(torch.autograd.grad(outputs.square().sum(), parameters), wanted):
        assert_close(got, want)


@every_module
@pytest.mark.parametrize("lengths", [None, [5, 2, 0]])
def test_bfloat16_autocast_is_finite_and_close(case, lengths):
    module, inputs = case.make(torch.float32), sequences(dtype=torch.float32)
    expected, _ = module(inputs, None, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        if case in TWO_WAYS:
            outputs, state = module(inputs, None, lengths)
        else:
            outputs, state = module(inputs[:, :2], None, lengths and [min(n, 2) for n in lengths])
            rest, state = module(inputs[:, 2:], state, lengths and [max(n - 2, 0) for n in lengths])
            outputs = torch.cat([outputs, rest], 1)
    outputs = outputs.float()
    assert_close(outputs, expected, rtol=0.05, atol=0.05)
    assert all(tensor.isfinite().all() for tensor in state_tensors(state))
    outputs.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


@every_module
def test_half_precision_is_finite_both_ways(case):
    """float16 ends at 65,504, and 1e-8 is 0 there."""
    module = case.make(torch.float16)
    outputs, state = module(sequences(steps=3, dtype=torch.float16))
    outputs.float().square().sum().backward()
    assert outputs.isfinite().all()
    assert all(tensor.isfinite().all() for tensor in state_tensors(state))
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


@every_module
def test_extreme_inputs_stay_finite(case):
    module, inputs = case.make(torch.float32), sequences(dtype=torch.float32)
    inputs[0], inputs[1] = inputs[0] * 1e30, 0
    inputs.requires_grad_()
    outputs, _ = module(inputs)
    outputs.sum().backward()
    assert outputs.isfinite().all()
    assert inputs.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


@every_module
def test_gradient_reaches_parameters_inputs_and_state(case):
    module, inputs = case.make(), sequences().requires_grad_()
    start = leaves_of(used_state(module))
    outputs, _ = module(inputs, start)
    from_first, _ = module(inputs.detach())  # which a parameter may be
    weighted([outputs, from_first]).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.ne(0).any(), name
    assert inputs.grad.ne(0).any(-1).all()
    for tensor in carried(start):
        assert tensor.grad is not None
        assert tensor.grad.flatten(1).ne(0).any(1).all()


@every_module
@pytest.mark.parametrize("lengths", [None, [2, 3, 0]])
def test_gradients_through_time_are_right(case, lengths):
    """Against finite differences: a path that is cut, such as from a read to the next step, shows."""
    module, inputs = case.make(), sequences(steps=3).requires_grad_()
    start = leaves_of(used_state(module))

    def run(*leaves):
        outputs, state = module(inputs, start, lengths)
        return outputs, *numbers_of(state)

    leaves = [inputs, *numbers_of(start), *module.parameters()]
    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)


@one_way
@pytest.mark.parametrize("lengths", [None, [5, 5, 3]])
def test_truncated_bptt_cuts_exactly_where_said(case, lengths):
    every = 2
    module, whole = case.make(truncated_bptt_steps=every), case.make()
    inputs = sequences().requires_grad_()
    start = leaves_of(used_state(module))
    outputs, state = module(inputs, start, lengths)
    assert_close(outputs, whole(inputs, start, lengths)[0])
    for t in range(STEPS):
        loss = weighted([outputs[:2, t]])
        gradient, *to_state = torch.autograd.grad(
            loss, [inputs, *carried(start)], retain_graph=True, allow_unused=True, materialize_grads=True
        )
        first = t // every * every
        reached = gradient[:2].ne(0).any(-1)  # (2, T)
        assert reached.eq((torch.arange(STEPS) >= first) & (torch.arange(STEPS) <= t)).all()
        assert all(grad[:2].ne(0).any() == (first == 0) for grad in to_state)
    (gradient,) = torch.autograd.grad(weighted(numbers_of(state)), inputs)
    assert gradient[0].ne(0).any(-1).tolist() == [t >= (STEPS - 1) // every * every for t in range(STEPS)]
