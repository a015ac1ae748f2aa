"""Values for the tests of the equations, and what all of those tests ask."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing import assert_close


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def distribution(*shape: int, seed: int = 0) -> Tensor:
    return torch.softmax(normal(*shape, seed=seed, scale=2), dim=-1)


def one_hot(slots: int, *indices: int) -> Tensor:
    """A certain weighting a head, ``(1, heads, slots)``."""
    return torch.eye(slots, dtype=torch.float64)[list(indices)].unsqueeze(0)


def as_tuple(result) -> tuple:
    return result if isinstance(result, tuple) else (result,)


def assert_equals_oracle(function: Callable, oracle: Callable, arguments: tuple[Tensor, ...]) -> None:
    """The values of an independent loop, in the dtype of the arguments, which stay as they were."""
    before = [tensor.clone() for tensor in arguments]
    results = as_tuple(function(*arguments))
    expected = as_tuple(oracle(*(tensor.numpy() for tensor in arguments)))
    assert len(results) == len(expected)
    for result, value in zip(results, expected):
        np.testing.assert_allclose(result.numpy(), value, rtol=1e-9, atol=1e-12)
    for tensor, old in zip(arguments, before):
        assert torch.equal(tensor, old), "an input was changed in place"
    for result in as_tuple(function(*(tensor.float() for tensor in arguments))):
        assert result.dtype == torch.float32


def assert_gradients(function: Callable, arguments: tuple[Tensor, ...]) -> None:
    assert torch.autograd.gradcheck(function, tuple(tensor.clone().requires_grad_() for tensor in arguments))


def assert_traceable(function: Callable, arguments: tuple[Tensor, ...]) -> None:
    """One graph for ``torch.compile``, a graph of the gradient too, and the samples of a batch one by one."""
    expected = as_tuple(function(*arguments))

    def same(results) -> None:
        for result, value in zip(as_tuple(results), expected, strict=True):
            assert_close(result, value)

    torch._dynamo.reset()
    same(torch.compile(function, fullgraph=True, backend="eager")(*arguments))
    same(make_fx(function)(*arguments)(*arguments))
    one = torch.vmap(lambda *sample: tuple(x[0] for x in as_tuple(function(*(x.unsqueeze(0) for x in sample)))))
    same(one(*arguments))

    def backward(*leaves: Tensor) -> tuple[Tensor, ...]:
        results, vjp = torch.func.vjp(lambda *values: as_tuple(function(*values)), *leaves)
        return vjp(tuple(torch.ones_like(result) for result in results))

    gradients = backward(*arguments)
    assert_close(make_fx(backward)(*arguments)(*arguments), gradients)
    leaves = tuple(tensor.clone().requires_grad_() for tensor in arguments)
    total = sum(result.sum() for result in as_tuple(function(*leaves)))
    assert_close(torch.autograd.grad(total, leaves, materialize_grads=True), gradients)


def finite_with_gradients(function: Callable, *tensors: Tensor) -> Tensor:
    """The first result in float32. All of them must be finite, and the gradients of weighted sums of them too."""
    leaves = [tensor.float().clone().requires_grad_() for tensor in tensors]
    results = as_tuple(function(*leaves))
    for result in results:
        assert result.isfinite().all()
    sum((result * normal(*result.shape, seed=9).float()).sum() for result in results).backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
    return results[0].detach()
