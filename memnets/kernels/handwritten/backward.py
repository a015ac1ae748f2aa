"""The sequence of one sample, backward: one program a sample, the memory's gradient in registers from step to step.

Gradients of the sums before activation go to global memory, a row a step; those of all parameters are then single
matrix products over all steps, outside.
"""

# pyright: reportGeneralTypeIssues=false, reportAssignmentType=false
import triton
import triton.language as tl

from .addressing import address_backward, cosines, inverse_norm
from .forward import clear
from .functions import tanh
from .memory import read_backward, similarity_backward, write_backward
from .products import product


@triton.jit
def _lstm_backward(d_h, units, prev_cell, cell, d_cell, d_sums, C: tl.constexpr, C_P: tl.constexpr):
    """Back through an LSTM layer's units. d_cell: of c_t, becomes that of c_(t-1)."""
    c = tl.arange(0, C_P)
    mask = c < C
    i = tl.load(units + c, mask=mask, other=0.0)
    f = tl.load(units + C + c, mask=mask, other=0.0)
    g = tl.load(units + 2 * C + c, mask=mask, other=0.0)
    o = tl.load(units + 3 * C + c, mask=mask, other=0.0)
    squashed = tanh(tl.load(cell + c, mask=mask, other=0.0))
    dc = tl.load(d_cell + c, mask=mask, other=0.0) + d_h * o * (1.0 - squashed * squashed)
    tl.debug_barrier()  # d_cell has been read by all that hold a copy
    tl.store(d_sums + c, dc * g * i * (1.0 - i), mask=mask)
    tl.store(d_sums + C + c, dc * tl.load(prev_cell + c, mask=mask, other=0.0) * f * (1.0 - f), mask=mask)
    tl.store(d_sums + 2 * C + c, dc * i * (1.0 - g * g), mask=mask)
    tl.store(d_sums + 3 * C + c, d_h * squashed * o * (1.0 - o), mask=mask)
    tl.store(d_cell + c, dc * f, mask=mask)


@triton.jit(do_not_specialize=["T"])
def backward_kernel(
    packed,  # each layer's matrix (G, own + below), then the interface's (F, C)
    lengths,  # (B), or None
    gates,  # (L, T, B, G): this and the next as the forward pass left them
    cells,  # (L, T + 1, B, C)
    emitted,  # (T + 1, B, F)
    weights,  # (T + 1, B, H, N)
    memories,  # (T, B, N, M)
    d_outputs,  # (T, B, C + R M)
    carry,  # (B, L, CARRY): [own h, below] of each layer, from the step after; in, of the last state; out, of the first
    d_cell,  # (B, L, C), likewise
    d_memory,  # (B, N, M), likewise
    d_weights,  # (B, H, N), likewise
    d_gates,  # (L, T, B, G): out
    d_emitted,  # (T, B, F): out
    T,
    LSTM: tl.constexpr,
    L: tl.constexpr, C: tl.constexpr, N: tl.constexpr, M: tl.constexpr, R: tl.constexpr, W: tl.constexpr,
    S: tl.constexpr,
    C_P: tl.constexpr, N_P: tl.constexpr, M_P: tl.constexpr, H_P: tl.constexpr, F_P: tl.constexpr, G_P: tl.constexpr,
    K_P: tl.constexpr, CARRY: tl.constexpr, TOLD_BLOCK: tl.constexpr, GATE_BLOCK: tl.constexpr,
):  # fmt: skip
    """All steps of sample ``program_id(0)``, the last one first."""
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
    c = tl.arange(0, C_P)
    k = tl.arange(0, K_P)
    head = tl.arange(0, H_P)
    inside = (n < N)[:, None] & (m < M)[None, :]
    place = n[:, None] * M + m[None, :]
    weighting = (head < H)[:, None] & (n < N)[None, :]
    row = head[:, None] * N + n[None, :]
    carry += b * (L * CARRY)
    d_cell += b * (L * C)

    for t in range(length, T):
        for layer in tl.static_range(L):
            clear(d_gates + ((layer * T + t) * B + b) * G, G, G_P)
        clear(d_emitted + (t * B + b) * F, F, F_P)

    dm = tl.load(d_memory + b * (N * M) + place, mask=inside, other=0.0)
    dw = tl.load(d_weights + b * (H * N) + row, mask=weighting, other=0.0)
    for i in range(length):
        t = length - 1 - i
        now = t * B + b
        say = emitted + now * F
        answer = d_emitted + now * F
        d_out = d_outputs + now * OUT
        used = weights + (now + B) * (H * N)
        memory = tl.load(memories + now * (N * M) + place, mask=inside, other=0.0)
        w = tl.load(used + row, mask=weighting, other=0.0)
        prev = tl.load(weights + now * (H * N) + row, mask=weighting, other=0.0)
        dm, dw = read_backward(memory, dm, dw, used, say + ERASE, say + ADD, carry + OWN, d_out + C, R, W, N, M)
        dm, dw = write_backward(memory, dm, dw, used, say + ERASE, say + ADD, answer + ERASE, answer + ADD, R, W, N, M)
        inverse = inverse_norm(tl.sum(memory * memory, 1))
        cosine = cosines(memory, say, inverse, H, M, H_P)
        dw, d_cosine = address_backward(dw, cosine, prev, w, say, answer, H, S, N, F_GATE, F_STRENGTH, F_SHIFT)
        dm = similarity_backward(memory, dm, cosine, d_cosine, inverse, say, answer, H, M)
        tl.debug_barrier()

        d_h = product(answer, packed + INTERFACE, F, C, C, C_P, TOLD_BLOCK)
        d_h += tl.load(d_out + c, mask=c < C, other=0.0).to(tl.float32)
        for layer in tl.static_range(L - 1, -1, -1):
            if LSTM:
                d_h += tl.load(carry + layer * CARRY + c, mask=c < C, other=0.0)
            units = gates + ((layer * T + t) * B + b) * G
            d_sums = d_gates + ((layer * T + t) * B + b) * G
            if LSTM:
                cell = cells + ((layer * (T + 1) + t) * B + b) * C
                _lstm_backward(d_h, units, cell, cell + B * C, d_cell + layer * C, d_sums, C, C_P)
            else:
                x = tl.load(units + c, mask=c < C, other=0.0)
                tl.store(d_sums + c, d_h * (1.0 - x * x), mask=c < C)
            tl.debug_barrier()
            if layer > 0:
                matrix = packed + ((OWN + RM) + (layer - 1) * (OWN + C)) * G
                below = product(d_sums, matrix, G, OWN + C, OWN + C, K_P, GATE_BLOCK)
                tl.store(carry + layer * CARRY + k, below, mask=k < OWN + C)
            else:
                below = product(d_sums, packed, G, OWN + RM, OWN + RM, K_P, GATE_BLOCK)
                tl.store(carry + k, below, mask=k < OWN + RM)
            tl.debug_barrier()
            if layer > 0:
                d_h = tl.load(carry + layer * CARRY + OWN + c, mask=c < C, other=0.0)

    tl.store(d_memory + b * (N * M) + place, dm, mask=inside)
    tl.store(d_weights + b * (H * N) + row, dw, mask=weighting)
