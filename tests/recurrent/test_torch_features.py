"""Recurrent modules within torch: checkpoints with states, per-sample gradients, ensembles, export."""

import importlib.util
import io
import subprocess
import sys
import threading
from functools import partial

import pytest
import torch
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.testing import assert_close

import memnets
from cases import CASES, assert_same_state, sequences
from memnets import NTM, MemoryNetwork, StackMemory
from memnets.base.state import state_tensors
from running import ROOT

every_module = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_module
def test_a_state_in_a_file_is_loaded_safely(case):
    module = case.make()
    _, state = module(sequences())
    file = io.BytesIO()
    torch.save({"state": state, "step": 3}, file)
    file.seek(0)
    assert_same_state(torch.load(file)["state"], state)


def test_states_and_programs_are_loaded_by_another_process(tmp_path, monkeypatch):
    """Once the module's class is imported; of tensors alone, as docs/states.md makes them, without memnets."""
    monkeypatch.chdir(tmp_path)
    exec((ROOT / "docs" / "states.md").read_text().split("```python\n")[1].split("```")[0], {"__name__": "docs"})
    model, inputs = MemoryNetwork(3, 4, memory=StackMemory(3, 2), controller="rnn").eval(), torch.zeros(2, 2, 3)
    torch.save(model.initial_state(2), "state.pt")
    torch.export.save(torch.export.export(model, (inputs,)), "program.pt2")
    code = """if True:
        import sys, torch
        inputs = torch.zeros(2, 2, 3)
        print(len(torch.export.load("ntm.pt2").module()(inputs)), "memnets" in sys.modules)
        from memnets import MemoryNetwork
        print(torch.load("state.pt").memory.stack.shape)
        print(torch.export.load("program.pt2").module()(inputs)[1].memory.stack.shape)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["6 False", *["torch.Size([2, 1, 3, 2])"] * 2]


def ntm(controller):
    return NTM(3, 4, slots=5, width=2, controller=controller, output_size=2)


@pytest.mark.parametrize(
    "build",
    [
        *(partial(ntm, controller) for controller in ("lstm", "gru", "rnn", "feedforward")),
        partial(memnets.LSTM, 3, 4, num_layers=2, bidirectional=True),
        partial(memnets.GRU, 3, 4, learned_state=True),
        partial(memnets.RNN, 3, 4, truncated_bptt_steps=2),
    ],
)
def test_gradients_of_each_sample(build):
    torch.manual_seed(0)
    model = build().double()
    inputs = sequences()
    parameters = dict(model.named_parameters())

    def loss(parameters, x):
        return functional_call(model, parameters, (x.unsqueeze(0),))[0].square().sum()

    found = vmap(grad(loss), in_dims=(None, 0))(parameters, inputs)
    for b in range(len(inputs)):
        model.zero_grad()
        model(inputs[b : b + 1])[0].square().sum().backward()
        for name, parameter in model.named_parameters():
            assert_close(found[name][b], parameter.grad)


@pytest.mark.parametrize("controller", ["lstm", "gru", "rnn", "feedforward"])
def test_ensembles(controller):
    models = [NTM(3, 4, slots=5, width=2, controller=controller).double() for _ in range(3)]
    parameters, buffers = stack_module_state(models)
    inputs = sequences()

    def run(parameters, buffers, x):
        return functional_call(models[0], (parameters, buffers), (x,))[0]

    found = vmap(run, in_dims=(0, 0, None))(parameters, buffers, inputs)
    for model, outputs in zip(models, found):
        assert_close(outputs, model(inputs)[0])


def test_a_compiled_module_is_traced():
    model = NTM(3, 4, slots=5, width=2)
    inputs = sequences(dtype=torch.float32)
    compiled = torch.compile(model, backend="eager")
    compiled(inputs)
    with memnets.trace(compiled) as trace:
        compiled(inputs)
    with memnets.trace(model) as expected:
        model(inputs)
    assert_close(trace["write_weights"], expected["write_weights"])
    outside = torch.nn.Sequential(model)
    within = torch.compile(lambda x: outside[0](x)[0], backend="eager")
    within(inputs)
    with memnets.trace(outside) as trace:
        within(inputs)
    assert trace["memory"].shape == (3, 5, 5, 2)


def test_calls_of_other_threads_are_not_traced():
    model = NTM(3, 4, slots=5, width=2)
    inputs = sequences(dtype=torch.float32)
    with memnets.trace(model) as trace:
        thread = threading.Thread(target=lambda: model(inputs[:, :2]))
        thread.start()
        thread.join()
        model(inputs)
    assert trace["lengths"].tolist() == [5, 5, 5]


def test_traces_in_one_thread_while_another_runs_the_module():
    """Hooks come and go at any moment of the other's call."""
    model, inputs = memnets.NTM(3, 4, slots=5, width=2), torch.randn(2, 4, 3)
    want, errors, over = model(inputs)[0], [], threading.Event()

    def run():
        while not over.is_set():
            try:
                assert torch.allclose(model(inputs)[0], want, atol=1e-5)
            except BaseException as error:
                errors.append(error)
                return

    thread, interval = threading.Thread(target=run), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        for _ in range(60):
            with memnets.trace(model) as t:
                model(inputs)
            assert t["memory"].shape == (2, 4, 5, 2)
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert errors == []


