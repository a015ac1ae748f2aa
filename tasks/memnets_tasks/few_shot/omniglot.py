"""Few-shot episodes of Omniglot, from the folders in which it is published."""

from functools import lru_cache
from pathlib import Path
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from memnets_tasks.few_shot.episodes import Classes, EpisodeTask, fitted, stacked

FOLDERS = {"train": "images_background", "test": "images_evaluation"}
MOST_BYTES = 1 << 20
MOST_PIXELS = 1 << 20


@lru_cache(maxsize=4)
def _characters(folder: str, size: int, split: str) -> Classes:
    root = Path(folder).expanduser() / FOLDERS[split]
    if not root.is_dir():
        raise ValueError(
            f"folder {folder} holds no {FOLDERS[split]}; give the folder with Omniglot's {FOLDERS['train']} and "
            f"{FOLDERS['test']}, both unpacked"
        )
    classes = sorted(path for path in root.glob("*/*") if path.is_dir())
    images = [[_image(root, path, size) for path in sorted(character.glob("*.png"))] for character in classes]
    if not any(images):
        raise ValueError(f"{root} holds no image; they should lie in it as Alphabet/character01/0001_01.png")
    return stacked(images, [f"{path.parent.name}/{path.name}" for path in classes])


def _image(root: Path, path: Path, size: int) -> Tensor:
    """One drawing, black on white, as ink of 0 to 1; nothing outside ``root`` is read."""
    from memnets.base.regular_files import read_within
    from memnets_tasks.images.pictures import decode

    try:
        image = decode(read_within(root, path.relative_to(root).as_posix(), MOST_BYTES))
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels")
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as a drawing ({error}); unpack Omniglot anew") from error
    ink = 1 - torch.tensor(np.asarray(image.convert("L")), dtype=torch.float32) / 255
    return fitted(ink, size, margin=0.0)


@final
class OmniglotEpisodes(EpisodeTask):
    """Few-shot episodes of Omniglot's handwritten characters. See :class:`EpisodeTask`.

    Lake et al. 2015, "Human-level concept learning through probabilistic program induction". Training has the alphabets
    of ``images_background``, the test those of ``images_evaluation``: Lake's own split of 964 and 659 characters, which
    is harder than that of Santoro et al., who take 1200 and 423 at random.

    Args:
        folder: Where ``images_background`` and ``images_evaluation`` lie, each as Alphabet/character01/0001_01.png.
        ways: Classes of an episode.
        size: Side of the images, in pixels; the paper has 20.
        quarter_turns: Whether the images of a class are turned by right angles, all alike.
        augment: Whether each image is turned a little and moved.
        split: "train", or "test" for the classes that training does not show.
        min_length: Fewest images of each class in training; the paper has 10.
        max_length: Most images of each class in training.
        evaluation_lengths: Images of each class that are evaluated on.

    Raises:
        ValueError: If an argument is out of range, a folder or image is missing or cannot be read, or there are fewer
            classes than ``ways``.
    """

    def __init__(
        self,
        folder: str,
        *,
        ways: int = 5,
        size: int = 20,
        quarter_turns: bool = True,
        augment: bool = True,
        split: Literal["train", "test"] = "train",
        min_length: int = 10,
        max_length: int = 10,
        evaluation_lengths: tuple[int, ...] = (10,),
    ) -> None:
        self.folder = str(folder)
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
        return _characters(self.folder, self.size, split)
