"""Whole-sequence models as NumPy float64 loops over sequences, heads and steps, written from the papers.

A layer here takes a sequence ``(B, T, D)``, the weights below its name and what the case is about, and gives outputs
``(B, T, D)`` and its last state, a list of arrays.
"""

import math
from collections.abc import Callable

import numpy as np

import oracles
from oracles import delta

Array = np.ndarray
Weights = dict[str, Array]
Layer = Callable[[Array, Weights], tuple[Array, list[Array]]]


def below(weights: Weights, prefix: str) -> Weights:
    """The weights whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def rms_norm(x: Array, scale: Array) -> Array:
    """Zhang & Sennrich 2019, equation 4, with 1e-6 under the root."""
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * scale


def silu(x: Array) -> Array:
    return x * oracles.sigmoid(x)


def gelu(x: Array) -> Array:
    """Hendrycks & Gimpel 2016: x times the normal distribution function."""
    return x * np.vectorize(lambda value: 0.5 * (1 + math.erf(value / math.sqrt(2))))(x)


def short_convolution(x: Array, weight: Array) -> tuple[Array, Array]:
    """y_t = sum_i w_i x_{t-i}, each feature by itself, and the inputs that the next step still sees."""
    count = len(weight)
    padded = np.concatenate([np.zeros((len(x), count - 1, x.shape[2])), x], axis=1)
    y = np.zeros(x.shape)
    for t in range(x.shape[1]):
        for back in range(count):
            y[:, t] += weight[count - 1 - back] * padded[:, t + count - 1 - back]
    return y, padded[:, padded.shape[1] - (count - 1) :]


def delta_layer(heads: int, key: int, value: int, products: int, decay: bool, negative: bool) -> Layer:
    """Yang et al. 2024; with decay Yang, Kautz & Hatamizadeh 2024; with products Siems et al. 2025.

    S_t = a_t S_{t-1} times a factor I - beta k k^T for each product, plus what each writes.
    """

    def run(x: Array, w: Weights) -> tuple[Array, list[Array]]:
        batch, steps, _ = x.shape
        mixed, recent = short_convolution(x @ w["project.weight"].T, w["convolution.weight"])
        mixed = silu(mixed)
        beta = oracles.sigmoid(x @ w["strength.weight"].T).reshape(batch, steps, products, heads)
        beta = 2 * beta if negative else beta
        first, second = heads * key, heads * key * (1 + products)
        q = mixed[..., :first].reshape(batch, steps, heads, key)
        k = mixed[..., first:second].reshape(batch, steps, products, heads, key)
        v = mixed[..., second:].reshape(batch, steps, products, heads, value)
        q, k = (part / np.sqrt((part**2).sum(-1, keepdims=True) + 1e-6) for part in (q, k))
        log_decay = np.zeros((batch, steps, heads))
        if decay:
            size = np.vectorize(oracles.softplus)(x @ w["decay.step.weight"].T + w["decay.step.bias"])
            log_decay = -np.exp(w["decay.log_rate"]) * size
        memory, y = np.zeros((batch, heads, key, value)), np.zeros(x.shape)
        for t in range(steps):
            for n in range(products):
                fade = log_decay[:, t] if n == 0 else np.zeros((batch, heads))
                one = [part[:, None] for part in (q[:, t], k[:, t, n], v[:, t, n], beta[:, t, n], fade)]
                read, memory = delta.delta_rule(*one, initial_state=memory)
            read = rms_norm(read[:, 0], w["readout.norm.weight"]).reshape(batch, -1)
            y[:, t] = (read * silu(x[:, t] @ w["readout.gate.weight"].T)) @ w["readout.mix.weight"].T
        return y, [memory, recent]

    return run


def linear_attention_layer(heads: int) -> Layer:
    """Katharopoulos et al. 2020, equation 9: each step over all before it, weighted by phi(q) . phi(k)."""

    def features(x: Array) -> Array:
        return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1) + 1

    def run(x: Array, w: Weights) -> tuple[Array, list[Array]]:
        batch, steps, size = x.shape
        q, k, v = np.moveaxis((x @ w["project.weight"].T).reshape(batch, steps, 3, heads, size // heads), 2, 0)
        q, k = features(q), features(k)
        o = np.zeros((batch, steps, heads, size // heads))
        memory = np.zeros((batch, heads, size // heads, size // heads + 1))
        for b in range(batch):
            for h in range(heads):
                for i in range(steps):
                    similar = [q[b, i, h] @ k[b, j, h] for j in range(i + 1)]
                    o[b, i, h] = sum(s * v[b, j, h] for j, s in enumerate(similar)) / (sum(similar) + 1e-6)
                    memory[b, h] += np.outer(k[b, i, h], [*v[b, i, h], 1])
        return o.reshape(batch, steps, size) @ w["mix.weight"].T, [memory]

    return run


def titans_layer(heads: int, depth: int, chunk: int, window: int) -> Layer:
    """Behrouz et al. 2024, equations 11 to 16; over a window Behrouz et al. 2025, equation 9: key by key."""

    def gradients(network: list[Array], key: Array, value: Array) -> list[Array]:
        """Of |M(k) - v|^2 / 2, by the chain rule."""
        given, z = [key], [key @ network[0]]
        for matrix in network[1:]:
            given.append(silu(z[-1]))
            z.append(given[-1] @ matrix)
        error, found = z[-1] - value, []
        for n in range(depth - 1, -1, -1):
            found.insert(0, np.outer(given[n], error))
            if n:
                gate = oracles.sigmoid(z[n - 1])
                error = network[n] @ error * (gate + z[n - 1] * gate * (1 - gate))
        return found

    def run(x: Array, w: Weights) -> tuple[Array, list[Array]]:
        batch, steps, size = x.shape
        width, o = size // heads, np.zeros((batch, steps, heads, size // heads))

        def gate(name: str, without: float) -> Array:
            if f"{name}.weight" not in w:
                return np.full((batch, steps, heads), without)
            return oracles.sigmoid(x @ w[f"{name}.weight"].T + w[f"{name}.bias"])

        rate, eta, alpha, weight = gate("rate", 0), gate("momentum", 0), gate("decay", 0), gate("weight", 1)
        mixed, recent = short_convolution(x @ w["project.weight"].T, w["convolution.weight"])
        q, k, v = np.moveaxis(silu(mixed).reshape(batch, steps, 3, heads, width), 2, 0)
        q, k = (part / np.sqrt((part**2).sum(-1, keepdims=True) + 1e-6) for part in (q, k))
        last, slow, anchors = (np.zeros((batch, heads, depth, width, width)) for _ in range(3))
        for b in range(batch):
            for h in range(heads):
                network, change = list(w["start"][h]), [np.zeros((width, width))] * depth
                anchor = network
                for t in range(steps):
                    anchor = list(network) if t % chunk == 0 else anchor
                    total = [np.zeros((width, width))] * depth
                    for i in range(max(0, t - window + 1), t + 1):
                        found = gradients(anchor, k[b, i, h], v[b, i, h])
                        total = [a + weight[b, i, h] * g for a, g in zip(total, found)]
                    change = [eta[b, t, h] * s - rate[b, t, h] * u for s, u in zip(change, total)]
                    network = [(1 - alpha[b, t, h]) * m + s for m, s in zip(network, change)]
                    y = q[b, t, h]
                    for n, matrix in enumerate(network):
                        y = (silu(y) if n else y) @ matrix
                    o[b, t, h] = y
                last[b, h], slow[b, h], anchors[b, h] = network, change, anchor
        kept = [part[:, max(steps - window + 1, 0) :] if window > 1 else part[:, :0] for part in (k, v, weight)]
        read = rms_norm(o, w["readout.norm.weight"]).reshape(batch, steps, -1)
        y = (read * silu(x @ w["readout.gate.weight"].T)) @ w["readout.mix.weight"].T
        slow = slow if "momentum.weight" in w else slow[:, :, :0]
        anchors = anchors if chunk > 1 else anchors[:, :, :0]
        return y, [last, slow, anchors, *kept, np.full(batch, steps % chunk), recent]

    return run


def turned(vector: Array, place: int) -> Array:
    """Su et al. 2021, equation 15: the pair (i, i + K/2) turned by place * 10000^(-2i/K), as complex numbers."""
    half = len(vector) // 2
    result = vector.copy()
    for i in range(half):
        number = complex(vector[i], vector[i + half]) * np.exp(1j * place * 10_000 ** (-i / half))
        result[i], result[i + half] = number.real, number.imag
    return result


def sinusoid(place: int, size: int) -> Array:
    """Vaswani et al. 2017, section 3.5, sines before cosines."""
    half = (size + 1) // 2
    angle = [place / 10_000 ** (i / half) for i in range(half)]
    return np.array([*np.sin(angle), *np.cos(angle)])[:size]


def attention_layer(heads: int, positions: str, places: list[int] | None = None) -> Layer:
    """Vaswani et al. 2017, equation 1, over the steps up to the present one; ALiBi: Press et al. 2022, section 3."""

    def run(x: Array, w: Weights) -> tuple[Array, list[Array]]:
        batch, steps, size = x.shape
        at = list(range(steps)) if places is None else places
        if positions == "sinusoidal":
            x = x + np.stack([sinusoid(t, size) for t in at])
        q, k, v = np.moveaxis((x @ w["project.weight"].T).reshape(batch, steps, 3, heads, size // heads), 2, 0)
        if positions == "rotary":
            q, k = (np.array([[[turned(u, t) for u in row] for t, row in zip(at, s)] for s in p]) for p in (q, k))
        o = np.zeros((batch, steps, heads, size // heads))
        for b in range(batch):
            for h in range(heads):
                slope = 2.0 ** (-8 * (h + 1) / heads) if positions == "alibi" else 0.0
                for i in range(steps):
                    scores = [
                        q[b, i, h] @ k[b, j, h] / math.sqrt(size // heads) - slope * (at[i] - at[j])
                        for j in range(i + 1)
                    ]
                    for j, share in enumerate(oracles.softmax(np.array(scores))):
                        o[b, i, h] += share * v[b, j, h]
        return o.reshape(batch, steps, size) @ w["mix.weight"].T, [k, v, np.full(batch, steps)]

    return run


def window_attention_layer(heads: int, window: int) -> Layer:
    """Attention over the last steps and the learned keys, a query at a time."""

    def run(x: Array, w: Weights) -> tuple[Array, list[Array]]:
        batch, steps, size = x.shape
        q, k, v = np.moveaxis((x @ w["project.weight"].T).reshape(batch, steps, 3, heads, size // heads), 2, 0)
        q, k = (np.array([[[turned(u, t) for u in row] for t, row in enumerate(s)] for s in p]) for p in (q, k))
        learned_k, learned_v = w.get("persistent", np.zeros((2, heads, 0, size // heads)))
        o = np.zeros((batch, steps, heads, size // heads))
        for b in range(batch):
            for h in range(heads):
                for i in range(steps):
                    near = range(max(0, i - window + 1), i + 1)
                    keys = [*learned_k[h], *(k[b, j, h] for j in near)]
                    values = [*learned_v[h], *(v[b, j, h] for j in near)]
                    shares = oracles.softmax(np.array([q[b, i, h] @ key for key in keys]) / math.sqrt(size // heads))
                    o[b, i, h] = sum(share * value for share, value in zip(shares, values))
        kept = [np.concatenate([np.zeros((batch, window - 1, *p.shape[2:])), p], 1)[:, steps:] for p in (k, v)]
        return o.reshape(batch, steps, size) @ w["mix.weight"].T, [*kept, np.full(batch, steps)]

    return run


def titans_attention_layer(place: str, memory: Layer, attention: Layer) -> Layer:
    """Behrouz et al. 2024, sections 4.2 (gate) and 4.3 (layer)."""

    def run(x: Array, w: Weights) -> tuple[Array, list[Array]]:
        recalled, first = memory(x, below(w, "memory."))
        y, second = attention(recalled if place == "layer" else x, below(w, "attention."))
        if place == "gate":
            gate = oracles.sigmoid(rms_norm(recalled, w["memory_norm.weight"]))
            y = rms_norm(y, w["attention_norm.weight"]) * gate
        return y, [*first, *second]

    return run


def titans_context_layer(heads: int, segment: int, memory: Layer) -> Layer:
    """Behrouz et al. 2024, section 4.1, equations 21 to 25, a step at a time.

    The memory's loops are run over all attention outputs so far, anew for each segment: their last network is what
    recalls for it.
    """

    def recalled(x: Array, networks: Array, w: Weights) -> Array:
        query = (w["query.weight"] @ x).reshape(heads, -1)
        found = []
        for h in range(heads):
            y = query[h] / np.sqrt(query[h] @ query[h] + 1e-6)
            for n, matrix in enumerate(networks[h]):
                y = (silu(y) if n else y) @ matrix
            found.append(y)
        return np.concatenate(found)

    def run(x: Array, w: Weights) -> tuple[Array, list[Array]]:
        batch, steps, size = x.shape
        inner, width, ys = below(w, "memory."), size // heads, np.zeros(x.shape)
        learned_k, learned_v = w.get("persistent", np.zeros((2, heads, 0, width)))
        kept = np.zeros((2, batch, segment - 1 + steps, 2, heads, width))
        for t in range(steps):
            first = t // segment * segment
            networks = memory(ys[:, :first], inner)[1][0] if first else np.stack([inner["start"]] * batch)
            for b in range(batch):
                q, *own = (w["project.weight"] @ x[b, t]).reshape(3, heads, width)
                _, *other = (w["project.weight"] @ recalled(x[b, t], networks[b], w)).reshape(3, heads, width)
                for n, (k, v) in enumerate((other, own)):
                    kept[0, b, segment - 1 + t, n] = [turned(key, t - first) for key in k]
                    kept[1, b, segment - 1 + t, n] = v
                o = []
                for h in range(heads):
                    near = kept[:, b, segment - 1 + first : segment + t, :, h].reshape(2, -1, width)
                    keys, values = [*learned_k[h], *near[0]], np.array([*learned_v[h], *near[1]])
                    scores = np.array([turned(q[h], t - first) @ key for key in keys]) / math.sqrt(width)
                    o.append(oracles.softmax(scores) @ values)
                ys[b, t] = w["mix.weight"] @ np.concatenate(o)
        stored, after = memory(ys, inner)
        gate = oracles.sigmoid(rms_norm(stored, w["memory_norm.weight"]))
        return rms_norm(ys, w["attention_norm.weight"]) * gate, [*after, *kept[:, :, steps:]]

    return run


def each_step(x: Array, w: Weights) -> Array:
    """A feed-forward network; or the best of all N^2 keys, each the join of two half keys (Lample et al. 2019, 3.1)."""
    if "values" not in w:
        return gelu(x @ w["0.weight"].T + w["0.bias"]) @ w["2.weight"].T + w["2.bias"]
    heads, _, count, _ = w["keys"].shape
    queries = rms_norm((x @ w["query.weight"].T + w["query.bias"]).reshape(*x.shape[:2], heads, -1), w["norm.weight"])
    y = np.zeros(x.shape)
    for b, t, h in np.ndindex(*queries.shape[:3]):
        first, second = w["keys"][h]
        joined = np.array([[*first[i], *second[j]] for i in range(count) for j in range(count)])
        scores = joined @ queries[b, t, h]
        best = np.argsort(-scores)[: min(8, count)]
        y[b, t] += oracles.softmax(scores[best]) @ w["values"][best]
    return y


def mosaic_layer(heads: int) -> Layer:
    """Zhang et al. 2024, equations 3, 5 and 6, a head and a step at a time."""

    def unit(vector: Array) -> Array:
        return vector / np.sqrt(vector @ vector + 1e-6)

    def run(x: Array, w: Weights) -> tuple[Array, list[Array]]:
        batch, steps, size = x.shape
        width = size // heads
        features, raw = np.moveaxis((x @ w["project.weight"].T).reshape(batch, steps, 2, heads, width), 2, 0)
        keys, average, y = np.zeros(features.shape), np.zeros((batch, heads, width)), np.zeros(features.shape)
        for b in range(batch):
            for h in range(heads):
                for t in range(steps):
                    average[b, h] = features[b, t, h] + oracles.sigmoid(w["leak"][h]) * average[b, h]
                    keys[b, t, h] = unit(average[b, h])
                    values = [unit(raw[b, i, h] + w["ahead"][h] * raw[b, i + 1, h]) for i in range(t)]
                    if t:
                        scores = np.exp(w["log_beta"][h]) * np.array([keys[b, t, h] @ keys[b, i, h] for i in range(t)])
                        y[b, t, h] = oracles.softmax(scores) @ np.array(values)
        return y.reshape(batch, steps, size) @ w["mix.weight"].T, [keys, raw, np.full(batch, steps), average]

    return run


def network(inputs: Array, weights: Weights, layer: Layer) -> tuple[Array, list[Array]]:
    """Blocks of x + layer(norm(x)), then x + feedforward(norm(x)) over inputs (B, T, I); states (B, L, ...)."""
    x = inputs @ weights["inner.weight"].T + weights["inner.bias"]
    states = []
    while block := below(weights, f"blocks.{len(states)}."):
        mixed, state = layer(rms_norm(x, block["layer_norm.weight"]), below(block, "layer."))
        x = x + mixed
        hidden = rms_norm(x, block["feedforward_norm.weight"])
        x = x + each_step(hidden, below(block, "feedforward."))
        states.append(state)
    x = rms_norm(x, weights["norm.weight"])
    outputs = np.stack([oracles.project(x[:, t], weights) for t in range(x.shape[1])], axis=1)
    return outputs, [np.stack(parts, axis=1) for parts in zip(*states)]


def fast_weights(
    inputs: Array, weights: Weights, inner_steps: int, decay: float, rate: float
) -> tuple[Array, list[Array]]:
    """Ba et al. 2016, equations 1 and 2, with A h as a sum over past states, rate * decay^age * h_j (h_j . h)."""
    w, batch, size = below(weights, "cell."), len(inputs), len(weights["cell.slow.weight"])

    def settle(z: Array) -> Array:
        normal = (z - z.mean()) / np.sqrt(z.var() + 1e-5)
        return np.maximum(normal * w["norm.weight"] + w["norm.bias"], 0)

    outputs, fast = [[] for _ in range(batch)], np.zeros((batch, size, size))
    for b in range(batch):
        past: list[Array] = []
        for x in inputs[b]:
            z = w["slow.weight"] @ (past[-1] if past else np.zeros(size)) + w["outer.weight"] @ x
            h = settle(z)
            for _ in range(inner_steps):
                ages = range(len(past) - 1, -1, -1)
                h = settle(z + sum(rate * decay**age * old * (old @ h) for age, old in zip(ages, past)))
            past.append(h)
        outputs[b] = past
        fast[b] = sum(rate * decay ** (len(past) - 1 - j) * np.outer(old, old) for j, old in enumerate(past))
    hidden = np.array(outputs)
    projected = np.stack([oracles.project(hidden[:, t], weights) for t in range(hidden.shape[1])], axis=1)
    return projected, [hidden[:, -1], fast]
