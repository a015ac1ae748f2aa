"""Fast weights and the delta rule: NumPy float64 loops written from the papers, not from the code.

The papers have column vectors and a memory of shape (V, K); here it is kept as they have it and transposed at the end.
"""

import numpy as np

Array = np.ndarray


def _start(k: Array, v: Array, initial_state: Array | None) -> Array:
    batch, _, heads, key_size = k.shape
    if initial_state is None:
        return np.zeros((batch, heads, v.shape[3], key_size))
    return np.array(initial_state, dtype=np.float64).transpose(0, 1, 3, 2)


def delta_rule(
    q: Array, k: Array, v: Array, beta: Array, log_decay: Array | None = None, initial_state: Array | None = None
) -> tuple[Array, Array]:
    """S_t = a_t S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T, o_t = S_t q_t (Yang, Kautz & Hatamizadeh 2024, 10).

    Without ``log_decay`` a_t is 1, the delta rule of Schlag et al. 2021, section 4.2.
    """
    memory = _start(k, v, initial_state)
    outputs = np.zeros(v.shape)
    batch, steps, heads, size = k.shape
    for b in range(batch):
        for h in range(heads):
            for t in range(steps):
                key, strength = k[b, t, h], beta[b, t, h]
                decay = 1.0 if log_decay is None else np.exp(log_decay[b, t, h])
                forget = np.eye(size) - strength * np.outer(key, key)
                memory[b, h] = decay * memory[b, h] @ forget + strength * np.outer(v[b, t, h], key)
                outputs[b, t, h] = memory[b, h] @ q[b, t, h]
    return outputs, memory.transpose(0, 1, 3, 2)


def linear_attention(q: Array, k: Array, v: Array, initial_state: Array | None = None) -> tuple[Array, Array]:
    """o_i = sum_{j<=i} v_j (k_j . q_i), plus what the starting memory gives."""
    start = _start(k, v, initial_state)
    outputs = np.zeros(v.shape)
    last = start.copy()
    batch, steps, heads, _ = k.shape
    for b in range(batch):
        for h in range(heads):
            for i in range(steps):
                outputs[b, i, h] = start[b, h] @ q[b, i, h]
                for j in range(i + 1):
                    outputs[b, i, h] += v[b, j, h] * sum(k[b, j, h] * q[b, i, h])
                last[b, h] += np.outer(v[b, i, h], k[b, i, h])
    return outputs, last.transpose(0, 1, 3, 2)
