"""The end-to-end memory network as NumPy float64 loops over sequences, steps and hops, written from the paper."""

import numpy as np

import oracles

Array = np.ndarray


def encode(words: list[Array]) -> Array:
    """Sukhbaatar et al. 2015, section 4.1: sum_j l_j x_j."""
    length, size = len(words), len(words[0])
    total = np.zeros(size)
    for j, word in enumerate(words, 1):
        for k in range(1, size + 1):
            total[k - 1] += ((1 - j / length) - (k / size) * (1 - 2 * j / length)) * word[k - 1]
    return total


def network(inputs: Array, ends: Array, w: dict[str, Array], hops: int) -> tuple[Array, list[Array]]:
    """Sections 2.1, 2.2 and 4.1 over features (B, T, I) with ends (B, T): outputs and the last state's arrays."""
    a, c, b = np.split(w["project.weight"], 3)  # (D, I) each
    ages, size = w["key_ages"].shape
    outputs, states = [], []
    for xs, end in zip(inputs, ends):
        memories: list[tuple[Array, Array]] = []
        sentence: list[Array] = []
        answers, keys, values = [], [], []
        for x, over in zip(xs, end):
            sentence.append(x)
            u, o = encode([b @ word for word in sentence]), np.zeros(size)
            for hop in range(hops):
                u = w["turn.weight"] @ u + o if hop else u
                m, read = [], []
                for i, (key, value) in enumerate(memories):
                    age = min(len(memories) - 1 - i, ages - 1)
                    m.append(key + w["key_ages"][age])
                    read.append(value + w["value_ages"][age])
                o = oracles.softmax(np.array(m) @ u) @ np.array(read) if m else np.zeros(size)
            answers.append(u + o)
            keys.append(encode([a @ word for word in sentence]))
            values.append(encode([c @ word for word in sentence]))
            if over:
                memories.append((keys[-1], values[-1]))
                sentence = []
        outputs.append(oracles.project(np.array(answers), w))
        left = np.array([w["project.weight"] @ word for word in sentence]).reshape(-1, 3 * size)
        places = np.arange(1, len(left) + 1)[:, None]
        states.append([keys, values, end, len(xs), left.sum(0), (left * places).sum(0), len(left)])
    return np.array(outputs), [np.array(parts) for parts in zip(*states)]
