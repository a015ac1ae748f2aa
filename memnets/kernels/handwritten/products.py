"""Products of a vector in global memory with a matrix, one sample a program.

The matrix is read from L2 in tiles of ``block`` rows whose columns lie side by side, so that loads coalesce. Sums over
rows stay apart, one for each row of a tile, until the end: a sum across threads is the dearest part.
"""

import triton
import triton.language as tl


@triton.jit
def _tile(matrix, rows, columns, inner: tl.constexpr, outer: tl.constexpr, stride: tl.constexpr):
    mask = (rows < inner)[:, None] & (columns < outer)[None, :]
    return tl.load(matrix + rows[:, None] * stride + columns[None, :], mask=mask, other=0.0).to(tl.float32)


@triton.jit
def product(
    vector,
    matrix,
    inner: tl.constexpr,
    outer: tl.constexpr,
    stride: tl.constexpr,
    padded: tl.constexpr,
    block: tl.constexpr,
):
    """vector (inner) times matrix (inner, outer), whose rows lie ``stride`` apart: (padded), zero past ``outer``."""
    columns = tl.arange(0, padded)
    total = tl.zeros((block, padded), tl.float32)
    for k in range(0, inner, block):
        rows = k + tl.arange(0, block)
        x = tl.load(vector + rows, mask=rows < inner, other=0.0).to(tl.float32)
        total += x[:, None] * _tile(matrix, rows, columns, inner, outer, stride)
    return tl.sum(total, 0)


@triton.jit
def product_four(
    vector,
    matrix,
    inner: tl.constexpr,
    outer: tl.constexpr,
    padded: tl.constexpr,
    block: tl.constexpr,
):
    """vector (inner) times each of four matrices side by side, (inner, 4 * outer): an LSTM's four gates."""
    columns = tl.arange(0, padded)
    a = tl.zeros((block, padded), tl.float32)
    b = tl.zeros((block, padded), tl.float32)
    c = tl.zeros((block, padded), tl.float32)
    d = tl.zeros((block, padded), tl.float32)
    for k in range(0, inner, block):
        rows = k + tl.arange(0, block)
        x = tl.load(vector + rows, mask=rows < inner, other=0.0).to(tl.float32)[:, None]
        a += x * _tile(matrix, rows, columns, inner, outer, 4 * outer)
        b += x * _tile(matrix + outer, rows, columns, inner, outer, 4 * outer)
        c += x * _tile(matrix + 2 * outer, rows, columns, inner, outer, 4 * outer)
        d += x * _tile(matrix + 3 * outer, rows, columns, inner, outer, 4 * outer)
    return tl.sum(a, 0), tl.sum(b, 0), tl.sum(c, 0), tl.sum(d, 0)
