"""Writing and reading one sample's memory, a tile (slots, width): Graves et al. 2014, equations 2 to 4.

``weights`` points at the sample's weightings (heads, slots) of the step, the read heads first; ``erase`` and ``add``
at the writers' vectors (writers, width), after activation.
"""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
import triton
import triton.language as tl

from .addressing import inverse_norm, row_of, with_row


@triton.jit
def _vector(pointer, size: tl.constexpr, padded: tl.constexpr):
    i = tl.arange(0, padded)
    return tl.load(pointer + i, mask=i < size, other=0.0).to(tl.float32)


@triton.jit
def _erased(memory, weights, erase, first: tl.constexpr, last: tl.constexpr, slots: tl.constexpr, width: tl.constexpr):
    """The memory after the erases of writers ``first`` to ``last`` (exclusive), equation 3."""
    for h in tl.static_range(first, last):
        w = _vector(weights + h * slots, slots, memory.shape[0])
        e = _vector(erase + h * width, width, memory.shape[1])
        memory *= 1.0 - w[:, None] * e[None, :]
    return memory


@triton.jit
def write(memory, tile, erase, add, readers: tl.constexpr, writers: tl.constexpr, width: tl.constexpr):
    """Equations 3 and 4 with the weightings of ``tile`` (heads, slots): all erases, then all adds."""
    for h in tl.static_range(writers):
        e = _vector(erase + h * width, width, memory.shape[1])
        memory *= 1.0 - row_of(tile, readers + h)[:, None] * e[None, :]
    for h in tl.static_range(writers):
        a = _vector(add + h * width, width, memory.shape[1])
        memory += row_of(tile, readers + h)[:, None] * a[None, :]
    return memory


@triton.jit
def read(memory, tile, to, readers: tl.constexpr, width: tl.constexpr):
    """Equation 2, stored at ``to`` (readers, width)."""
    m = tl.arange(0, memory.shape[1])
    for h in tl.static_range(readers):
        tl.store(to + h * width + m, tl.sum(row_of(tile, h)[:, None] * memory, 0), mask=m < width)


@triton.jit
def read_backward(
    memory,
    d_memory,
    d_weights,
    weights,
    erase,
    add,
    d_reads,
    d_outputs,
    readers: tl.constexpr,
    writers: tl.constexpr,
    slots: tl.constexpr,
    width: tl.constexpr,
):
    """Back through equation 2. ``memory`` is that before the write, the gradients those of what was read.

    Returns the gradient of the memory after the write, and of the weightings.
    """
    writing = weights + readers * slots
    after = _erased(memory, writing, erase, 0, writers, slots, width)
    for h in tl.static_range(writers):
        w = _vector(writing + h * slots, slots, memory.shape[0])
        after += w[:, None] * _vector(add + h * width, width, memory.shape[1])[None, :]
    for h in tl.static_range(readers):
        w = _vector(weights + h * slots, slots, memory.shape[0])
        d = _vector(d_reads + h * width, width, memory.shape[1])
        d += _vector(d_outputs + h * width, width, memory.shape[1])
        d_memory += w[:, None] * d[None, :]
        d_weights = with_row(d_weights, h, row_of(d_weights, h) + tl.sum(after * d[None, :], 1))
    return d_memory, d_weights


@triton.jit
def write_backward(
    memory,
    d_memory,
    d_weights,
    weights,
    erase,
    add,
    d_erase,
    d_add,
    readers: tl.constexpr,
    writers: tl.constexpr,
    slots: tl.constexpr,
    width: tl.constexpr,
):
    """Back through equations 3 and 4: from the gradient of the memory after the write to that before it.

    Stores what erase and add get, before their activations.
    """
    m = tl.arange(0, memory.shape[1])
    writing = weights + readers * slots
    after = d_memory
    for h in tl.static_range(writers - 1, -1, -1):  # the last erase first
        w = _vector(writing + h * slots, slots, memory.shape[0])
        e = _vector(erase + h * width, width, memory.shape[1])
        a = _vector(add + h * width, width, memory.shape[1])
        kept = d_memory * _erased(memory, writing, erase, 0, h, slots, width)
        d_e = -tl.sum(kept * w[:, None], 0)
        d_a = tl.sum(after * w[:, None], 0)
        d_w = tl.sum(after * a[None, :] - kept * e[None, :], 1)
        d_weights = with_row(d_weights, readers + h, row_of(d_weights, readers + h) + d_w)
        tl.store(d_erase + h * width + m, d_e * e * (1.0 - e), mask=m < width)
        tl.store(d_add + h * width + m, d_a * (1.0 - a * a), mask=m < width)
        d_memory *= 1.0 - w[:, None] * e[None, :]
    return d_memory, d_weights


@triton.jit
def similarity_backward(
    memory, d_memory, cosine, d_cosine, inverse, emitted, d_emitted, heads: tl.constexpr, width: tl.constexpr
):
    """Back through equation 6: adds to the gradient of the memory, and stores the keys', before their activation."""
    m = tl.arange(0, memory.shape[1])
    push = tl.zeros((memory.shape[0],), tl.float32)
    for h in tl.static_range(heads):
        key = _vector(emitted + h * width, width, memory.shape[1])
        inverse_key = inverse_norm(tl.sum(key * key, 0))
        d = row_of(d_cosine, h)
        along = d * row_of(cosine, h)
        pull = d * inverse * inverse_key
        push += along
        d_memory += pull[:, None] * key[None, :]
        d_key = tl.sum(pull[:, None] * memory, 0) - tl.sum(along, 0) * inverse_key * inverse_key * key
        tl.store(d_emitted + h * width + m, d_key * (1.0 - key * key), mask=m < width)
    return d_memory - memory * (push * inverse * inverse)[:, None]
