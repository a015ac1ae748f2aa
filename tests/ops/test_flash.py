"""flash-linear-attention's kernels: what they are given, and where there is a GPU and the library, what they give."""

import pytest
import torch
from drawn import normal, uniform

import memnets
from memnets import ops
from memnets.ops import flash

needs_both = pytest.mark.skipif(
    not torch.cuda.is_available() or flash.kernels() is None, reason="no CUDA device, or no flash-linear-attention"
)
RULES = ("delta_rule", "gated_delta_rule")


def arguments(gated, batch=2, steps=70, heads=3, key_size=32, value_size=64, dtype=torch.float32):
    """A sequence as ``recurrence`` has it, and a starting state."""
    q, k = (normal(batch, steps, heads, key_size, seed=n) for n in (0, 1))
    sequences = {
        "q": q / 4,
        "k": k / k.norm(dim=-1, keepdim=True),
        "v": normal(batch, steps, heads, value_size, seed=2),
    }
    sequences["beta"] = uniform(batch, steps, heads, seed=3)
    if gated:
        sequences["log_decay"] = uniform(batch, steps, heads, seed=4).log()
    state = normal(batch, heads, key_size, value_size, seed=5)
    return {name: tensor.to(dtype) for name, tensor in sequences.items()}, state.float()


class Recording:
    """Takes the place of the library: its signatures, computed step by step by ``ops``."""

    def delta_rule(self, q, k, v, beta, scale, initial_state, output_final_state):
        assert (scale, output_final_state) == (1.0, True)
        o, state = ops.delta_rule(q, k, v, beta, initial_state)
        return o, state

    def gated_delta_rule(self, q, k, v, g, beta, scale, initial_state, output_final_state):
        assert (scale, output_final_state) == (1.0, True)
        assert g.min() >= flash.FORGOTTEN
        o, state = ops.gated_delta_rule(q, k, v, beta, g, initial_state)
        return o, state


@pytest.mark.parametrize("gated", [False, True])
def test_what_the_kernels_are_given(gated, monkeypatch):
    monkeypatch.setattr(flash, "kernels", Recording)
    sequences, state = arguments(gated, steps=6)
    if gated:
        sequences["log_decay"][0, 3, 1] = -torch.inf
    want, last = getattr(ops, RULES[gated])(*sequences.values(), initial_state=state)
    halves = {name: x.bfloat16() if name in "qkv" else x for name, x in sequences.items()}
    got, end = flash.flash_delta_rule(halves, state)
    assert got.dtype == torch.bfloat16
    assert end.dtype == torch.float32
    torch.testing.assert_close(got.float(), want, rtol=0.05, atol=0.05)
    torch.testing.assert_close(end, last, rtol=0.05, atol=0.05)


def test_serves_half_precision_on_cuda_without_gradients_alone(monkeypatch):
    class OnCuda(torch.Tensor):
        is_cuda = True

    monkeypatch.setattr(flash, "kernels", Recording)
    sequences, state = arguments(False, steps=2, dtype=torch.bfloat16)
    assert not flash.serves(sequences, state)
    there = {name: tensor.as_subclass(OnCuda) for name, tensor in sequences.items()}
    assert flash.serves(there, state)
    assert not flash.serves({**there, "v": there["v"].float()}, state)
    assert not flash.serves({**there, "q": there["q"][..., :16]}, state)
    assert not flash.serves({name: there[name] for name in "qkv"}, state)  # linear attention
    learnt = state.clone().requires_grad_()
    assert not flash.serves(there, learnt)
    with torch.no_grad():
        assert flash.serves(there, learnt)
    monkeypatch.setattr(flash, "kernels", lambda: None)
    assert not flash.serves(there, state)


@needs_both
@pytest.mark.parametrize("kind", [memnets.DeltaNet, memnets.GatedDeltaNet])
def test_a_network_under_autocast_on_cuda(kind, monkeypatch):
    torch.manual_seed(0)
    network = kind(8, 64, heads=2, output_size=4).cuda()
    inputs, lengths = normal(3, 100, 8, seed=1).float().cuda(), [100, 7, 64]
    with torch.no_grad(), torch.autocast("cuda", torch.bfloat16):
        got, state = network(inputs, lengths=lengths)
        monkeypatch.setattr(flash, "kernels", lambda: None)
        want, other = network(inputs, lengths=lengths)
    assert (got - want).float().norm() < 0.03 * want.float().norm()
    for a, b in zip(memnets.base.state.state_tensors(state), memnets.base.state.state_tensors(other)):
        assert (a - b).float().norm() < 0.03 * b.float().norm()
