"""Encoders of timm, by name."""

from torch import Tensor, nn

from ..base.checks import check_whole
from .image_encoder import ImageEncoder


class TimmEncoder(ImageEncoder):
    """Any image model of timm (PyTorch Image Models), without its last layer.

    In a file: ``encoder: {class_path: memnets.vision.TimmEncoder, init_args: {name: resnet18}}``.

    Args:
        name: of the model, as ``timm.create_model`` takes it; nothing is downloaded.
        channels: of an image.

    Raises:
        ImportError: timm is not installed.
        ValueError: timm has no model of that name.
    """

    def __init__(self, name: str, channels: int = 1):
        super().__init__()
        check_whole("channels", channels)
        try:
            import timm  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise ImportError(f"the encoder {name!r} needs timm, which is not here: pip install timm") from error
        if not timm.is_model(name):
            raise ValueError(f"timm has no model {name!r}: timm.list_models() names those it has")
        self.model: nn.Module = timm.create_model(name, pretrained=False, in_chans=channels, num_classes=0)
        self.output_size = int(self.model.num_features)  # pyright: ignore[reportArgumentType]

    def forward(self, images: Tensor) -> Tensor:
        """Images ``(N, channels, H, W)`` to vectors ``(N, output_size)``."""
        return self.model(images)
