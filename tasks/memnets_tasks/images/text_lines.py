"""Lines of printed text, drawn as they are needed."""

import copy
from collections.abc import Mapping
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from memnets.base.modes import check_share
from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.base import Splits, Task
from memnets_tasks.images.base import TextTask
from memnets_tasks.images.batches import TextLineBatch, join_lines
from memnets_tasks.images.checks import check_not_negative, check_split, in_single_precision, numpy_generator
from memnets_tasks.images.font_augmentation import ROOM, TALLER, WIDER, augment_strokes, lift_signs
from memnets_tasks.images.fonts import DEFAULT_HELD_OUT, PRINTABLE, WESTERN, check_charset, find_fonts, split_fonts
from memnets_tasks.images.glyphs import GlyphCache, Line, stack_lines
from memnets_tasks.images.loading import LineLoader, with_defaults
from memnets_tasks.images.page_lines import page_lines
from memnets_tasks.images.paper import put_on_paper
from memnets_tasks.images.warp import Bend, bend_images, bend_matrices, map_boxes
from memnets_tasks.images.words import WordLines, load_words, split_of

Split = Literal["train", "validation", "test", "train+validation"]
SPLITS = ("train", "validation", "test", "train+validation")

SIZES = (0.6, 0.65, 0.7, 0.74)
"""Pixels to the em, as shares of the image's height; near each other, so that a lone "o" is smaller than an "O"."""

MARGINS = (0.06, 0.25)
"""Narrowest and widest margin at either end of a line, in heights."""


