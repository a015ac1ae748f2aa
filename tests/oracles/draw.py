"""Loops of Gregor et al. 2015 (DRAW, arXiv:1502.04623), written from the numbers of its equations."""

import math

import numpy as np

from oracles import sigmoid

Array = np.ndarray


def attention_window(values: Array, rows: int, columns: int, patch: int) -> tuple[Array, ...]:
    """Equations 21 to 24: g_X, g_Y, delta, sigma^2, gamma of each of ``values (B, 5)``."""
    found = []
    for x, y, log_variance, log_stride, log_intensity in values:
        g_x = (columns + 1) / 2 * (x + 1)
        g_y = (rows + 1) / 2 * (y + 1)
        delta = (max(columns, rows) - 1) / (patch - 1) * math.exp(log_stride)
        found.append([g_x, g_y, delta, math.exp(log_variance), math.exp(log_intensity)])
    return tuple(np.array(found).T)


def filter_bank(middle: Array, stride: Array, variance: Array, size: int, patch: int) -> Array:
    """Equations 19 and 25 (or 20 and 26), whose pixels and filters count from 1."""
    result = np.zeros((len(middle), patch, size))
    for b in range(len(middle)):
        for i in range(1, patch + 1):
            mu = middle[b] + (i - patch / 2 - 0.5) * stride[b]
            for a in range(1, size + 1):
                result[b, i - 1, a - 1] = math.exp(-((a - mu) ** 2) / (2 * variance[b]))
            result[b, i - 1] /= result[b, i - 1].sum()  # Z
    return result


def read_patch(image: Array, down: Array, across: Array, intensity: Array) -> Array:
    """Equation 27."""
    return np.stack([g * (y @ x @ f.T) for x, y, f, g in zip(image, down, across, intensity)])


def write_patch(patch: Array, down: Array, across: Array, intensity: Array) -> Array:
    """Equation 29."""
    return np.stack([y.T @ w @ f / g for w, y, f, g in zip(patch, down, across, intensity)])


def draw(weights: dict[str, Array], image: Array, noise: Array, rows: int, columns: int, sizes: tuple[int, int]):
    """DRAW with attention and cells of tanh for one image ``(rows, columns)``: canvas, L_x and L_z (3 to 12).

    Args:
        weights: of the model, by name.
        image: 0 and 1.
        noise: ``(T, Z)``.
        rows: of the image.
        columns: of the image.
        sizes: of the patches read and written.
    """

    def linear(name: str, x: Array) -> Array:
        return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]

    def cell(name: str, x: Array, h: Array) -> Array:
        layer = f"{name}.layers.0"
        inputs = weights[f"{layer}.weight_ih"] @ x + weights[f"{layer}.bias_ih"]
        return np.tanh(inputs + weights[f"{layer}.weight_hh"] @ h + weights[f"{layer}.bias_hh"])

    def filters_of(name: str, h: Array, patch: int) -> tuple[Array, Array, float]:
        x, y, delta, variance, gamma = attention_window(linear(name, h)[None], rows, columns, patch)
        return (
            filter_bank(y, delta, variance, rows, patch)[0],
            filter_bank(x, delta, variance, columns, patch)[0],
            gamma[0],
        )

    read_size, write_size = sizes
    h_enc = np.zeros(len(weights["encoder.layers.0.bias_ih"]))
    h_dec = np.zeros(len(weights["decoder.layers.0.bias_ih"]))
    canvas, l_z = weights["first_canvas"].copy(), 0.0
    for t in range(len(noise)):
        error = image - sigmoid(canvas)
        down, across, gamma = filters_of("read_window", h_dec, read_size)
        r = np.concatenate([(gamma * (down @ part @ across.T)).ravel() for part in (image, error)])
        h_enc = cell("encoder", np.concatenate([r, h_dec]), h_enc)
        mu, log_sigma = np.split(linear("latent.parameters_of", h_enc), 2)
        sigma = np.exp(log_sigma)
        l_z += 0.5 * (mu**2 + sigma**2 - np.log(sigma**2)).sum() - len(mu) / 2
        h_dec = cell("decoder", mu + sigma * noise[t], h_dec)
        down, across, gamma = filters_of("write_window", h_dec, write_size)
        canvas += down.T @ linear("write", h_dec).reshape(write_size, write_size) @ across / gamma
    l_x = (image * np.logaddexp(0, -canvas) + (1 - image) * np.logaddexp(0, canvas)).sum()
    return canvas, l_x, l_z
