"""The sequence of one sample, forward: one program a sample, its memory in registers from the first step to the last.

What threads of a program hand each other goes through global memory, with a barrier before it is read.
Arrays over time have the step first, then the sample; those that only a backward pass needs have room for ``span``
steps and are used around and around: T + 1, or 2 where no backward pass follows.
"""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
import triton
import triton.language as tl

from .addressing import address, cosines, inverse_norm
from .functions import sigmoid, softplus, tanh
from .memory import read, write
from .products import product, product_four


@triton.jit
def copy(source, target, size: tl.constexpr, padded: tl.constexpr):
    """Copies ``size`` numbers."""
    i = tl.arange(0, padded)
    tl.store(target + i, tl.load(source + i, mask=i < size, other=0.0), mask=i < size)


@triton.jit
def clear(target, size: tl.constexpr, padded: tl.constexpr):
    """Sets ``size`` numbers to zero."""
    i = tl.arange(0, padded)
    tl.store(target + i, tl.zeros((padded,), tl.float32), mask=i < size)


@triton.jit
def _sums(own, own_size: tl.constexpr, below, below_size: tl.constexpr, matrix, C: tl.constexpr, C_P: tl.constexpr,
          BLOCK: tl.constexpr):  # fmt: skip
    """What an LSTM layer's four gates get from its own last h and from below; where both lie side by side, at once."""
    i, f, g, o = product_four(own, matrix, own_size, C, C_P, BLOCK)
    if below_size > 0:
        i_, f_, g_, o_ = product_four(below, matrix + own_size * 4 * C, below_size, C, C_P, BLOCK)
        i += i_
        f += f_
        g += g_
        o += o_
    return i, f, g, o


@triton.jit
def _lstm(gates, kept, i, f, g, o, prev_cell, cell, h, KEEP: tl.constexpr, C: tl.constexpr, C_P: tl.constexpr):
    """An LSTM layer's units. gates: what else enters the sums. kept: where the units go if a backward pass follows."""
    c = tl.arange(0, C_P)
    mask = c < C
    i = sigmoid(i + tl.load(gates + c, mask=mask, other=0.0).to(tl.float32))
    f = sigmoid(f + tl.load(gates + C + c, mask=mask, other=0.0).to(tl.float32))
    g = tanh(g + tl.load(gates + 2 * C + c, mask=mask, other=0.0).to(tl.float32))
    o = sigmoid(o + tl.load(gates + 3 * C + c, mask=mask, other=0.0).to(tl.float32))
    new = f * tl.load(prev_cell + c, mask=mask, other=0.0) + i * g
    if KEEP:
        tl.store(kept + c, i, mask=mask)
        tl.store(kept + C + c, f, mask=mask)
        tl.store(kept + 2 * C + c, g, mask=mask)
        tl.store(kept + 3 * C + c, o, mask=mask)
    tl.store(cell + c, new, mask=mask)
    tl.store(h + c, o * tanh(new), mask=mask)


@triton.jit
def _emit(h, matrix, bias, emitted, C: tl.constexpr, F: tl.constexpr, F_P: tl.constexpr, BLOCK: tl.constexpr,
          gate_at: tl.constexpr, strength_at: tl.constexpr, shift_at: tl.constexpr):  # fmt: skip
    """The interface after activation, but for the shift's logits."""
    f = tl.arange(0, F_P)
    x = product(h, matrix, C, F, F, F_P, BLOCK) + tl.load(bias + f, mask=f < F, other=0.0).to(tl.float32)
    x = tl.where(f < gate_at, tanh(x), tl.where(f < strength_at, sigmoid(x), tl.where(f < shift_at, softplus(x), x)))
    tl.store(emitted + f, x, mask=f < F)