@final
class TextLines(TextTask):
    """Read a printed line: random fonts, sizes, greys, slants and perspective, blur and noise.

    Each glyph is drawn once and kept; a batch is then put together, bent, blurred and inked in whole-batch tensor
    operations on the generator's device. Characters stand side by side, each at its own advance, without kerning.
    The scheme is that of Jaderberg et al. 2014, "Synthetic data and artificial neural networks for natural scene
    text recognition" (arXiv:1406.2227), made small.

    Args:
        height: Rows of the images, in pixels.
        words: None for random strings of the charset; a list of words, the path of a UTF-8 file with one on each
            line, "generated" for made-up ones of lower-case letters, "mixed" for such of all 94 printable ASCII
            characters, or "western" for those and the letters of Western Europe. A line of several is as long as
            asked, in characters.
        charset: Characters that may occur. None takes the 94 printable ASCII characters, or with a list of words
            the characters of the words. The separator is added where there are words; a space stands only between
            words, never in a random string.
        separator: What stands between words; "" for scripts without spaces.
        fonts: Font files and folders, "matplotlib" for its fonts and "system" for the system's. None takes
            matplotlib's DejaVu and STIX, and its Computer Modern for lines that it has every character of, or for a
            charset that DejaVu and STIX lack, such as Chinese, the system's fonts that have it. A file that lacks a
            character is refused; in a folder such fonts are passed over.
        held_out_family: The family of fonts kept from training.
        font_split: "train" draws with the other families, "held-out" with that one.
        split: With words: "validation" and "test" draw only a tenth of them each, "train" the others, and
            "train+validation" all but those of "test". A word's letters decide where it belongs.
        distortion: Strength of slant, tilt and perspective; 0 sets straight lines.
        restyle: Strength with which, in training, type is made narrower or wider, lower, bolder or thinner, and
            bent, and bars and brackets end nearer the line, so that few fonts serve as many. What is held out keeps
            the shapes of its fonts.
        blur: Largest standard deviation of the blur, in pixels.
        noise: Largest standard deviation of the noise of each pixel, where 1 is from black to white.
        backgrounds: Uneven paper and any greys; False sets black on white.
        joined: Share of the lines of training that are two side by side, each in a font and on a paper of its own, as
            in a collage or in the fields of a form. Those too short for two words are of one piece.
        min_length: Fewest characters in training.
        max_length: Most characters in training.
        evaluation_lengths: Characters at which generalisation is measured.

    Raises:
        ValueError: If an argument is out of range, a word or font lacks a character, or no word or font is left.
    """

    def __init__(
        self,
        *,
        height: int = 32,
        words: list[str] | str | None = None,
        charset: str | None = None,
        separator: str = " ",
        fonts: list[str] | None = None,
        held_out_family: str | None = DEFAULT_HELD_OUT,
        font_split: Literal["train", "held-out"] = "train",
        split: Split = "train",
        distortion: float = 1.0,
        restyle: float = 0.0,
        blur: float = 0.8,
        noise: float = 0.05,
        backgrounds: bool = True,
        joined: float = 0.0,
        min_length: int = 1,
        max_length: int = 12,
        evaluation_lengths: tuple[int, ...] = (6, 12, 18, 24, 36),
    ) -> None:
        check_at_least("height", height, 8)
        for name, value in (("distortion", distortion), ("restyle", restyle), ("blur", blur), ("noise", noise)):
            check_not_negative(name, value)
        check_share("joined", joined)
        check_split(split, SPLITS)
        known = None if words is None else load_words(words)
        self.charset = _charset(_charset_of(words) if charset is None else charset, known, separator)
        self._lines = None if known is None else WordLines(_words_of(known, split), separator)
        self._words, self._separator = known or [], separator if known else ""
        self._letters, self._held_out_family = self.charset.replace(" ", ""), held_out_family
        self._sizes = [round(size * height) for size in SIZES]
        self._all_fonts = find_fonts(fonts, self._letters, self._sizes)
        self._fonts = split_fonts(self._all_fonts, held_out_family, font_split)
        self._glyphs = GlyphCache()
        self.height, self.split, self.font_split = height, split, font_split
        self.distortion, self.restyle, self.blur, self.noise = distortion, restyle, blur, noise
        self.backgrounds, self.joined = backgrounds, joined
        self.loading = self.loader({"height": height, "backgrounds": backgrounds})
        set_lengths(self, min_length, max_length, evaluation_lengths, unit=self.length_unit)

    @classmethod
    def loader(cls, settings: Mapping[str, Any]) -> LineLoader:
        """What ``load_images`` is of a task with these settings, made without its fonts and words."""
        known = with_defaults(cls, settings)
        return LineLoader(known["height"], ink="any" if known["backgrounds"] else "dark", margin=MARGINS[1])

    def splits(self) -> Splits:
        """The same lines of words kept from training, where there are words; random strings never come twice.

        New to a reader are also lines in a font of a family that was not trained on, of unseen words where it can, and
        those of a photographed page (``PageLines``), where the charset has its characters and scikit-image is there.
        """
        if not self.split.startswith("train"):
            return super().splits()
        validation = self._of("validation") if self.split == "train" else None
        words = self._of("test")
        test = self if words is None else words
        unseen: dict[str, Task] = {} if words is None else {"unseen words": words}
        if self.font_split == "train" and self._held_out_family in {font.family for font in self._all_fonts}:
            unseen["unseen font"] = test._in_held_out_font()
        page = page_lines(self.height, self.charset)
        if page is not None:
            unseen["photographed page"] = page
        return Splits(self if validation is None else validation, test, unseen)

    def _in_held_out_font(self) -> "TextLines":
        other = copy.copy(self)
        other.font_split, other.restyle, other.joined = "held-out", 0.0, 0.0
        other._fonts = split_fonts(self._all_fonts, self._held_out_family, "held-out")
        return other

    def _of(self, split: Literal["validation", "test"]) -> "TextLines | None":
        if not any(split_of(word) == split for word in self._words):
            return None
        other = copy.copy(self)
        other.split, other._lines = split, WordLines(_words_of(self._words, split), self._separator)
        other.restyle = other.joined = 0.0
        return other

    @in_single_precision
    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> TextLineBatch:
        """Draw lines of text.

        Args:
            batch_size: Number of lines, ``B``.
            length: Characters of each line: one number for all, or ``(B,)``, int64. At least 1.
            generator: Source of randomness; the tensors are made on its device.

        Returns:
            The batch, with the boxes of all characters.

        Raises:
            ValueError: If ``batch_size`` or a length is below 1, or ``length`` has another shape or dtype.
        """
        lengths = expand_counts(
            "length", length, batch_size, generator.device, minimum=1, unit=self.length_unit
        ).tolist()
        random = numpy_generator(generator)
        if not self.joined:
            return self._draw(lengths, random, generator)
        parts = [self._parts(n, random) for n in lengths]
        batch = self._draw([n for line in parts for n in line], random, generator)
        return join_lines(batch, [len(line) for line in parts], self._separator)

    def _parts(self, length: int, random: np.random.Generator) -> list[int]:
        """The characters of a line, or of each of the two that stand in its place."""
        least = 1 if self._lines is None else self._lines.shortest
        room = length - len(self._separator)
        if room < 2 * least or random.random() >= self.joined:
            return [length]
        first = int(random.integers(least, room - least + 1))
        return [first, room - first]

    def _draw(self, lengths: list[int], random: np.random.Generator, generator: torch.Generator) -> TextLineBatch:
        """Lines of one piece."""
        device = generator.device
        texts = tuple(self._text(n, random) for n in lengths)
        lines = [self._line(text, random) for text in texts]
        ink, boxes, sizes = (torch.from_numpy(part).to(device) for part in stack_lines(lines))

        matrices, widths = self._bend(sizes, random)
        width = int(widths.max())
        room = max(ROOM, self.height // 16) if self.restyle else 0
        ink = augment_strokes(F.pad(ink.float() / 255, [room] * 4), self.restyle, generator)
        ink = bend_images(ink, matrices, self.height, width, room=room)  # (B, 1, H, W)
        edges = map_boxes(boxes, matrices)[..., [0, 2]].float()  # (B, L, 2)
        amounts = self.blur, self.noise
        images = put_on_paper(ink, widths, random, generator, amounts=amounts, backgrounds=self.backgrounds)
        return TextLineBatch(images, widths, texts, edges)

    def _text(self, length: int, random: np.random.Generator) -> str:
        if self._lines is not None:
            return self._lines.draw(length, random)
        return "".join(self._letters[i] for i in random.integers(len(self._letters), size=length))

    def _line(self, text: str, random: np.random.Generator) -> Line:
        fonts = [font for font in self._fonts if font.lacks.isdisjoint(text)]
        font = fonts[random.integers(len(fonts))]
        size = self._sizes[random.integers(len(self._sizes))]
        spacing = random.uniform(-0.02, 0.12) * size
        change = lift_signs(self.restyle, random) if self.restyle else None
        return self._glyphs.line(font.path, size, text, spacing, change)

    def _bend(self, sizes: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        def draw(low: float, high: float, *shape: int) -> Tensor:
            return torch.from_numpy(random.uniform(low, high, (len(sizes), *shape))).to(sizes.device)

        stretch = torch.ones_like(sizes)
        if self.restyle:
            stretch = torch.exp(self.restyle * torch.stack([draw(*WIDER), draw(*TALLER)], dim=1))
        bend = Bend(
            slant=self.distortion * draw(-0.2, 0.2),
            tilt=self.distortion * self.height * draw(-0.06, 0.06),
            taper=self.distortion * draw(-0.12, 0.12),
            stretch=stretch,
        )
        margins = self.height * draw(*MARGINS, 2)
        return bend_matrices(sizes, bend, height=self.height, margins=margins, place=draw(0, 1))


def _charset_of(words: Any) -> str | None:
    """The characters of words that are made up, or of random strings; None where they are those of given words."""
    if words == "western":
        return PRINTABLE + WESTERN
    return PRINTABLE if words in (None, "generated", "mixed") else None


def _charset(charset: str | None, words: list[str] | None, separator: str) -> str:
    if charset is None:
        charset = "".join(sorted(set("".join(words or []))))
    if words is not None:
        charset += "".join(character for character in dict.fromkeys(separator) if character not in charset)
        for word in words:
            outside = "".join(sorted(set(word) - set(charset)))
            if outside:
                raise ValueError(
                    f"the word {word!r} has {outside!r}, which the charset has not; leave the word out or widen charset"
                )
    check_charset(charset)
    if not charset.strip():
        raise ValueError(f"charset is {charset!r}; give characters other than the space")
    return charset


def _words_of(words: list[str], split: str) -> list[str]:
    kept = [word for word in words if split_of(word) in split.split("+")]
    if not kept:
        raise ValueError(f"none of the {len(words)} words belongs to the split {split!r}; give more words")
    return kept
