"""A convolutional network that says what an image shows."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.checks import check_inputs, check_number, check_whole
from ..base.model import Model, TrainingOutputs, as_parameters, check_sizes
from ..base.modes import check_encoder, feature_size_of
from ..base.saving import Pretrained
from ..base.segments import clear_padding
from ..base.task import Task
from ..vision.frames import frame_size
from ..vision.image_encoder import ImageEncoder
from ..vision.lenet import LeNet5


class ImageClassifier(Model, Pretrained):
    """Each image to a vector by any encoder, and a score a class; images of a sequence have nothing to do with another.

    >>> model = ImageClassifier(input_size=256, output_size=10, encoder=memnets.vision.ResNet(depth=20))
    >>> logits = model(torch.rand(32, 1, 256))  # images of 16 x 16 grey pixels: (32, 1, 10)

    In a file: ``encoder: {class_path: memnets.vision.ResNet, init_args: {depth: 20, shortcuts: false}}``. An encoder
    that has something to say half way (``memnets.vision.Inception``) gets an auxiliary classifier in training.

    Args:
        input_size: numbers of an image, channel by channel and row by row.
        output_size: O, classes.
        encoder: any module from images ``(N, channels, H, W)`` to vectors ``(N, F)``; LeNet-5 if None.
        feature_size: F, of an encoder that has no ``output_size``.
        channels: of an image, 1 for grey.
        height: rows of an image; None where images are square.
        auxiliary_weight: of the loss of an auxiliary classifier, beside the task's.

    Raises:
        ValueError: images of these channels and rows do not have ``input_size`` numbers, or a number is out of range.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        encoder: nn.Module | None = None,
        feature_size: int | None = None,
        channels: int = 1,
        height: int | None = None,
        auxiliary_weight: float = 0.3,
    ):
        super().__init__()
        for name, value in (("input_size", input_size), ("output_size", output_size)):
            check_whole(name, value)
        check_encoder(encoder, "ImageClassifier")
        check_number("auxiliary_weight", auxiliary_weight)
        self.frame = frame_size(input_size, channels, height)
        self.input_size, self.output_size = input_size, output_size
        self.encoder = LeNet5(*self.frame) if encoder is None else encoder
        self.output = nn.Linear(feature_size_of(self.encoder, feature_size), output_size)
        side_size = self.encoder.side_size if isinstance(self.encoder, ImageEncoder) else 0
        self.side_output = nn.Linear(side_size, output_size) if side_size and auxiliary_weight else None
        self.auxiliary_weight = auxiliary_weight

    def check_task(self, task: Task) -> None:
        """Raise ValueError unless the sizes are those of ``task``."""
        check_sizes(self, task)

    def forward(self, images: Tensor, lengths: Any = None) -> Tensor:
        """Logits of images.

        Args:
            images: ``(B, T, input_size)``.
            lengths: ``(B,)``; logits past them are zero.

        Returns:
            ``(B, T, O)``.

        Raises:
            ValueError, TypeError: ``images`` do not fit; the message says how.
        """
        check_inputs(images, self.input_size)
        return self._placed(self.output(self._vectors(self.encoder(self._flat(images)))), images, lengths)

    def training_outputs(self, batch: Any) -> TrainingOutputs:
        """Logits ``(B, T, O)`` of a batch of images and classes, and the loss of the auxiliary classifier."""
        images = as_parameters(self, batch.inputs)
        if self.side_output is None or not self.training:
            logits = self(images, batch.lengths)
            return TrainingOutputs(logits, predictions=None if self.training else logits.detach())
        check_inputs(images, self.input_size)
        vectors, side = self.encoder.with_side(self._flat(images))  # pyright: ignore[reportCallIssue]
        scored = batch.mask.flatten()
        loss = F.cross_entropy(self.side_output(side)[scored].float(), batch.targets.flatten()[scored])
        logits = self._placed(self.output(self._vectors(vectors)), images, batch.lengths)
        return TrainingOutputs(logits, self.auxiliary_weight * loss, {"auxiliary_loss": loss.detach()})

    def predict(self, batch: Any) -> Tensor:
        """Logits ``(B, T, O)`` of a batch with ``inputs`` and ``lengths``."""
        return self(as_parameters(self, batch.inputs), batch.lengths)

    def _flat(self, images: Tensor) -> Tensor:
        return images.reshape(-1, *self.frame)  # (B * T, C, H, W)

    def _vectors(self, vectors: Tensor) -> Tensor:
        vectors = vectors.flatten(1)
        if vectors.shape[1] != self.output.in_features:
            raise ValueError(
                f"{type(self.encoder).__name__} gives {vectors.shape[1]} numbers an image, but says "
                f"{self.output.in_features}: give them as feature_size"
            )
        return vectors

    def _placed(self, logits: Tensor, images: Tensor, lengths: Any) -> Tensor:
        logits = logits.unflatten(0, images.shape[:2])
        return logits if lengths is None else clear_padding(logits, torch.as_tensor(lengths))
