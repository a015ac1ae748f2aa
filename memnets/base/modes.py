"""Modes and checks that several models share."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from .checks import check_number, check_whole


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards the mode that each part had: some may be held in evaluation."""
    were_training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in were_training:
            part.training = True


def feature_size_of(encoder: nn.Module, given: int | None) -> int:
    """The features that an encoder gives for each place: its ``output_size``, or what the user says.

    Raises:
        ValueError: neither is there, or they differ.
    """
    own = getattr(encoder, "output_size", None)
    if given is not None:
        check_whole("feature_size", given)
    if isinstance(own, int) and given not in (None, own):
        raise ValueError(f"feature_size is {given}, but the encoder's output_size is {own}: leave feature_size out")
    size = own if isinstance(own, int) else given
    if size is None:
        raise ValueError(
            f"{type(encoder).__name__} has no output_size: say with feature_size how many channels its maps have"
        )
    return size


def check_texts(name: str, texts: Any, images: int) -> None:
    """Raise ValueError unless ``texts`` is a sequence of one an image; a single text is one of characters."""
    if isinstance(texts, str):
        raise ValueError(f"{name} is the text {texts[:20]!r}, but must be a sequence, of one an image")
    if len(texts) != images:
        raise ValueError(f"there are {len(texts)} {name} for {images} images, but each image needs its own")


def check_encoder(encoder: Any, owner: str) -> None:
    """Raise ValueError unless ``encoder`` is a module or None."""
    if encoder is not None and not isinstance(encoder, nn.Module):
        raise ValueError(
            f"encoder is {encoder!r}, but must be a module: an encoder of one's own is not among the settings that "
            f"are saved, so hand it in again, as in {owner}.from_pretrained(folder, encoder=...)"
        )


def check_finite(features: Tensor) -> None:
    """Raise ValueError where features (B, N, D) hold NaN or Inf, which would be read as any text."""
    bad = ~features.isfinite().flatten(1).all(1)
    if bool(bad.any()):
        raise ValueError(
            f"the features of image {int(bad.nonzero()[0])} hold NaN or infinity: so does the image, or the weights do"
        )


def check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise ValueError unless ``value`` is one of ``known``."""
    if value not in known:
        raise ValueError(f"{name} is {value!r}, but must be one of {', '.join(known)}")


def check_share(name: str, value: float) -> None:
    """Raise TypeError unless ``value`` is a number, ValueError unless it lies within 0..1."""
    check_number(name, value)
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}, but must lie within 0..1")


def check_dropout(dropout: float, num_layers: int) -> None:
    """Raise as :func:`check_share` does; warn, as torch does, where there is no layer between which to drop."""
    check_share("dropout", dropout)
    if dropout and num_layers == 1:
        warnings.warn(
            f"dropout is {dropout}, but there is one layer alone, and only what a layer gives the next is dropped: "
            "give num_layers=2 or more, or leave dropout out",
            UserWarning,
            stacklevel=4,
        )
