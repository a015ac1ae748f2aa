"""DRAW: images drawn in steps."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import check_inputs, check_whole
from ..decoding.cells import Cell, make_cell
from ..ops.filter_bank import Window, attention_window, filters, read_patch, write_patch
from ..vision.frames import frame_size
from .image_bound import Gaussian, ImageBound, ImageBoundModel, noise_like, pixel_nats, window_sides


class DRAW(ImageBoundModel):
    """A recurrent variational autoencoder: each step looks at the image and at what is still wrong, and draws on.

    >>> model = DRAW(input_size=400, steps=8)
    >>> bound = model(torch.rand(16, 400).round())  # nats: bound.reconstruction + bound.divergence, (16,) each
    >>> canvases = model.draw(4)  # of nothing but the prior: (4, 8, 20, 20), from 0 to 1

    Args:
        input_size: pixels of an image, row by row, each 0 or 1.
        hidden_size: units of the encoder's cell and of the decoder's.
        latent_size: Z, numbers of the latent variable of a step.
        steps: T.
        attention: whether steps read and write a patch; without it they see and write the whole image.
        read_size: filters a side of what a step reads.
        write_size: filters a side of what a step writes.
        cell: of encoder and decoder: "lstm", "gru", "rnn", "ntm" and so on, see :func:`memnets.decoding.make_cell`.
        height: rows of an image; None where images are square.

    Raises:
        ValueError: a size is out of range, or there is no such cell.

    Source:
        Gregor et al. 2015, "DRAW: a recurrent neural network for image generation", arXiv:1502.04623.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: int = 128,
        latent_size: int = 10,
        steps: int = 8,
        attention: bool = True,
        read_size: int = 5,
        write_size: int = 5,
        cell: Cell = "lstm",
        height: int | None = None,
    ):
        super().__init__()
        sizes = {
            "input_size": input_size,
            "latent_size": latent_size,
            "steps": steps,
            "read_size": read_size,
            "write_size": write_size,
        }
        for name, value in sizes.items():
            check_whole(name, value)
        _, self.rows, self.columns = frame_size(input_size, 1, height)
        self.input_size, self.steps, self.attention = input_size, steps, attention
        self.read_size, self.write_size = read_size, write_size
        self.decoder = make_cell(cell, latent_size, hidden_size)
        decoded = self.decoder.output_size
        read = 2 * (read_size**2 if attention else input_size)
        self.encoder = make_cell(cell, read + decoded, hidden_size)
        self.latent = Gaussian(self.encoder.output_size, latent_size)
        self.write = nn.Linear(decoded, write_size**2 if attention else input_size)
        self.read_window = _first_window(decoded, self.rows, self.columns, read_size) if attention else None
        self.write_window = (
            _first_window(decoded, self.rows, self.columns, write_size, writes=True) if attention else None
        )
        self.first_canvas = nn.Parameter(torch.zeros(self.rows, self.columns))

    def forward(self, images: Tensor) -> ImageBound:
        """Draw images that are seen.

        Args:
            images: ``(B, input_size)``, each pixel 0 or 1.

        Raises:
            ValueError, TypeError: ``images`` do not fit; the message says how.
        """
        check_inputs(images.unsqueeze(1), self.input_size)
        seen = images.unflatten(1, (self.rows, self.columns))
        noise = noise_like(self, images, self.steps, len(images), self.latent.latent_size)
        place = {"device": images.device, "dtype": images.dtype}
        encoder, decoder = (cell.initial_state(len(images), **place) for cell in (self.encoder, self.decoder))
        decoded, canvas = self._start(len(images))
        divergence = images.new_zeros(len(images))
        canvases, windows = [], []
        for t in range(self.steps):
            error = seen - canvas.sigmoid()  # equation 3
            h, encoder = self.encoder(torch.cat([self._read(seen, error, decoded), decoded], dim=-1), encoder)  # 4, 5
            z, nats = self.latent(h, noise[t])  # equation 6
            divergence = divergence + nats
            decoded, decoder = self.decoder(z, decoder)  # equation 7
            added, where = self._written(decoded)
            canvas = canvas + added  # equation 8
            canvases.append(canvas)
            windows.append(where)
        sides = torch.stack([window_sides(w, self.write_size) for w in windows], 1) if self.attention else None
        return ImageBound(torch.stack(canvases, dim=1), pixel_nats(canvas, seen), divergence, sides)

    def _start(self, count: int) -> tuple[Tensor, Tensor]:
        """What the decoder said before the first step, and the canvas it finds."""
        return self.first_canvas.new_zeros(count, self.decoder.output_size), self.first_canvas.expand(count, -1, -1)

    def _read(self, image: Tensor, error: Tensor, decoded: Tensor) -> Tensor:
        """What the encoder sees of image and error, both ``(B, rows, columns)`` (equation 27)."""
        if self.read_window is None:
            return torch.cat([image.flatten(1), error.flatten(1)], dim=-1)  # equation 17
        where = attention_window(self.read_window(decoded), self.rows, self.columns, self.read_size)
        down, across = filters(where, self.rows, self.columns, self.read_size)
        patches = [read_patch(part, down, across, where.intensity).flatten(1) for part in (image, error)]
        return torch.cat(patches, dim=-1)

    def _written(self, decoded: Tensor) -> tuple[Tensor, Any]:
        """What a step adds to the canvas ``(B, rows, columns)``, and its window (equations 28 and 29)."""
        patch = self.write(decoded)
        if self.write_window is None:
            return patch.unflatten(1, (self.rows, self.columns)), None  # equation 18
        where: Window = attention_window(self.write_window(decoded), self.rows, self.columns, self.write_size)
        down, across = filters(where, self.rows, self.columns, self.write_size)
        return write_patch(patch.unflatten(1, (self.write_size, -1)), down, across, where.intensity), where

    @torch.no_grad()
    def draw(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Images of the prior alone, after each step: ``(count, T, rows, columns)``, chances of each pixel.

        Args:
            count: images.
            generator: source of randomness, on the CPU; torch's own if None.

        Raises:
            ValueError: ``count`` is below 1.
        """
        check_whole("count", count)
        decoded, canvas = self._start(count)
        decoder = self.decoder.initial_state(count, device=canvas.device, dtype=canvas.dtype)
        canvases = []
        for _ in range(self.steps):
            z = torch.randn(count, self.latent.latent_size, generator=generator).to(canvas)
            decoded, decoder = self.decoder(z, decoder)
            canvas = canvas + self._written(decoded)[0]
            canvases.append(canvas.sigmoid())
        return torch.stack(canvases, dim=1)

    def figures(self, batch: Any, predictions: ImageBound) -> dict[str, Any]:
        """``drawing``: an image, and the canvas step by step; ``drawn``: images of the prior, as an animation."""
        from .. import viz

        image = batch.inputs[0, 0].unflatten(0, (self.rows, self.columns))
        windows = None if predictions.windows is None else predictions.windows[0]
        nats = float(predictions.reconstruction[0] + predictions.divergence[0])
        title = f"Drawn in {self.steps} steps: {nats:.1f} nats"
        drawn = self.draw(16, torch.Generator().manual_seed(0)).cpu()
        return {
            "drawing": viz.drawing_figure(image, predictions.canvases[0].sigmoid(), windows, title),
            "drawn": viz.Animation(viz.tiled(drawn)),
        }


def _first_window(decoded: int, rows: int, columns: int, patch: int, *, writes: bool = False) -> nn.Linear:
    """What asks for a window: at first for all of the image, with filters so wide that they leave no gaps.

    The paper says nothing of how it starts. With a variance of one pixel between filters that are five apart, much of
    an image is neither seen nor written; and what is written would be spread so thin that learning took long, were it
    not divided by as small an intensity.
    """
    asks = nn.Linear(decoded, 5)
    stride = (max(rows, columns) - 1) / max(patch - 1, 1)
    intensity = patch**2 / (rows * columns) if writes else 1.0
    with torch.no_grad():
        asks.bias.copy_(torch.tensor([0.0, 0.0, 2 * math.log(max(stride / 2, 0.5)), 0.0, math.log(intensity)]))
    return asks
