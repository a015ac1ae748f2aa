"""Where all heads of one sample look: Graves et al. 2014, equations 5 to 9, forward and backward.

Tiles over (heads, slots) are padded to powers of two; entries past the last slot are 0. ``emitted`` points at the
heads' numbers after activation, but for the shift, whose logits stand there.
"""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
import triton
import triton.language as tl

from .functions import softmax, softplus_slope

NORM_EPSILON = tl.constexpr(1e-6)
LOG_EPSILON = tl.constexpr(1e-16)


@triton.jit
def inverse_norm(square):
    """1 / sqrt(|a|^2 + 1e-6)."""
    return 1.0 / tl.sqrt(square + NORM_EPSILON)


@triton.jit
def row_of(tile, row):
    """One row of a tile, (slots)."""
    rows = tl.arange(0, tile.shape[0])
    return tl.sum(tl.where(rows[:, None] == row, tile, 0.0), 0)


@triton.jit
def with_row(tile, row, values):
    """The tile with one row replaced."""
    rows = tl.arange(0, tile.shape[0])
    return tl.where(rows[:, None] == row, values[None, :], tile)


@triton.jit
def cosines(memory, emitted, inverse, heads: tl.constexpr, width: tl.constexpr, heads_padded: tl.constexpr):
    """Equation 6 for all heads, (heads, slots); ``inverse`` is each slot's inverse norm."""
    m = tl.arange(0, memory.shape[1])
    found = tl.zeros((heads_padded, memory.shape[0]), tl.float32)
    for h in tl.static_range(heads):
        key = tl.load(emitted + h * width + m, mask=m < width, other=0.0)
        dot = tl.sum(memory * key[None, :], 1)
        found = with_row(found, h, dot * inverse * inverse_norm(tl.sum(key * key, 0)))
    return found


@triton.jit
def _shift_scale(logits, valid, shifts: tl.constexpr):
    """What turns the shift's logits into a distribution: s = exp(logit - most) * scale, for each head."""
    head = tl.arange(0, valid.shape[0])
    most = tl.load(logits + head * shifts, mask=valid, other=0.0)
    for k in tl.static_range(1, shifts):
        most = tl.maximum(most, tl.load(logits + head * shifts + k, mask=valid, other=0.0))
    total = tl.zeros_like(most)
    for k in tl.static_range(shifts):
        total += tl.exp(tl.load(logits + head * shifts + k, mask=valid, other=0.0) - most)
    return most, 1.0 / total


@triton.jit
def _shift_at(logits, valid, most, scale, k: tl.constexpr, shifts: tl.constexpr):
    head = tl.arange(0, valid.shape[0])
    return tl.exp(tl.load(logits + head * shifts + k, mask=valid, other=0.0) - most) * scale


@triton.jit
def _turned(tile, by: tl.constexpr, slots: tl.constexpr):
    """tile (heads, slots) read ``by`` slots further on, around the ring: out(i) = tile(i + by)."""
    place = (tl.arange(0, tile.shape[1]) + by % slots) % slots
    return tl.gather(tile, tl.broadcast_to(place[None, :], tile.shape), 1)


@triton.jit
def _emitted(emitted, known, heads: tl.constexpr, gate_at: tl.constexpr, strength_at: tl.constexpr):
    """Each head's gate g, strength beta, and sharpening gamma - 1, as columns (heads, 1)."""
    head = tl.arange(0, known.shape[0])
    gate = tl.load(emitted + gate_at + head, mask=known, other=0.0)
    strength = tl.load(emitted + strength_at + head, mask=known, other=0.0)
    sharpening = tl.load(emitted + strength_at + heads + head, mask=known, other=0.0)
    return gate[:, None], strength[:, None], sharpening[:, None]