def test_an_exported_program_takes_any_batch_and_any_number_of_steps(tmp_path):
    """The plain cell by itself, which needs no kernel of this machine; torch's layers as linear operations."""
    model = memnets.NTM(3, 5, output_size=2, slots=4, width=3, controller="rnn").eval()
    inputs = torch.randn(2, 6, 3)
    axes = {0: torch.export.Dim("batch", min=2), 1: torch.export.Dim("steps", min=2)}
    torch.export.save(torch.export.export(model, (inputs,), dynamic_shapes=(axes,)), tmp_path / "ntm.pt2")
    program = torch.export.load(tmp_path / "ntm.pt2")
    assert not [node for node in program.graph.nodes if "memnets" in str(node.target)]
    others = torch.randn(3, 9, 3)
    model.backend = "reference"  # to compare with the plain cell costs no kernel
    outputs, state = program.module()(others)
    expected, last = model(others)
    assert_close(outputs, expected, rtol=1e-4, atol=1e-5)
    assert_same_state(state, last, rtol=1e-4, atol=1e-5)
    lstm = memnets.LSTM(3, 5)
    assert_close(torch.export.export(lstm, (inputs,), dynamic_shapes=(axes,)).module()(others)[0], lstm(others)[0])


@pytest.mark.parametrize(
    "build",
    [
        lambda: memnets.NTM(3, 4, slots=4, width=2, controller="gru", bidirectional=True, backend="reference"),
        lambda: memnets.GRU(3, 4, num_layers=2, bidirectional=True),
        lambda: memnets.DeltaNet(3, 4, heads=2),
        lambda: memnets.EndToEndMemory(3, 4),
    ],
    ids=["two-ways", "gru-two-ways", "delta-net", "end-to-end"],
)
def test_an_exported_program_takes_any_lengths(build):
    """Which it does not know: the last state is that of each sequence's own end."""
    model, inputs = build().double().eval(), sequences(steps=3)
    lengths = torch.tensor([3, 1, 2])
    program = torch.export.export(model, (inputs,), {"lengths": lengths}).module()
    for others in (lengths, torch.tensor([0, 3, 1])):
        outputs, state = program(inputs, lengths=others)
        expected, last = model(inputs, lengths=others)
        assert_close(outputs, expected)
        assert_same_state(state, last)


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
@pytest.mark.parametrize("kind", [memnets.NTM, memnets.DNC, memnets.SAM, memnets.LSTM])
def test_onnxruntime_agrees(kind):
    """Of slots that are alike the first is taken there too."""
    import onnxruntime

    model = (kind(3, 4) if kind is memnets.LSTM else kind(3, 4, slots=4, width=2)).eval()
    inputs, lengths = sequences(steps=3, dtype=torch.float32), torch.tensor([3, 1, 2])
    steps = kind in (memnets.NTM, memnets.LSTM)
    open_axes = {0: torch.export.Dim.DYNAMIC, **({1: torch.export.Dim.DYNAMIC} if steps else {})}
    axes = {"inputs": open_axes, "lengths": {0: torch.export.Dim.DYNAMIC}}
    traced = inputs[:2, : 2 if steps else 3]
    given = {"inputs": traced, "lengths": lengths[1:]}
    with torch.no_grad():
        made = torch.onnx.export(model, kwargs=given, dynamic_shapes=axes, dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(made.model_proto.SerializeToString())
    outputs = session.run(None, {"inputs": inputs.numpy(), "lengths": lengths.numpy()})
    expected, last = model(inputs, lengths=lengths)
    for got, want in zip(outputs, [expected, *state_tensors(last)], strict=True):
        assert_close(torch.from_numpy(got), want.detach(), rtol=1e-4, atol=1e-5)


def test_the_kernel_of_this_machine_is_not_exported():
    model = memnets.NTM(3, 5, slots=4, width=3, backend="fused")
    with pytest.raises(Exception, match=r"cannot be exported.*backend='auto'"):
        torch.export.export(model, (torch.randn(2, 3, 3),))
