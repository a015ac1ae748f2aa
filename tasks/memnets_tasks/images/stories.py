"""Stories: some pictures in a row, and a sentence for each that fits those before."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.base import AnswerTask, Items
from memnets_tasks.images.checks import check_not_negative, in_single_precision, numpy_generator
from memnets_tasks.images.metrics import bleu
from memnets_tasks.images.plots import PLACES, RETURNS, Scene, plot, says_return, sentence, vocabulary
from memnets_tasks.images.shapes import COLOURS, SHAPES, draw_shapes, noisy_backgrounds

KINDS = ("circle", "square", "triangle", "cross")
THINGS = tuple(itertools.product(list(COLOURS)[:4], KINDS))
CAST = 4
"""Things that a story is about at most: few, so that they come back."""

RADIUS = (0.16, 0.19)
"""Half of a thing's box, as a share of the picture's side."""

JITTER = 0.08
"""How far a thing stands from the middle of its place at most, where 1 is half the picture's side."""


@dataclasses.dataclass(frozen=True, eq=False)
class StoryBatch(Items):
    """Pictures in a row, and what is to be said of each.

    Attributes:
        images: ``(B, T, 3, H, W)``, float32 from 0 to 1; zero past a story's length.
        lengths: ``(B,)``, int64, the pictures of each story.
        sentences: For each story a sentence a picture, lower-case words parted by one space.
        events: For each story what each picture shows after those before, one of ``EVENTS``; empty where unknown.
    """

    images: Tensor
    lengths: Tensor
    sentences: tuple[tuple[str, ...], ...]
    events: tuple[tuple[str, ...], ...]


class StoryTask(AnswerTask):
    """Telling stories. A prediction has ``sentences``: for each picture its words.

    Abstract: a subclass sets the attributes of ``Task``, ``input_size`` among them, and defines ``sample``.

    Attributes:
        vocabulary: Every word a model may say.
        size: Rows and columns of the pictures, in pixels.
    """

    vocabulary: tuple[str, ...]
    size: int
    threshold = 0.05

    def loss_weight(self, batch: StoryBatch) -> Tensor:
        """The words that are to be said, the ends included: what a model's loss is the mean over."""
        return torch.tensor(sum(len(text.split()) + 1 for story in batch.sentences for text in story))

    def errors(self, predictions: Sequence[Any], batch: StoryBatch) -> Tensor:
        """Share of each story's pictures whose sentence is not word by word the one wanted: ``(B,)``, float32.

        Raises:
            ValueError: There is not one prediction for each story, or not a sentence for each picture.
        """
        pairs = _pairs(predictions, batch)
        return torch.tensor([sum(said != wanted for said, wanted in story) / len(story) for story in pairs])

    def corpus_scores(self, pairs: Iterable[tuple[Sequence[Any], StoryBatch]]) -> dict[str, Tensor]:
        """Score a corpus of stories.

        Returns:
            ``bleu4`` of the sentences; ``exact_match``, the share of sentences said as wanted; ``stories``, the share
            of stories without another sentence; and where events are known ``returns_said``, the share of the things
            that come back of which that is said ("again", "the same"), and ``returns_made_up``, the share of the other
            pictures of which it is said too. NaN where there is no such picture.

        Raises:
            ValueError: There is no pair, or predictions are of another number than their batch.
        """
        said: list[tuple[str, ...]] = []
        wanted: list[tuple[str, ...]] = []
        whole: list[bool] = []
        named: dict[bool, list[bool]] = {True: [], False: []}
        for predictions, batch in pairs:
            for story, events in zip(_pairs(predictions, batch), batch.events):
                whole.append(all(ours == theirs for ours, theirs in story))
                said += [ours for ours, _ in story]
                wanted += [theirs for _, theirs in story]
                for (ours, _), event in zip(story, events):
                    named[event in RETURNS].append(says_return(ours))
        if not wanted:
            raise ValueError("there is nothing to score; give at least one pair of predictions and their batch")
        scores = {
            "bleu4": bleu(said, [(" ".join(words),) for words in wanted])[3],
            "exact_match": _share([ours == theirs for ours, theirs in zip(said, wanted)]),
            "stories": _share(whole),
            "returns_said": _share(named[True]),
            "returns_made_up": _share(named[False]),
        }
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in scores.items()}

    def text(self, batch: StoryBatch, index: int) -> str:
        """What is to be said of the pictures of one story."""
        return " . ".join(batch.sentences[index])


