"""The variational bound of a model of binary images, and what latent variables cost."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.model import Model, TrainingOutputs, as_parameters, check_sizes
from ..base.saving import Pretrained
from ..base.task import Task
from ..ops.filter_bank import Window


class ImageBound(NamedTuple):
    """What a model made of images, and how many nats that costs: minus the bound of log p(x).

    Attributes:
        canvases: ``(B, T, rows, columns)``, logits of the pixels after each step.
        reconstruction: ``(B,)``, nats of the pixels given the last canvas.
        divergence: ``(B,)``, nats of the latent variables: their divergence from the prior.
        windows: ``(B, T, 3)``, x, y and side in pixels of where a step wrote; None without attention.
    """

    canvases: Tensor
    reconstruction: Tensor
    divergence: Tensor
    windows: Tensor | None = None

    @property
    def loss(self) -> Tensor:
        """Nats an image."""
        return (self.reconstruction + self.divergence).mean()

    def detach(self) -> "ImageBound":
        """The same without gradients."""
        return ImageBound(*(None if part is None else part.detach() for part in self))  # pyright: ignore


class ImageBoundModel(Model, Pretrained):
    """A model of binary images ``(B, I)``, of which it gives the bound; a task has one image a sequence."""

    def check_task(self, task: Task) -> None:
        """Raise ValueError unless the images of ``task`` are of this size."""
        check_sizes(self, task)

    def training_outputs(self, batch: Any) -> TrainingOutputs:
        """The bound of a batch of images, one a sequence: ``inputs (B, 1, I)``."""
        bound = self.predict(batch)
        return TrainingOutputs(bound, predictions=bound.detach())

    def predict(self, batch: Any) -> ImageBound:
        """The same.

        Raises:
            ValueError: a pixel is neither 0 nor 1, of which alone the nats are a bound.
        """
        images = as_parameters(self, batch.inputs).squeeze(1)
        if not (binary := (images == 0) | (images == 1)).all():
            odd = images[~binary][0].item()
            raise ValueError(
                f"a pixel is {odd:g}, but must be 0 or 1; make images binary, such as (images > 0.5).float()"
            )
        return self(images)


class Gaussian(nn.Module):
    """A latent variable whose mean and deviation are linear in what is known of the image (equations 1 and 2)."""

    def __init__(self, input_size: int, latent_size: int):
        super().__init__()
        self.latent_size = latent_size
        self.parameters_of = nn.Linear(input_size, 2 * latent_size)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """A sample ``(B, Z)`` by ``noise (B, Z)``, and its divergence from a standard Gaussian ``(B,)`` in nats."""
        mean, log_deviation = self.parameters_of(x).chunk(2, dim=-1)
        divergence = 0.5 * (mean**2 + (2 * log_deviation).exp() - 2 * log_deviation - 1).sum(-1)  # equation 11
        return mean + log_deviation.exp() * noise, divergence


def pixel_nats(canvas: Tensor, images: Tensor) -> Tensor:
    """-log p of images ``(B, rows, columns)``, 0 and 1, under logits of the same shape: ``(B,)`` (equation 9)."""
    return F.binary_cross_entropy_with_logits(canvas, images, reduction="none").flatten(1).sum(1)


def noise_like(module: nn.Module, like: Tensor, *shape: int) -> Tensor:
    """Standard normal numbers: torch's own in training, and else the same ones at each call.

    So a bound is a number that comes out again, and no more than one sample of each latent variable.
    """
    if module.training:
        return torch.randn(shape, device=like.device, dtype=like.dtype)
    seeded = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=seeded, dtype=torch.float32).to(like)


def window_sides(seen: Window, patch: int) -> Tensor:
    """x, y and side ``(B, 3)`` of a window, in pixels from 0, for pictures."""
    return torch.stack([seen.x - 1, seen.y - 1, (patch - 1) * seen.stride + 1], dim=-1)