@triton.jit
def address(
    cosine,
    prev,
    emitted,
    heads: tl.constexpr,
    shifts: tl.constexpr,
    slots: tl.constexpr,
    gate_at: tl.constexpr,
    strength_at: tl.constexpr,
    shift_at: tl.constexpr,
):
    """Equations 5 to 9: the content weighting, the interpolated, the shifted, and the final one, (heads, slots)."""
    known = tl.arange(0, cosine.shape[0]) < heads
    valid = (tl.arange(0, cosine.shape[1]) < slots)[None, :]
    gate, strength, sharpening = _emitted(emitted, known, heads, gate_at, strength_at)
    content = softmax(strength * cosine, valid)
    blended = gate * content + (1.0 - gate) * prev
    shifted = blended
    if shifts > 1:
        most, scale = _shift_scale(emitted + shift_at, known, shifts)
        shifted = tl.zeros_like(blended)
        for k in tl.static_range(shifts):
            s = _shift_at(emitted + shift_at, known, most, scale, k, shifts)
            shifted += s[:, None] * _turned(blended, shifts // 2 - k, slots)
    weights = softmax((1.0 + sharpening) * tl.log(shifted + LOG_EPSILON), valid)
    return content, blended, shifted, weights


@triton.jit
def address_backward(
    d_weights,
    cosine,
    prev,
    weights,
    emitted,
    d_emitted,
    heads: tl.constexpr,
    shifts: tl.constexpr,
    slots: tl.constexpr,
    gate_at: tl.constexpr,
    strength_at: tl.constexpr,
    shift_at: tl.constexpr,
):
    """From the gradient of the final weighting to those of the previous one and of the cosine.

    Stores into ``d_emitted`` what gate, strength, sharpening and shift get, before their activations.
    """
    head = tl.arange(0, cosine.shape[0])
    known = head < heads
    valid = (tl.arange(0, cosine.shape[1]) < slots)[None, :]
    gate, strength, sharpening = _emitted(emitted, known, heads, gate_at, strength_at)
    content, blended, shifted, _ = address(cosine, prev, emitted, heads, shifts, slots, gate_at, strength_at, shift_at)
    # (9)
    d_logit = weights * (d_weights - tl.sum(d_weights * weights, 1)[:, None])
    d_sharpening = tl.sum(d_logit * tl.log(shifted + LOG_EPSILON), 1)[:, None]
    d_shifted = tl.where(valid, (1.0 + sharpening) * d_logit / (shifted + LOG_EPSILON), 0.0)
    # (8)
    d_blended = d_shifted
    if shifts > 1:
        most, scale = _shift_scale(emitted + shift_at, known, shifts)
        mean = tl.sum(d_shifted * shifted, 1)
        d_blended = tl.zeros_like(d_shifted)
        for k in tl.static_range(shifts):
            s = _shift_at(emitted + shift_at, known, most, scale, k, shifts)
            d_blended += s[:, None] * _turned(d_shifted, k - shifts // 2, slots)
            d_shift = tl.sum(d_shifted * _turned(blended, shifts // 2 - k, slots), 1)
            tl.store(d_emitted + shift_at + head * shifts + k, s * (d_shift - mean), mask=known)
        d_blended = tl.where(valid, d_blended, 0.0)
    else:
        tl.store(d_emitted + shift_at + head, tl.zeros((cosine.shape[0],), tl.float32), mask=known)
    # (7)
    d_gate = tl.sum(d_blended * (content - prev), 1)[:, None] * gate * (1.0 - gate)
    d_content = d_blended * gate
    # (5)
    d_similar = content * (d_content - tl.sum(d_content * content, 1)[:, None])
    d_strength = tl.sum(d_similar * cosine, 1)[:, None] * softplus_slope(strength)
    d_sharpening *= softplus_slope(sharpening)
    tl.store(d_emitted + gate_at + head[:, None], d_gate, mask=known[:, None])
    tl.store(d_emitted + strength_at + head[:, None], d_strength, mask=known[:, None])
    tl.store(d_emitted + strength_at + heads + head[:, None], d_sharpening, mask=known[:, None])
    return d_blended * (1.0 - gate), d_similar * strength
