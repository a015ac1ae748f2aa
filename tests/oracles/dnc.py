"""Differentiable neural computer: NumPy float64 loops written from Graves et al. 2016, Methods, not from the code.

Arrays have the shapes of the library's docstrings, batch first. What the paper leaves to one write head is done for
each write head; the order of the read modes is theirs (backward, content, forward).
"""

import math

import numpy as np

Array = np.ndarray


def softmax(values: Array) -> Array:
    powers = np.exp(values - values.max())
    return powers / powers.sum()


# Dynamic memory allocation.


def memory_retention(free_gate: Array, prev_read_weights: Array) -> Array:
    """psi_t[i] = prod_r (1 - f_t^r w_{t-1}^{r,r}[i])."""
    batch, heads, slots = prev_read_weights.shape
    result = np.ones((batch, slots))
    for b in range(batch):
        for i in range(slots):
            for r in range(heads):
                result[b, i] *= 1 - free_gate[b, r] * prev_read_weights[b, r, i]
    return result


def memory_usage(prev_usage: Array, prev_write_weights: Array, retention: Array) -> Array:
    """u_t[i] = (u[i] + w[i] - u[i] w[i]) psi[i], with w = 1 - prod_w (1 - w_w) for several write heads."""
    batch, heads, slots = prev_write_weights.shape
    result = np.zeros((batch, slots))
    for b in range(batch):
        for i in range(slots):
            untouched = 1.0
            for w in range(heads):
                untouched *= 1 - prev_write_weights[b, w, i]
            written, usage = 1 - untouched, prev_usage[b, i]
            result[b, i] = (usage + written - usage * written) * retention[b, i]
    return result


def allocation_weights(usage: Array) -> Array:
    """a_t[phi[j]] = (1 - u[phi[j]]) prod_{i<j} u[phi[i]], phi the indices in ascending order of usage (a free list)."""
    batch, slots = usage.shape
    result = np.zeros((batch, slots))
    for b in range(batch):
        u = [usage[b, i] * (1 - 1e-6) + 1e-6 for i in range(slots)]
        free_list = sorted(range(slots), key=lambda i: (u[i], i))
        for j in range(slots):
            product = 1.0
            for i in range(j):
                product *= u[free_list[i]]
            result[b, free_list[j]] = (1 - u[free_list[j]]) * product
    return result


def allocation_weights_by_head(usage: Array, allocation_gate: Array, write_gate: Array) -> Array:
    """Each write head allocates from the usage that the heads before it leave."""
    batch, slots = usage.shape
    heads = allocation_gate.shape[1]
    result = np.zeros((batch, heads, slots))
    for b in range(batch):
        u = np.array(usage[b], dtype=np.float64)
        for w in range(heads):
            result[b, w] = allocation_weights(u[None])[0]
            for i in range(slots):
                u[i] = u[i] + (1 - u[i]) * allocation_gate[b, w] * write_gate[b, w] * result[b, w, i]
    return result


def write_weighting(content: Array, allocation: Array, allocation_gate: Array, write_gate: Array) -> Array:
    """w_t^w[i] = g^w (g^a a[i] + (1 - g^a) c^w[i])."""
    result = np.zeros(content.shape)
    for b, w, i in np.ndindex(content.shape):
        gate = allocation_gate[b, w]
        result[b, w, i] = write_gate[b, w] * (gate * allocation[b, w, i] + (1 - gate) * content[b, w, i])
    return result


# Temporal memory linkage.


def update_links(prev_links: Array, prev_precedence: Array, write_weights: Array) -> Array:
    """L_t[i,j] = (1 - w[i] - w[j]) L_{t-1}[i,j] + w[i] p_{t-1}[j]; L_t[i,i] = 0."""
    result = np.zeros(prev_links.shape)
    for b, w, i, j in np.ndindex(prev_links.shape):
        if i != j:
            kept = 1 - write_weights[b, w, i] - write_weights[b, w, j]
            result[b, w, i, j] = kept * prev_links[b, w, i, j] + write_weights[b, w, i] * prev_precedence[b, w, j]
    return result


