"""Scenes of coloured shapes, with captions that say how they lie."""

import copy
from collections.abc import Sequence
from itertools import combinations
from typing import Literal, TypeVar, final

import numpy as np
import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.base import Splits
from memnets_tasks.images.base import SceneTask
from memnets_tasks.images.batches import Box, SceneBatch
from memnets_tasks.images.checks import check_not_negative, check_split, in_single_precision, numpy_generator
from memnets_tasks.images.sentences import CLEARNESS, SIZES, Shape, captions, vocabulary
from memnets_tasks.images.shapes import COLOURS, SHAPES, draw_shapes, noisy_backgrounds

RADII = {"small": (0.08, 0.1), "large": (0.15, 0.17)}
"""Half of a shape's box, as a share of the image's side."""

GAP = 2
"""Pixels left between the boxes of two shapes."""

MOST_SHAPES = 4
TRIES = 128
T = TypeVar("T")
SPLITS = ("train", "test", "held-out")


def held_out_pairs() -> frozenset[tuple[str, str]]:
    """The colour-shape pairs that no training scene shows: one of each colour and one of each shape."""
    return frozenset(zip(COLOURS, SHAPES))


def _pairs(held_out: bool) -> list[tuple[str, str]]:
    every = [(colour, kind) for colour in COLOURS for kind in SHAPES]
    return [pair for pair in every if (pair in held_out_pairs()) == held_out]


@final
class Scenes(SceneTask):
    """Describe where coloured shapes lie.

    A scene has as many shapes as its length says, none touching another, placed so that any two lie clearly
    beside each other or clearly one above the other. Every caption of the grammar that is true of the scene
    is a reference, so a caption is right if and only if it is one of them. In the manner of ShapeWorld
    (Kuhnle & Copestake 2017, arXiv:1704.04517).

    The boxes name each shape whose kind is not twice in its scene.

    Args:
        size: Rows and columns of the images, in pixels, at least 48.
        noise: Standard deviation of the noise of each pixel and colour, where 1 is from black to white.
        split: "train"; "test", other scenes of the same pairs of colour and shape; "held-out", scenes with a pair
            that training never shows.
        min_length: Fewest shapes in training.
        max_length: Most shapes in training, at most 4.
        evaluation_lengths: Shapes at which generalisation is measured.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        size: int = 64,
        noise: float = 0.04,
        split: Literal["train", "test", "held-out"] = "train",
        min_length: int = 1,
        max_length: int = 3,
        evaluation_lengths: tuple[int, ...] = (1, 2, 3),
    ) -> None:
        check_at_least("size", size, 48)
        check_not_negative("noise", noise)
        check_split(split, SPLITS)
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="shapes")
        most = max(max_length, *self.evaluation_lengths)
        if most > MOST_SHAPES:
            raise ValueError(f"a length is {most} shapes; give at most {MOST_SHAPES}, or they would not fit")
        self.size, self.noise, self.split = size, noise, split
        self.vocabulary = vocabulary(tuple(COLOURS), tuple(SHAPES))

    def splits(self) -> Splits:
        """Other scenes of the same pairs of colour and shape, and scenes with a pair that training never shows.

        There is no split for validation, as scenes are drawn anew and none comes twice. A task that is not for
        training is its own.
        """
        if self.split != "train":
            return super().splits()
        test = self._of("test")
        return Splits(self, test, {"unseen scenes": test, "unseen pairs": self._of("held-out")})

    def _of(self, split: Literal["test", "held-out"]) -> "Scenes":
        other = copy.copy(self)
        other.split = split
        return other

    @in_single_precision
    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> SceneBatch:
        """Draw scenes.

        Args:
            batch_size: Number of scenes, ``B``.
            length: Shapes of each scene: one number for all, or ``(B,)``, int64. 1 to 4.
            generator: Source of randomness; the tensors are made on its device.

        Returns:
            The batch.

        Raises:
            ValueError: If ``batch_size`` or a length is out of range, or ``length`` has another shape or dtype.
        """
        lengths = expand_counts("length", length, batch_size, generator.device, minimum=1, unit=self.length_unit)
        if int(lengths.max()) > MOST_SHAPES:
            raise ValueError(f"length is {int(lengths.max())}; give at most {MOST_SHAPES} shapes")
        random = numpy_generator(generator)
        scenes = [self._scene(n, random) for n in lengths.tolist()]
        images = self._draw(scenes, random, generator)
        return SceneBatch(images, tuple(captions(scene) for scene in scenes), tuple(_boxes(s) for s in scenes))

    def _scene(self, count: int, random: np.random.Generator) -> list[Shape]:
        named = [(_choose(SIZES, random), *_choose(_pairs(False), random)) for _ in range(count)]
        if self.split == "held-out":
            named[random.integers(count)] = (_choose(SIZES, random), *_choose(_pairs(True), random))
        places = self._places([RADII[name[0]] for name in named], random)
        return [Shape(*name, *place) for name, place in zip(named, places.tolist())]

    def _places(self, radii: list[tuple[float, float]], random: np.random.Generator) -> np.ndarray:
        """x, y and radius for each shape ``(K, 3)``: the first of random placements to keep the rules."""
        low, high = self.size * np.array(radii).T
        while True:  # of four large shapes' placements one in a thousand keeps them, of two a third
            radius = random.uniform(low, high, (TRIES, len(radii)))
            edge = (radius + 1)[..., None]
            xy = random.uniform(edge, self.size - edge, (TRIES, len(radii), 2))
            kept = np.ones(TRIES, bool)
            for a, b in combinations(range(len(radii)), 2):
                dx, dy = np.abs(xy[:, a] - xy[:, b]).T
                far, near = np.maximum(dx, dy), np.minimum(dx, dy)
                kept &= (far > radius[:, a] + radius[:, b] + GAP) & (far >= CLEARNESS * near)
            if kept.any():
                first = int(kept.argmax())
                return np.concatenate([xy[first], radius[first][:, None]], axis=1)

    def _draw(self, scenes: list[list[Shape]], random: np.random.Generator, generator: torch.Generator) -> Tensor:
        device = generator.device
        shape = len(scenes), max(map(len, scenes))
        kinds, colours = np.full(shape, -1), np.zeros((*shape, 3), np.float32)
        centres, radii = np.zeros((*shape, 2), np.float32), np.ones(shape, np.float32)
        names = list(SHAPES)
        for b, scene in enumerate(scenes):
            for k, drawn in enumerate(scene):
                kinds[b, k] = names.index(drawn.kind)
                colours[b, k], radii[b, k] = COLOURS[drawn.colour], drawn.radius
                centres[b, k] = drawn.x, drawn.y
        colours = (colours + random.uniform(-0.05, 0.05, colours.shape)).astype(np.float32)
        background = noisy_backgrounds(len(scenes), self.size, generator)
        images = draw_shapes(
            *(torch.from_numpy(part).to(device) for part in (kinds, colours, centres, radii)), background=background
        )
        if self.noise:
            images = images + self.noise * torch.randn(images.shape, generator=generator, device=device)
        return images.clamp(0, 1)


def _choose(items: Sequence[T], random: np.random.Generator) -> T:
    return items[int(random.integers(len(items)))]


def _boxes(scene: list[Shape]) -> dict[str, Box]:
    kinds = [shape.kind for shape in scene]
    return {
        s.kind: (s.x - s.radius, s.y - s.radius, s.x + s.radius, s.y + s.radius)
        for s in scene
        if kinds.count(s.kind) == 1
    }
