"""Functions of one number, as accurate near zero as PyTorch's, and softmax over slots. All in float32."""

import triton
import triton.language as tl

NOTHING = tl.constexpr(-1e30)


@triton.jit
def sigmoid(x):
    """1 / (1 + e^-x), without overflow."""
    e = tl.exp(-tl.abs(x))
    return tl.where(x >= 0, 1.0, e) / (1.0 + e)


@triton.jit
def tanh(x):
    """A series near zero, where the quotient of exponentials would cancel."""
    e = tl.exp(-2.0 * tl.abs(x))
    far = tl.where(x >= 0, 1.0, -1.0) * (1.0 - e) / (1.0 + e)
    y = x * x
    near = x * (1.0 + y * (-1.0 / 3 + y * (2.0 / 15 + y * (-17.0 / 315 + y * (62.0 / 2835)))))
    return tl.where(tl.abs(x) < 0.25, near, far)


@triton.jit
def softplus(x):
    """log(1 + e^x), with a series for log(1 + e^-|x|) where 1 + e^-|x| would round it away."""
    e = tl.exp(-tl.abs(x))
    near = e * (1.0 - e * (1.0 / 2 - e * (1.0 / 3 - e * (1.0 / 4 - e * (1.0 / 5 - e / 6)))))
    return tl.maximum(x, 0.0) + tl.where(e < 0.1, near, tl.log(1.0 + e))


@triton.jit
def softplus_slope(y):
    """The derivative 1 - e^-y of softplus where its value is y."""
    near = y * (1.0 - y / 2 * (1.0 - y / 3 * (1.0 - y / 4 * (1.0 - y / 5))))
    return tl.where(y < 0.1, near, 1.0 - tl.exp(-y))


@triton.jit
def softmax(x, valid):
    """Over the slots (axis 1) that are ``valid``; the others get 0."""
    x = tl.where(valid, x, NOTHING)
    e = tl.where(valid, tl.exp(x - tl.max(x, 1)[:, None]), 0.0)
    return e / tl.sum(e, 1)[:, None]
