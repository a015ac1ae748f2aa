"""What is specific to Recurrent: any cell, backends, and the order in which reads reach the controller."""

import gc
import weakref
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import memnets
from cases import CASES, assert_same_state, is_memory, sequences, used_state, weighted
from memnets import kernels
from memnets.base.state import map_state, state_tensors
from memnets.kernels import dispatch as choice


class SumState(NamedTuple):
    total: Tensor


class Sum(nn.Module):
    """A cell of a user: outputs the running sum, times a weight."""

    def __init__(self):
        super().__init__()
        self.input_size = self.output_size = 3
        self.weight = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

    def initial_state(self, batch_size, *, device=None):
        return SumState(torch.zeros(batch_size, 3, dtype=torch.float64, device=device))

    def forward(self, x, state):
        total = state.total + x
        return self.weight * total, SumState(total)


def test_a_cell_of_ones_own():
    module, inputs = memnets.Recurrent(Sum()), sequences()
    expected = 2 * inputs.cumsum(1)
    outputs, state = module(inputs)
    assert_close(outputs, expected)
    assert_close(state.total, inputs.sum(1))
    outputs, state = module(inputs, SumState(torch.ones(3, 3, dtype=torch.float64)), [5, 2, 0])
    assert_close(outputs[1, :2], expected[1, :2] + 2)
    assert outputs[1, 2:].eq(0).all()
    assert_close(state.total[1], inputs[1, :2].sum(0) + 1)
    assert state.total[2].eq(1).all()


@pytest.mark.parametrize("backend", ["reference", "fused"])
def test_a_state_to_start_from_is_each_sequences_own(backend):
    torch.manual_seed(0)
    model, inputs = memnets.NTM(3, 4, slots=5, width=2, backend=backend), torch.randn(2, 3, 3)
    state = model.initial_state(2)
    state.memory.memory[1] += 1  # in place, of one sequence
    both, _ = model(inputs, state)
    first, second = model(inputs[:1])[0], model(inputs[1:], memnets.index_state(state, 1))[0]
    assert_close(both, torch.cat([first, second]))
    assert not torch.allclose(second, model(inputs[1:])[0])


def test_a_bare_tensor_as_state():
    class Last(Sum):
        def initial_state(self, batch_size, *, device=None):
            return torch.zeros(batch_size, 3, dtype=torch.float64, device=device)

        def forward(self, x, state):
            return state, x

    inputs = sequences()
    outputs, state = memnets.Recurrent(Last())(inputs, torch.ones(3, 3, dtype=torch.float64), [5, 2, 0])
    assert_close(outputs[0, 1:], inputs[0, :-1])
    assert outputs[0, 0].eq(1).all()
    assert_close(state[1], inputs[1, 1])


def with_reads(ntm, state, scale):
    reads = torch.randn(state.reads.shape, generator=torch.Generator().manual_seed(5), dtype=state.reads.dtype)
    return state._replace(reads=scale * reads)


@pytest.mark.parametrize("case", [c for c in CASES if is_memory(c.make())], ids=lambda case: case.name)
def test_what_was_read_last_reaches_the_controller(case):
    """Public code is known that feeds the initial read at every step."""
    module, inputs = case.make(), sequences()
    state = module.initial_state(3)
    one, _ = module(inputs[:, :1], with_reads(module, state, 1.0))
    two, _ = module(inputs[:, :1], with_reads(module, state, 2.0))
    assert (one - two).abs().amax(dim=(1, 2)).gt(1e-6).all()


@pytest.mark.parametrize("controller", ["lstm", "gru", "rnn", "feedforward"])
def test_the_controller_sees_the_input_then_the_reads_of_the_step_before(controller):
    module, inputs = memnets.NTM(3, 5, slots=6, width=4, read_heads=2, controller=controller), sequences()
    module.double()
    seen, read = [], []
    module.cell.controller.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    module.cell.memory.register_forward_hook(lambda *args: read.append(args[2][0]))
    start = module.initial_state(3)
    _, state = module(inputs, start)
    assert len(seen) == len(read) == inputs.shape[1]
    for t, x in enumerate(seen):
        before = start.reads if t == 0 else read[t - 1]
        assert torch.equal(x, torch.cat([inputs[:, t], before.flatten(1)], 1))
    assert torch.equal(state.reads, read[-1])


def test_without_an_output_size_the_output_is_hidden_state_and_reads():
    module = memnets.NTM(3, 5, slots=6, width=4, read_heads=2).double()
    assert module.output_size == 5 + 2 * 4
    outputs, state = module(sequences())
    assert torch.equal(outputs[:, -1, :5], state.controller.hidden[:, -1])
    assert torch.equal(outputs[:, -1, 5:], state.reads.flatten(1))


@pytest.mark.parametrize("make", [lambda **o: memnets.NTM(3, 5, **o), lambda **o: memnets.Recurrent(Sum(), **o)])
def test_an_unknown_backend(make):
    with pytest.raises(ValueError, match="backend is 'fast', but must be one of auto, reference, compiled"):
        make(backend="fast")


