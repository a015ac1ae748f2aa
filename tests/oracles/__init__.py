"""Independent references: NumPy float64 loops written from the equations of Graves et al. 2014, not from the code.

Every loop over batch, heads and slots is explicit. Arrays have the shapes of the library's docstrings, with the
batch first. Constants: 1e-6 is added to squared norms, 1e-16 to weights before their logarithm.
"""

import math
from typing import NamedTuple

import numpy as np

Array = np.ndarray


def softmax(values: Array) -> Array:
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def softplus(value: float) -> float:
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


# Graves et al. 2014, section 3: one function an equation.


def read(memory: Array, weights: Array) -> Array:
    """Equation 2: r = sum_i w(i) M(i)."""
    batch, heads, slots = weights.shape
    result = np.zeros((batch, heads, memory.shape[2]))
    for b in range(batch):
        for h in range(heads):
            for i in range(slots):
                result[b, h] += weights[b, h, i] * memory[b, i]
    return result


def erase(memory: Array, weights: Array, erase: Array) -> Array:
    """Equation 3 for each head in turn: M~(i) = M(i) [1 - w(i) e]."""
    result = np.array(memory, dtype=np.float64)
    batch, heads, slots = weights.shape
    for b in range(batch):
        for h in range(heads):
            for i in range(slots):
                result[b, i] = result[b, i] * (1 - weights[b, h, i] * erase[b, h])
    return result


def add(memory: Array, weights: Array, add: Array) -> Array:
    """Equation 4 for each head in turn: M(i) = M~(i) + w(i) a."""
    result = np.array(memory, dtype=np.float64)
    batch, heads, slots = weights.shape
    for b in range(batch):
        for h in range(heads):
            for i in range(slots):
                result[b, i] = result[b, i] + weights[b, h, i] * add[b, h]
    return result


def cosine_similarity(memory: Array, key: Array) -> Array:
    """Equation 6: K(k, M(i)) = k . M(i) / (|k| |M(i)|)."""
    batch, slots, _ = memory.shape
    heads = key.shape[1]
    result = np.zeros((batch, heads, slots))
    for b in range(batch):
        for h in range(heads):
            for i in range(slots):
                k, m = key[b, h], memory[b, i]
                norms = math.sqrt(sum(k * k) + 1e-6) * math.sqrt(sum(m * m) + 1e-6)
                result[b, h, i] = sum(k * m) / norms
    return result


def content_weights(memory: Array, key: Array, strength: Array) -> Array:
    """Equation 5: w_c(i) = exp(beta K(k, M(i))) / sum_j exp(beta K(k, M(j)))."""
    result = cosine_similarity(memory, key)
    for b, h in np.ndindex(strength.shape):
        result[b, h] = softmax(strength[b, h] * result[b, h])
    return result


def interpolate(content: Array, previous: Array, gate: Array) -> Array:
    """Equation 7: w_g = g w_c + (1 - g) w_{t-1}."""
    result = np.zeros(content.shape)
    for b, h, i in np.ndindex(content.shape):
        result[b, h, i] = gate[b, h] * content[b, h, i] + (1 - gate[b, h]) * previous[b, h, i]
    return result


def shift_weights(weights: Array, shift: Array) -> Array:
    """Equation 8: w~(i) = sum_j w(j) s(i - j) modulo N, with shifts -S//2 .. S//2 in the order of ``shift``."""
    batch, heads, slots = weights.shape
    reach = shift.shape[2] // 2
    result = np.zeros(weights.shape)
    for b in range(batch):
        for h in range(heads):
            for j in range(slots):
                for move in range(-reach, reach + 1):
                    result[b, h, (j + move) % slots] += weights[b, h, j] * shift[b, h, move + reach]
    return result


def sharpen(weights: Array, sharpening: Array) -> Array:
    """Equation 9: w(i) = w~(i)^gamma / sum_j w~(j)^gamma."""
    result = np.zeros(weights.shape)
    for b, h in np.ndindex(sharpening.shape):
        result[b, h] = softmax(sharpening[b, h] * np.log(weights[b, h] + 1e-16))
    return result


