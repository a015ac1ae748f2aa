"""Few-shot episodes of the handwritten digits that scikit-learn ships."""

from functools import lru_cache
from typing import Literal, final

import torch

from memnets.base.extras import require
from memnets_tasks.few_shot.episodes import Classes, EpisodeTask, fitted, stacked

TRAINED = (0, 1, 2, 3, 4)
"""The digits that training shows; the others are for testing."""


@lru_cache(maxsize=8)
def _digits(size: int, split: str) -> Classes:
    require("sklearn", purpose="DigitEpisodes")

    from sklearn.datasets import load_digits

    pixels, values = load_digits(return_X_y=True)
    images = torch.as_tensor(pixels, dtype=torch.float32).view(-1, 8, 8) / 16
    digits = [digit for digit in range(10) if (digit in TRAINED) == (split == "train")]
    pictures = [[fitted(image, size, margin=0.0) for image in images[values == digit]] for digit in digits]
    return stacked(pictures, [str(digit) for digit in digits])


@final
class DigitEpisodes(EpisodeTask):
    """Few-shot episodes of handwritten digits: trained on 0 to 4, tested on 5 to 9. See :class:`EpisodeTask`.

    The 1797 images of 8 x 8 pixels are those of Alpaydin & Kaynak 1998 that scikit-learn ships. Five classes are few:
    this is a quick look, and no measure of what a model learns from many.

    Args:
        ways: Classes of an episode.
        size: Side of the images, in pixels.
        quarter_turns: Whether the images of a class are turned by right angles, all alike.
        augment: Whether each image is turned a little and moved.
        split: "train", or "test" for the classes that training does not show.
        min_length: Fewest images of each class in training.
        max_length: Most images of each class in training.
        evaluation_lengths: Images of each class that are evaluated on.

    Raises:
        ValueError: If an argument is out of range, or there are fewer classes than ``ways``.
        ImportError: If scikit-learn is not installed.
    """

    def __init__(
        self,
        *,
        ways: int = 3,
        size: int = 8,
        quarter_turns: bool = True,
        augment: bool = True,
        split: Literal["train", "test"] = "train",
        min_length: int = 10,
        max_length: int = 10,
        evaluation_lengths: tuple[int, ...] = (10,),
    ) -> None:
        self._set_episodes(
            ways=ways,
            size=size,
            quarter_turns=quarter_turns,
            augment=augment,
            split=split,
            min_length=min_length,
            max_length=max_length,
            evaluation_lengths=evaluation_lengths,
        )

    def _load(self, split: str) -> Classes:
        return _digits(self.size, split)