@pytest.mark.parametrize("backend", ["auto", *kernels.BACKENDS])
def test_the_report_names_one_backend_and_a_reason_for_each(backend):
    report = memnets.NTM(3, 5, backend=backend).backend_report()
    assert set(report) == set(kernels.BACKENDS)
    chosen = [name for name, text in report.items() if text.startswith("chosen: ")]
    assert len(chosen) == 1
    assert backend in ("auto", chosen[0])
    assert all(len(text) > len("chosen: ") for text in report.values())


def test_a_backend_that_cannot_run_says_why(monkeypatch):
    monkeypatch.setattr(choice, "_compiler_missing", lambda: "no compiler was found")
    module = memnets.NTM(3, 5, slots=4, width=3, backend="compiled")
    assert module.backend_report()["compiled"] == "cannot run: no compiler was found"
    with pytest.raises(memnets.BackendUnavailableError, match="'compiled' cannot run: no compiler was found; use back"):
        module(torch.zeros(1, 1, 3))
    other = memnets.NTM(3, 5, slots=4, width=3)
    assert other.backend_report()["compiled"] == "cannot run: no compiler was found"
    assert not other.backend_report()["reference"].startswith("cannot run")


def reference_state(module):
    """A used state, made without the module's own backend."""
    generator = torch.Generator().manual_seed(5)
    state = map_state(lambda tensor: torch.randn(tensor.shape, generator=generator), module.initial_state(2))
    memory = state.memory
    softmax = {name: getattr(memory, name).softmax(-1) for name in ("read_weights", "write_weights")}
    return state._replace(memory=memory._replace(**softmax))


def test_each_cell_is_compiled_by_itself(monkeypatch):
    functions = []
    monkeypatch.setattr(torch, "compile", lambda function, **_: functions.append(function) or function)
    for _ in range(2):
        memnets.NTM(3, 4, slots=5, width=2, backend="compiled")(torch.zeros(1, 2, 3))
    assert len({id(function.__code__) for function in functions}) == 2  # torch stops after eight graphs of one code


@pytest.mark.slow
@pytest.mark.skipif(choice._compiler_missing() is not None, reason="needs a C++ compiler")
def test_the_compiled_backend_equals_the_reference():
    """One step from a used state, since each step of another layout is compiled anew and takes seconds."""
    torch._dynamo.reset()
    results = []
    inputs = sequences(batch=2, steps=1, dtype=torch.float32).requires_grad_()
    for backend in ("reference", "compiled"):
        torch.manual_seed(1)
        module = memnets.NTM(3, 5, output_size=2, slots=5, width=3, controller="gru", backend=backend)
        start = map_state(lambda tensor: tensor.requires_grad_(), reference_state(module))
        outputs, state = module(inputs, start)
        loss = outputs.square().sum() + sum(tensor.square().sum() for tensor in state_tensors(state))
        leaves = [inputs, *state_tensors(start), *module.parameters()]
        results.append((outputs, state, torch.autograd.grad(loss, leaves)))
    (outputs, state, gradients), (outputs_compiled, state_compiled, gradients_compiled) = results
    assert_close(outputs_compiled, outputs)
    assert_same_state(state_compiled, state)
    for got, want in zip(gradients_compiled, gradients, strict=True):
        assert_close(got, want)
    assert module.cell in choice._compiled, "the compiled step was not used"
    gone = weakref.ref(module.cell)
    del module, results, loss, leaves, outputs, outputs_compiled, state, state_compiled, gradients, gradients_compiled
    gc.collect()
    assert gone() is None, "the compiled step keeps its cell alive"


STEPWISE = [case for case in CASES if isinstance(case.make(), memnets.Recurrent)]


@pytest.mark.parametrize("case", STEPWISE, ids=lambda case: case.name)
@pytest.mark.parametrize("lengths", [None, [2, 5, 0]])
@pytest.mark.parametrize("every", [1, 2, 3, 9])
def test_checkpointing_changes_nothing(case, lengths, every):
    """Steps that are run again on the way back give the same outputs, state and gradients."""
    found = []
    for options in ({}, {"checkpoint_every": every}, {"checkpoint_every": every, "truncated_bptt_steps": 2}):
        module, inputs = case.make(**options), sequences().requires_grad_()
        start = map_state(lambda t: t.clone().requires_grad_(t.is_floating_point()), used_state(module))
        outputs, state = module(inputs, start, lengths)
        results = [outputs, *floating(state)]
        leaves = [inputs, *floating(start), *module.parameters()]
        found.append([*results, *torch.autograd.grad(weighted(results), leaves, materialize_grads=True)])
    whole, repeated, cut = found
    assert_close(repeated, whole)
    assert_close(cut[: len(results)], whole[: len(results)])
    short = case.make(truncated_bptt_steps=2)
    outputs, state = short(inputs, start, lengths)
    results = [outputs, *floating(state)]
    leaves = [inputs, *floating(start), *short.parameters()]
    assert_close(cut[len(results) :], list(torch.autograd.grad(weighted(results), leaves, materialize_grads=True)))


def floating(state):
    """Without indices and counts, which have no gradient."""
    return [t for t in state_tensors(state) if t.is_floating_point()]


def test_checkpointing_keeps_less_for_the_way_back():
    def kept(every):
        sizes = []
        module = memnets.NTM(3, 5, slots=8, width=4, backend="reference", checkpoint_every=every)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            module(torch.randn(2, 64, 3))
        return sum(sizes)

    assert kept(8) < kept(None) / 5
