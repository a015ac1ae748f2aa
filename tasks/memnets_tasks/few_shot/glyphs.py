"""Few-shot episodes of characters as fonts draw them."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, final

import torch

from memnets_tasks.few_shot.episodes import Classes, EpisodeTask, fitted, stacked

CHARACTERS = "ABDEFGHJKLMNPQRTUWXYZ2345678abdeghnqrtfβγδζηθλμξπσφψωΓΔΘΛΞΣΦΨΩДЖИЛФЦШЫЭЮЯбджилцшыэюя"  # noqa: RUF001
"""Characters that differ in more than their size."""

TESTED = 3
"""Every third character is for testing."""

EM = 48
"""Pixels to the em at which characters are drawn, before they are made smaller."""


@lru_cache(maxsize=8)
def _glyphs(fonts: tuple[str, ...] | None, characters: str, size: int, split: str) -> Classes:
    from memnets_tasks.images.fonts import find_fonts
    from memnets_tasks.images.glyphs import GlyphCache

    cache = GlyphCache()
    found = find_fonts(fonts, characters, sizes=(EM,))
    kept = [c for number, c in enumerate(characters) if (number % TESTED == TESTED - 1) == (split == "test")]
    images = []
    for character in kept:
        inks = [cache.glyph(font.path, EM, character).ink for font in found if character not in font.lacks]
        images.append([fitted(torch.tensor(ink, dtype=torch.float32) / 255, size) for ink in inks])
    return stacked(images, kept)


@final
class GlyphEpisodes(EpisodeTask):
    """Few-shot episodes of printed characters, the images of a class being those of different fonts.

    See :class:`EpisodeTask`. Every third of ``characters`` is for testing. It stands in for Omniglot where that is not
    at hand; fonts are more alike than hands.

    Args:
        ways: Classes of an episode.
        size: Side of the images, in pixels; the paper has 20.
        characters: What the classes are.
        fonts: Font files, and folders of them; None takes matplotlib's, as ``TextLines`` does.
        quarter_turns: Whether the images of a class are turned by right angles, all alike.
        augment: Whether each image is turned a little and moved.
        split: "train", or "test" for the classes that training does not show.
        min_length: Fewest images of each class in training; the paper has 10.
        max_length: Most images of each class in training.
        evaluation_lengths: Images of each class that are evaluated on.

    Raises:
        ValueError: If an argument is out of range, there are fewer classes than ``ways``, or no font draws them.
    """

    def __init__(
        self,
        *,
        ways: int = 5,
        size: int = 20,
        characters: str = CHARACTERS,
        fonts: Sequence[str] | None = None,
        quarter_turns: bool = False,
        augment: bool = True,
        split: Literal["train", "test"] = "train",
        min_length: int = 10,
        max_length: int = 10,
        evaluation_lengths: tuple[int, ...] = (10,),
    ) -> None:
        self.characters = characters
        self.fonts = None if fonts is None else tuple(map(str, fonts))
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
        return _glyphs(self.fonts, self.characters, self.size, split)
