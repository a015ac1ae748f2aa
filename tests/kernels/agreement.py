"""A module through the fused kernel and through the plain cell, in everything that it gives."""

import math

import torch
from torch import Tensor, nn

from memnets import Recurrent
from memnets.base.state import map_state, state_tensors
from memnets.kernels.generate import library

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}


def poisoned(like: Tensor, *shape: int, spare: int = library.SPARE) -> Tensor:
    """A buffer that starts as NaN, in place of ``library.empty``."""
    size = math.prod(shape)
    return like.new_full((size + spare,), float("nan"))[:size].view(shape)


def results(module: Recurrent, inputs: Tensor, state, lengths) -> dict[str, Tensor]:
    """Outputs, last state and the gradients of all that can have one, each weighted differently."""
    inputs = inputs.clone().requires_grad_()
    state = map_state(lambda t: t.clone().requires_grad_(), state)
    output, last = module(inputs, state, lengths)
    found = {"output": output, **{f"last {i}": t for i, t in enumerate(state_tensors(last))}}
    generator = torch.Generator().manual_seed(5)
    weights = [torch.randn(t.shape, generator=generator, dtype=t.dtype).to(t.device) for t in found.values()]
    loss = sum((t * w).sum() for t, w in zip(found.values(), weights))
    leaves = {"d inputs": inputs, **{f"d first {i}": t for i, t in enumerate(state_tensors(state))}}
    leaves |= {f"d {name}": p for name, p in module.named_parameters()}
    grads = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    found |= {n: torch.zeros_like(x) if g is None else g for (n, x), g in zip(leaves.items(), grads)}
    return {name: tensor.detach() for name, tensor in found.items()}


def given(module: Recurrent, batch: int, steps: int, seed: int = 0):
    """Inputs, and a state that has been used, where the module is."""
    generator, weight = torch.Generator().manual_seed(seed), next(module.parameters())

    def used(t: Tensor) -> Tensor:
        return t + 0.1 * torch.rand(t.shape, generator=generator, dtype=t.dtype).to(t.device) / t[0].numel() ** 0.5

    inputs = torch.randn(batch, steps, module.cell.input_size, generator=generator, dtype=weight.dtype)
    return inputs.to(weight.device), map_state(used, module.initial_state(batch))


def assert_close(got: dict[str, Tensor], want: dict[str, Tensor], tolerance: float) -> None:
    """Each lies no further from the other than that, relative to its norm."""
    for name, expected in want.items():
        assert torch.isfinite(got[name]).all(), name
        apart = float((got[name] - expected).norm() / expected.norm().clamp(min=1e-6 * expected.numel() ** 0.5))
        assert apart < tolerance, f"{name} lies {apart:.1e} apart"


def agree(
    cell: nn.Module, batch=3, steps=6, lengths=None, dtype=torch.float64, seed=0, tolerance=None, **options
) -> None:
    """The generated kernel gives what the plain cell gives, in everything; ``cell`` may be a whole module."""
    module = (cell if isinstance(cell, Recurrent) else Recurrent(cell, **options)).to(dtype)
    inputs, state = given(module, batch, steps, seed)
    found = []
    for module.backend in ("reference", "fused"):
        found.append(results(module, inputs, state, lengths))
    assert_close(found[1], found[0], tolerance or TOLERANCE[dtype])