class Memory(NamedTuple):
    memory: Array
    read_weights: Array
    write_weights: Array


def initial_memory(batch: int, slots: int, width: int, readers: int, writers: int) -> Memory:
    """Constant 1e-6, with every head on slot 0."""
    read_weights, write_weights = np.zeros((batch, readers, slots)), np.zeros((batch, writers, slots))
    read_weights[:, :, 0] = write_weights[:, :, 0] = 1
    return Memory(np.full((batch, slots, width), 1e-6), read_weights, write_weights)


def memory_step(interface: Array, state: Memory, shift_range: int) -> tuple[Array, Memory]:
    """One access of an NTM: cut the interface into the heads' parameters, address, erase, add, read.

    The interface holds, one after another: keys of all heads, add vectors, gates of all heads, erase vectors,
    strengths, sharpenings and shifts of all heads; the read heads come before the write heads.
    """
    batch, _, width = state.memory.shape
    readers, writers = state.read_weights.shape[1], state.write_weights.shape[1]
    heads, shifts = readers + writers, 2 * shift_range + 1
    key, gate, strength = np.zeros((batch, heads, width)), np.zeros((batch, heads)), np.zeros((batch, heads))
    sharpening, shift = np.zeros((batch, heads)), np.zeros((batch, heads, shifts))
    erases, adds = np.zeros((batch, writers, width)), np.zeros((batch, writers, width))
    for b in range(batch):
        numbers = iter(interface[b])

        def take(count: int, numbers=numbers) -> Array:
            return np.array([next(numbers) for _ in range(count)])

        for h in range(heads):
            key[b, h] = np.tanh(take(width))
        for h in range(writers):
            adds[b, h] = np.tanh(take(width))
        for h in range(heads):
            gate[b, h] = sigmoid(take(1))[0]
        for h in range(writers):
            erases[b, h] = sigmoid(take(width))
        for h in range(heads):
            strength[b, h] = softplus(take(1)[0])
        for h in range(heads):
            sharpening[b, h] = 1 + softplus(take(1)[0])
        for h in range(heads):
            shift[b, h] = softmax(take(shifts))
        assert next(numbers, None) is None, "the interface has numbers left over"
    previous = np.concatenate([state.read_weights, state.write_weights], axis=1)
    weights = content_weights(state.memory, key, strength)
    weights = sharpen(shift_weights(interpolate(weights, previous, gate), shift), sharpening)
    read_weights, write_weights = weights[:, :readers], weights[:, readers:]
    memory = add(erase(state.memory, write_weights, erases), write_weights, adds)
    return read(memory, read_weights), Memory(memory, read_weights, write_weights)


# Controllers, from their defining equations; gates in the order in which torch stores them.


def lstm_step(x: Array, h: Array, c: Array, weights: dict[str, Array]) -> tuple[Array, Array]:
    """Hochreiter & Schmidhuber 1997 with forget gates: c' = f c + i g, h' = o tanh(c')."""
    size = h.shape[1]
    new_h, new_c = np.zeros_like(h), np.zeros_like(c)
    for b in range(len(x)):
        z = weights["weight_ih"] @ x[b] + weights["bias_ih"] + weights["weight_hh"] @ h[b] + weights["bias_hh"]
        i, f, g, o = (z[k * size : (k + 1) * size] for k in range(4))
        new_c[b] = sigmoid(f) * c[b] + sigmoid(i) * np.tanh(g)
        new_h[b] = sigmoid(o) * np.tanh(new_c[b])
    return new_h, new_c