@triton.jit(do_not_specialize=["T", "span"])
def forward_kernel(
    packed,  # each layer's matrix (own + below, G), then the interface's (C, F)
    bias,  # (L, G); the first layer's is in gates already
    interface_bias,  # (F)
    lengths,  # (B), or None
    first_hidden, first_cell, first_memory, first_read_weights, first_write_weights, first_reads,
    last_hidden, last_cell, last_memory, last_read_weights, last_write_weights, last_reads,
    inputs,  # (T, B, G): the inputs' share of the first layer's sums
    outputs,  # (T + 1, B, C + R M): [h, reads], those of the starting state first
    gates,  # (L, T, B, G): units after activation
    cells,  # (L, span, B, C)
    lower,  # (L - 1, span, B, C): h of the layers below the last
    emitted,  # (span, B, F)
    weights,  # (T + 1, B, H, N)
    memories,  # (T, B, N, M), before each step
    T, span,
    LSTM: tl.constexpr, KEEP: tl.constexpr,
    L: tl.constexpr, C: tl.constexpr, N: tl.constexpr, M: tl.constexpr, R: tl.constexpr, W: tl.constexpr,
    S: tl.constexpr,
    C_P: tl.constexpr, N_P: tl.constexpr, M_P: tl.constexpr, H_P: tl.constexpr, F_P: tl.constexpr, RM_P: tl.constexpr,
    GATE_BLOCK: tl.constexpr, UNIT_BLOCK: tl.constexpr, TOLD_BLOCK: tl.constexpr,
):  # fmt: skip
    """All steps of sample ``program_id(0)``."""
    H: tl.constexpr = R + W
    RM: tl.constexpr = R * M
    OUT: tl.constexpr = C + RM
    G: tl.constexpr = 4 * C if LSTM else C
    OWN: tl.constexpr = C if LSTM else 0
    F_GATE: tl.constexpr = (H + W) * M
    F_STRENGTH: tl.constexpr = F_GATE + H + W * M
    F_SHIFT: tl.constexpr = F_STRENGTH + 2 * H
    F: tl.constexpr = F_SHIFT + H * S
    INTERFACE: tl.constexpr = ((OWN + RM) + (L - 1) * (OWN + C)) * G
    ADD: tl.constexpr = H * M
    ERASE: tl.constexpr = F_GATE + H

    B = tl.num_programs(0).to(tl.int64)
    b = tl.program_id(0).to(tl.int64)
    length = T
    if lengths is not None:
        length = tl.load(lengths + b)
    n = tl.arange(0, N_P)
    m = tl.arange(0, M_P)
    head = tl.arange(0, H_P)
    inside = (n < N)[:, None] & (m < M)[None, :]
    place = n[:, None] * M + m[None, :]
    reading = (head < R)[:, None] & (n < N)[None, :]
    writing = ((head >= R) & (head < H))[:, None] & (n < N)[None, :]
    row = head[:, None] * N + n[None, :]

    if LSTM:
        for layer in tl.static_range(L):
            if layer == L - 1:
                copy(first_hidden + (b * L + layer) * C, outputs + b * OUT, C, C_P)
            else:
                copy(first_hidden + (b * L + layer) * C, lower + (layer * span * B + b) * C, C, C_P)
            copy(first_cell + (b * L + layer) * C, cells + (layer * span * B + b) * C, C, C_P)
    else:
        clear(outputs + b * OUT, C, C_P)
    copy(first_reads + b * RM, outputs + b * OUT + C, RM, RM_P)
    memory = tl.load(first_memory + b * (N * M) + place, mask=inside, other=0.0).to(tl.float32)
    prev = tl.load(first_read_weights + b * (R * N) + row, mask=reading, other=0.0).to(tl.float32)
    prev += tl.load(first_write_weights + b * (W * N) + row - R * N, mask=writing, other=0.0).to(tl.float32)
    if KEEP:
        tl.store(weights + b * (H * N) + row, prev, mask=reading | writing)
    tl.debug_barrier()

    for t in range(length):
        now = (t % span) * B + b
        following = ((t + 1) % span) * B + b
        before = outputs + (t * B + b) * OUT
        after = outputs + ((t + 1) * B + b) * OUT
        for layer in tl.static_range(L):
            matrix = packed
            if layer > 0:
                matrix = packed + ((OWN + RM) + (layer - 1) * (OWN + C)) * G
            h = after
            if layer < L - 1:
                h = lower + (layer * span * B + following) * C
            below = before + C
            if layer > 0:
                below = lower + ((layer - 1) * span * B + following) * C
            entering = inputs + (t * B + b) * G
            if layer > 0:
                entering = bias + layer * G
            kept = gates + ((layer * T + t) * B + b) * G
            if LSTM:
                if L == 1:
                    i, f, g, o = _sums(before, C + RM, below, 0, matrix, C, C_P, GATE_BLOCK)
                elif layer == 0:
                    i, f, g, o = _sums(lower + now * C, C, below, RM, matrix, C, C_P, GATE_BLOCK)
                elif layer < L - 1:
                    i, f, g, o = _sums(lower + (layer * span * B + now) * C, C, below, C, matrix, C, C_P, GATE_BLOCK)
                else:
                    i, f, g, o = _sums(before, C, below, C, matrix, C, C_P, GATE_BLOCK)
                cell = cells + layer * span * B * C
                _lstm(entering, kept, i, f, g, o, cell + now * C, cell + following * C, h, KEEP, C, C_P)
            else:
                c = tl.arange(0, C_P)
                x = product(below, matrix, RM if layer == 0 else C, C, C, C_P, UNIT_BLOCK)
                x = tanh(x + tl.load(entering + c, mask=c < C, other=0.0).to(tl.float32))
                if KEEP:
                    tl.store(kept + c, x, mask=c < C)
                tl.store(h + c, x, mask=c < C)
            tl.debug_barrier()

        say = emitted + now * F
        _emit(after, packed + INTERFACE, interface_bias, say, C, F, F_P, TOLD_BLOCK, F_GATE, F_STRENGTH, F_SHIFT)
        tl.debug_barrier()

        if KEEP:
            tl.store(memories + (t * B + b) * (N * M) + place, memory, mask=inside)
        inverse = inverse_norm(tl.sum(memory * memory, 1))
        cosine = cosines(memory, say, inverse, H, M, H_P)
        _, _, _, prev = address(cosine, prev, say, H, S, N, F_GATE, F_STRENGTH, F_SHIFT)
        if KEEP:
            tl.store(weights + ((t + 1) * B + b) * (H * N) + row, prev, mask=reading | writing)
        memory = write(memory, prev, say + ERASE, say + ADD, R, W, M)
        read(memory, prev, after + C, R, M)
        tl.debug_barrier()

    end = (length % span) * B + b
    final = outputs + (length * B + b) * OUT
    if LSTM:
        for layer in tl.static_range(L):
            if layer == L - 1:
                copy(final, last_hidden + (b * L + layer) * C, C, C_P)
            else:
                copy(lower + (layer * span * B + end) * C, last_hidden + (b * L + layer) * C, C, C_P)
            copy(cells + (layer * span * B + end) * C, last_cell + (b * L + layer) * C, C, C_P)
    copy(final + C, last_reads + b * RM, RM, RM_P)
    tl.store(last_memory + b * (N * M) + place, memory, mask=inside)
    tl.store(last_read_weights + b * (R * N) + row, prev, mask=reading)
    tl.store(last_write_weights + b * (W * N) + row - R * N, prev, mask=writing)

    for t in range(length, T):  # past the end all that products over steps will read is zero
        clear(outputs + ((t + 1) * B + b) * OUT, C, C_P)
        clear(outputs + ((t + 1) * B + b) * OUT + C, RM, RM_P)
        if KEEP:
            for layer in tl.static_range(L - 1):
                clear(lower + (layer * span * B + ((t + 1) % span) * B + b) * C, C, C_P)
                clear(gates + ((layer * T + t) * B + b) * G, C, C_P)