def update_precedence(prev_precedence: Array, write_weights: Array) -> Array:
    """p_t[i] = (1 - sum_j w[j]) p_{t-1}[i] + w[i]."""
    result = np.zeros(prev_precedence.shape)
    for b, w, i in np.ndindex(prev_precedence.shape):
        total = sum(write_weights[b, w])
        result[b, w, i] = (1 - total) * prev_precedence[b, w, i] + write_weights[b, w, i]
    return result


def forward_weights(links: Array, prev_read_weights: Array) -> Array:
    """f_t[i] = sum_j L_t[i,j] w_{t-1}^r[j]."""
    batch, writers, slots, _ = links.shape
    readers = prev_read_weights.shape[1]
    result = np.zeros((batch, readers, writers, slots))
    for b, r, w, i in np.ndindex(result.shape):
        for j in range(slots):
            result[b, r, w, i] += links[b, w, i, j] * prev_read_weights[b, r, j]
    return result


def backward_weights(links: Array, prev_read_weights: Array) -> Array:
    """b_t[i] = sum_j L_t[j,i] w_{t-1}^r[j]."""
    batch, writers, slots, _ = links.shape
    readers = prev_read_weights.shape[1]
    result = np.zeros((batch, readers, writers, slots))
    for b, r, w, i in np.ndindex(result.shape):
        for j in range(slots):
            result[b, r, w, i] += links[b, w, j, i] * prev_read_weights[b, r, j]
    return result


def read_weighting(content: Array, backward: Array, forward: Array, modes: Array) -> Array:
    """w_t^r[i] = pi[1] b[i] + pi[2] c[i] + pi[3] f[i], b and f from each write head's links."""
    result = np.zeros(content.shape)
    writers = backward.shape[2]
    for b, r, i in np.ndindex(content.shape):
        for w in range(writers):
            result[b, r, i] += modes[b, r, w] * backward[b, r, w, i]
            result[b, r, i] += modes[b, r, writers + 1 + w] * forward[b, r, w, i]
        result[b, r, i] += modes[b, r, writers] * content[b, r, i]
    return result


# Csordas & Schmidhuber 2019, sections 3.1 to 3.3.


def masked_cosine_similarity(memory: Array, key: Array, mask: Array) -> Array:
    """D(k m, M(i) m) = (k m) . (M(i) m) / (|k m| |M(i) m|), with m raised to a floor of 0.1."""
    batch, slots, _ = memory.shape
    heads = key.shape[1]
    result = np.zeros((batch, heads, slots))
    for b, h, i in np.ndindex(result.shape):
        m = mask[b, h] * 0.9 + 0.1
        k, row = key[b, h] * m, memory[b, i] * m
        norms = math.sqrt(sum(k * k) + 1e-6) * math.sqrt(sum(row * row) + 1e-6)
        result[b, h, i] = sum(k * row) / norms
    return result


def masked_content_weights(memory: Array, key: Array, strength: Array, mask: Array) -> Array:
    """c(i) = exp(beta D_i) / sum_j exp(beta D_j)."""
    result = masked_cosine_similarity(memory, key, mask)
    for b, h in np.ndindex(strength.shape):
        result[b, h] = softmax(strength[b, h] * result[b, h])
    return result


def deallocate(memory: Array, retention: Array) -> Array:
    """The factor of M_{t-1}(i) in its update: psi_t[i]."""
    result = np.zeros(memory.shape)
    for b, i, m in np.ndindex(memory.shape):
        result[b, i, m] = memory[b, i, m] * retention[b, i]
    return result


def sharpen_links(weights: Array, sharpness: Array) -> Array:
    """S(d, s)[i] = (d[i] / max d)^s / sum_j (d[j] / max d)^s, with 1e-6 added to d."""
    result = np.zeros(weights.shape)
    for index in np.ndindex(sharpness.shape):
        d = weights[index] + 1e-6
        powers = [(x / max(d)) ** sharpness[index] for x in d]
        result[index] = np.array(powers) / sum(powers)
    return result