def gru_step(x: Array, h: Array, weights: dict[str, Array]) -> Array:
    """Cho et al. 2014: r, z = gates; n = tanh(W x + b + r (U h + b')); h' = (1 - z) n + z h."""
    size = h.shape[1]
    new = np.zeros_like(h)
    for b in range(len(x)):
        given = weights["weight_ih"] @ x[b] + weights["bias_ih"]
        kept = weights["weight_hh"] @ h[b] + weights["bias_hh"]
        r = sigmoid(given[:size] + kept[:size])
        z = sigmoid(given[size : 2 * size] + kept[size : 2 * size])
        n = np.tanh(given[2 * size :] + r * kept[2 * size :])
        new[b] = (1 - z) * n + z * h[b]
    return new


def rnn_step(x: Array, h: Array, weights: dict[str, Array]) -> Array:
    """Elman 1990: h' = tanh(W x + b + U h + b')."""
    new = np.zeros_like(h)
    for b in range(len(x)):
        z = weights["weight_ih"] @ x[b] + weights["bias_ih"] + weights["weight_hh"] @ h[b] + weights["bias_hh"]
        new[b] = np.tanh(z)
    return new


def feedforward_step(x: Array, weights: dict[str, Array]) -> Array:
    """h = tanh(W x + b)."""
    return np.stack([np.tanh(weights["weight"] @ x[b] + weights["bias"]) for b in range(len(x))])


def layered_step(kind: str, x: Array, state: dict[str, Array], layers: list[dict[str, Array]]) -> Array:
    """One step of a stack of layers; ``state["hidden"]`` (and ``["cell"]``), (B, L, H), change in place."""
    for n, weights in enumerate(layers):
        if kind == "lstm":
            x, state["cell"][:, n] = lstm_step(x, state["hidden"][:, n], state["cell"][:, n], weights)
        elif kind == "gru":
            x = gru_step(x, state["hidden"][:, n], weights)
        elif kind == "rnn":
            x = rnn_step(x, state["hidden"][:, n], weights)
        else:
            x = feedforward_step(x, weights)
        if kind != "feedforward":
            state["hidden"][:, n] = x
    return x


def layered_state(kind: str, batch: int, layers: list[dict[str, Array]]) -> dict[str, Array]:
    """Zeros for the layers of an lstm, gru or rnn; nothing for a feedforward controller."""
    names = {"lstm": ("hidden", "cell"), "gru": ("hidden",), "rnn": ("hidden",), "feedforward": ()}[kind]
    return {name: np.zeros((batch, len(layers), layers[0]["weight_hh"].shape[1])) for name in names}


# Whole models over a sequence, from a state_dict.


def controller_layers(weights: dict[str, Array], prefix: str) -> list[dict[str, Array]]:
    """The layers below ``prefix`` of a state_dict as one dictionary each: "<prefix><n>.<name>"."""
    layers: dict[int, dict[str, Array]] = {}
    for name, value in weights.items():
        if name.startswith(prefix):
            number, key = name.removeprefix(prefix).split(".")
            layers.setdefault(int(number), {})[key] = value
    return [layers[n] for n in sorted(layers)]


def stacked_layers(weights: dict[str, Array], prefix: str) -> list[dict[str, Array]]:
    """As ``controller_layers``, for torch.nn.LSTM's names: "<prefix><name>_l<n>"."""
    layers: dict[int, dict[str, Array]] = {}
    for name, value in weights.items():
        if name.startswith(prefix):
            key, number = name.removeprefix(prefix).rsplit("_l", 1)
            layers.setdefault(int(number), {})[key] = value
    return [layers[n] for n in sorted(layers)]


def project(output: Array, weights: dict[str, Array]) -> Array:
    """The output projection, if the state_dict has one."""
    if "output.weight" not in weights:
        return output
    return np.stack([weights["output.weight"] @ row + weights["output.bias"] for row in output])


def baseline(kind: str, inputs: Array, weights: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
    """An LSTM, GRU or RNN over inputs (B, T, I): outputs (B, T, O) and the last state."""
    layers = stacked_layers(weights, "layer.")
    state = layered_state(kind, len(inputs), layers)
    outputs = []
    for t in range(inputs.shape[1]):
        outputs.append(project(layered_step(kind, inputs[:, t], state, layers), weights))
    return np.stack(outputs, axis=1), state
