"""A plain variational autoencoder: what DRAW is compared with."""

import itertools
from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import check_inputs, check_whole
from ..vision.frames import frame_size
from .image_bound import Gaussian, ImageBound, ImageBoundModel, noise_like, pixel_nats


class VAE(ImageBoundModel):
    """A variational autoencoder of full layers for binary images.

    Args:
        input_size: pixels of an image, row by row, each 0 or 1.
        hidden_size: units of each hidden layer.
        latent_size: Z, numbers of the latent variable.
        layers: hidden layers of the encoder, and of the decoder.
        height: rows of an image; None where images are square.

    Raises:
        ValueError: a size is out of range.

    Source:
        Kingma & Welling 2014, "Auto-encoding variational Bayes", arXiv:1312.6114.
    """

    def __init__(
        self,
        input_size: int,
        *,
        hidden_size: int = 256,
        latent_size: int = 40,
        layers: int = 1,
        height: int | None = None,
    ):
        super().__init__()
        for name, value in {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "latent_size": latent_size,
            "layers": layers,
        }.items():
            check_whole(name, value)
        _, self.rows, self.columns = frame_size(input_size, 1, height)
        self.input_size = input_size
        self.encoder = _hidden_layers(input_size, hidden_size, layers)
        self.latent = Gaussian(hidden_size, latent_size)
        self.decoder = nn.Sequential(
            *_hidden_layers(latent_size, hidden_size, layers), nn.Linear(hidden_size, input_size)
        )

    def forward(self, images: Tensor) -> ImageBound:
        """The bound of images ``(B, input_size)``, each pixel 0 or 1, and one canvas each.

        Raises:
            ValueError, TypeError: ``images`` do not fit; the message says how.
        """
        check_inputs(images.unsqueeze(1), self.input_size)
        noise = noise_like(self, images, len(images), self.latent.latent_size)
        z, divergence = self.latent(self.encoder(images), noise)
        canvas = self._canvas(z)
        return ImageBound(canvas.unsqueeze(1), pixel_nats(canvas, images.view_as(canvas)), divergence)

    def _canvas(self, z: Tensor) -> Tensor:
        return self.decoder(z).unflatten(1, (self.rows, self.columns))

    @torch.no_grad()
    def draw(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Images of the prior: ``(count, 1, rows, columns)``, chances of each pixel."""
        check_whole("count", count)
        z = torch.randn(count, self.latent.latent_size, generator=generator)
        return self._canvas(z.to(next(self.parameters()))).sigmoid().unsqueeze(1)

    def figures(self, batch: Any, predictions: ImageBound) -> dict[str, Any]:
        """``drawing``: an image, and what it became."""
        from .. import viz

        image = batch.inputs[0, 0].unflatten(0, (self.rows, self.columns))
        nats = float(predictions.reconstruction[0] + predictions.divergence[0])
        return {"drawing": viz.drawing_figure(image, predictions.canvases[0].sigmoid(), None, f"{nats:.1f} nats")}


def _hidden_layers(input_size: int, hidden_size: int, layers: int) -> nn.Sequential:
    sizes = [input_size, *[hidden_size] * layers]
    return nn.Sequential(*(part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())))