def _pairs(predictions: Sequence[Any], batch: StoryBatch) -> list[list[tuple[tuple[str, ...], tuple[str, ...]]]]:
    """For each story what was said and what was wanted, picture by picture."""
    if len(predictions) != len(batch.sentences):
        raise ValueError(f"there are {len(predictions)} predictions for {len(batch.sentences)} stories; give each one")
    for prediction, wanted in zip(predictions, batch.sentences):
        if len(prediction.sentences) != len(wanted):
            raise ValueError(
                f"a prediction has {len(prediction.sentences)} sentences for {len(wanted)} pictures; give each one"
            )
    return [
        [(tuple(ours), tuple(theirs.split())) for ours, theirs in zip(prediction.sentences, wanted)]
        for prediction, wanted in zip(predictions, batch.sentences)
    ]


def _share(values: list[bool]) -> float:
    return sum(values) / len(values) if values else float("nan")


@final
class Stories(StoryTask):
    """Tell a story: a sentence for each of several pictures in a row.

    A picture shows one thing, of a colour and a kind, at one of five places. Up to four things come, stay in view,
    move, give way to others and come back, and what is to be said hangs on the pictures before: "a red circle appears
    on the left", "it moves and is at the top", "a blue cross appears in the middle", "the red circle is at the top
    again" where it is where it was last, else "the same red circle is now on the right". So one picture alone does not
    tell its sentence.

    Args:
        size: Rows and columns of the pictures, in pixels, at least 16.
        noise: Standard deviation of the noise of each pixel and colour, where 1 is from black to white.
        min_length: Fewest pictures in training.
        max_length: Most pictures in training.
        evaluation_lengths: Pictures of the stories that are tested on.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        size: int = 24,
        noise: float = 0.03,
        min_length: int = 3,
        max_length: int = 6,
        evaluation_lengths: tuple[int, ...] = (6, 12),
    ) -> None:
        check_at_least("size", size, 16)
        check_not_negative("noise", noise)
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="pictures")
        self.size, self.noise = size, noise
        self.input_size = 3 * size * size
        self.vocabulary = vocabulary(THINGS)

    @in_single_precision
    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> StoryBatch:
        """Draw stories; see :class:`memnets_tasks.Task`."""
        lengths = expand_counts("length", length, batch_size, generator.device, minimum=1, unit=self.length_unit)
        random = numpy_generator(generator)
        casts = [random.permutation(len(THINGS))[: random.integers(2, CAST + 1)] for _ in range(batch_size)]
        stories = [plot(n, [THINGS[k] for k in cast], random) for n, cast in zip(lengths.tolist(), casts)]
        flat = self._draw([scene for story in stories for scene in story], random, generator)
        images = flat.new_zeros(batch_size, int(lengths.max()), *flat.shape[1:])
        inside = torch.arange(images.shape[1], device=images.device) < lengths.unsqueeze(1)  # (B, T)
        images[inside] = flat
        return StoryBatch(
            images,
            lengths,
            tuple(tuple(map(sentence, story)) for story in stories),
            tuple(tuple(scene.event for scene in story) for story in stories),
        )

    def _draw(self, scenes: list[Scene], random: np.random.Generator, generator: torch.Generator) -> Tensor:
        """Pictures ``(N, 3, size, size)``, one a scene."""
        count, device = len(scenes), generator.device
        kinds = np.array([list(SHAPES).index(scene.kind) for scene in scenes])
        colours = np.array([COLOURS[scene.colour] for scene in scenes]) + random.uniform(-0.05, 0.05, (count, 3))
        places = np.array([PLACES[scene.place] for scene in scenes]) + random.uniform(-JITTER, JITTER, (count, 2))
        radii = self.size * random.uniform(*RADIUS, count)
        parts = (kinds, colours.astype(np.float32), self.size / 2 * (1 + places).astype(np.float32), radii.astype("f4"))
        images = draw_shapes(
            *(torch.from_numpy(part).to(device).unsqueeze(1) for part in parts),
            background=noisy_backgrounds(count, self.size, generator),
        )
        return (images + self.noise * torch.randn(images.shape, generator=generator, device=device)).clamp(0, 1)

    def figures(self, batch: StoryBatch, predictions: Sequence[Any], trace: Any) -> dict[str, Any]:
        """``story``: the pictures in a row, and under each what was said, and what was wanted where it differs."""
        del trace
        from memnets import viz

        said = [" ".join(words) for words in predictions[0].sentences]
        return {"story": viz.story_figure(batch.images[0, : int(batch.lengths[0])], said, batch.sentences[0])}
