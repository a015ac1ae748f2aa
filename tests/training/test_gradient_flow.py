"""Gradients through time: those of a loop, vanishing, exploding, and carried on by an open cell."""

import numpy as np
import pytest
import torch

import memnets
from memnets.training.gradient_flow import gradient_flow
from memnets_tasks import Adding, Characters, Copy, SerialRecall, generator


def flow_of(model, task, length, size=3):
    return gradient_flow(model, task, task.sample(size, length, generator(0, "test", 0)))


def test_the_norms_are_those_of_a_loop_over_jacobians():
    """An RNN's gradient by the chain rule in NumPy: dL/dh_(t-1) = W' (1 - h_t^2) dL/dh_t."""
    task = Adding(min_length=3, max_length=9)
    torch.manual_seed(0)
    model = memnets.RNN(task.input_size, 4, output_size=1)
    batch = task.sample(2, 9, generator(0, "test", 0))
    norms = gradient_flow(model, task, batch)["hidden"]
    w = {name: p.detach().numpy().astype(np.float64) for name, p in model.named_parameters()}
    expected = np.zeros(8)
    for b in range(2):
        hidden, h = [], np.zeros(4)
        for x in batch.inputs[b].numpy():
            pre = w["layer.weight_ih_l0"] @ x + w["layer.weight_hh_l0"] @ h
            h = np.tanh(pre + w["layer.bias_ih_l0"] + w["layer.bias_hh_l0"])
            hidden.append(h)
        with torch.enable_grad():
            output = model(batch.inputs)[0].detach().requires_grad_()
            (slope,) = torch.autograd.grad(task.loss(output, batch) * 2, output)
        d = w["output.weight"].T @ slope[b, -1].numpy()
        for back in range(8):
            d = w["layer.weight_hh_l0"].T @ ((1 - hidden[8 - back] ** 2) * d)
            expected[back] += np.linalg.norm(d) / 2
    np.testing.assert_allclose(norms.numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize(("gain", "grows"), [(0.5, False), (1.5, True)])
def test_gradients_vanish_or_explode_with_the_recurrent_weights(gain, grows):
    task = SerialRecall()
    model = memnets.RNN(task.input_size, 16, output_size=task.output_size)
    with torch.no_grad():
        model.layer.weight_hh_l0.copy_(gain * torch.eye(16))
        model.layer.weight_ih_l0.mul_(0.01)
        model.layer.bias_ih_l0.zero_()
        model.layer.bias_hh_l0.zero_()
    norms = flow_of(model, task, 6)["hidden"]
    ratio = float(norms[9] / norms[0])
    if grows:  # tanh saturates, or it would be 1.5 ** 9
        assert ratio > 1.5
    else:
        assert ratio == pytest.approx(0.5**9, rel=0.1)


def test_an_open_cell_carries_the_error_on_unchanged():
    """The constant error carousel, by numbers: forget gate open, the others deaf to the hidden state."""
    task = Adding(min_length=3, max_length=100)
    torch.manual_seed(0)
    model = memnets.LSTM(task.input_size, 8, output_size=1)
    with torch.no_grad():
        model.layer.weight_hh_l0.zero_()
        model.layer.bias_ih_l0[8:16] = 20.0
    norms = flow_of(model, task, 100)["cell"]
    assert float(norms[98] / norms[0]) == pytest.approx(1, rel=1e-3)
    rnn = memnets.RNN(task.input_size, 8, output_size=1)
    lost = flow_of(rnn, task, 100)["hidden"]
    assert float(lost[98] / lost[0]) < 1e-3


def test_a_language_model_and_a_memory_have_a_flow():
    task = Characters(text="abcab", length=12)
    model = memnets.LanguageModel(task.charset, network=memnets.NTM(4, 5, slots=4, width=3, backend="reference"))
    flow = flow_of(model, task, 12)
    assert {name.split(".")[-1] for name in flow} >= {"hidden", "cell", "memory", "read_weights"}
    assert all(norms.shape == (11,) and norms.isfinite().all() for norms in flow.values())
    assert all(norms[0] > 0 for name, norms in flow.items() if "memory" in name)


@pytest.mark.parametrize(
    ("model", "length", "kind", "message"),
    [
        (lambda task: memnets.Transformer(task.input_size, 8, output_size=8), 3, ValueError, "grows from step to step"),
        (lambda task: torch.nn.Linear(3, 3), 3, TypeError, "Linear has no state"),
        (lambda task: memnets.LSTM(task.input_size, 4, output_size=8), torch.tensor([2, 3, 3]), ValueError, "several"),
    ],
)
def test_what_has_no_flow_is_named(model, length, kind, message):
    task = Copy()
    with pytest.raises(kind, match=message):
        flow_of(model(task), task, length)
