"""Tiny lines of text and scenes for tests of readers and captioners."""

from typing import Any

import torch
from torch import Tensor

from memnets.decoding.joint import Reading
from memnets.models.captioner import Captioner
from memnets.models.text_reader import TextReader
from memnets.vision.columns import ColumnEncoder
from memnets.vision.grid import GridEncoder
from memnets_tasks import ImageTask
from memnets_tasks.images import SceneBatch, TextLineBatch

HEIGHT, WIDTHS = 8, (3, 4, 5, 4)
LETTERS = "abcd"


def glyph(letter: str) -> Tensor:
    """(8, w): every letter has its own rows and its own width."""
    n = LETTERS.index(letter)
    image = torch.zeros(HEIGHT, WIDTHS[n])
    image[2 * n : 2 * n + 2] = 1
    return image


def draw(texts, spacing=2) -> TextLineBatch:
    """Lines of letters, each with the same space around."""
    gap, images, boxes = torch.zeros(HEIGHT, spacing), [], []
    for text in texts:
        parts, edges, x = [gap], [], spacing
        for letter in text:
            parts += [glyph(letter), gap]
            edges.append((float(x), float(x + glyph(letter).shape[1])))
            x += glyph(letter).shape[1] + spacing
        images.append(torch.cat(parts, 1))
        boxes.append(edges)
    widths = torch.tensor([image.shape[1] for image in images])
    padded = torch.zeros(len(texts), 1, HEIGHT, int(widths.max()))
    places = torch.full((len(texts), max(map(len, texts)), 2), torch.nan)
    for b, (image, edges) in enumerate(zip(images, boxes)):
        padded[b, 0, :, : image.shape[1]] = image
        if edges:
            places[b, : len(edges)] = torch.tensor(edges)
    return TextLineBatch(padded, widths, tuple(texts), places)


def random_lines(size, shortest, longest, generator) -> TextLineBatch:
    lengths = torch.randint(shortest, longest + 1, (size,), generator=generator).tolist()
    return draw(["".join(LETTERS[n] for n in torch.randint(4, (length,), generator=generator)) for length in lengths])


def tiny_reader(*, recurrent_size=0, **settings) -> TextReader:
    encoder = ColumnEncoder(
        height=HEIGHT, channels=(8,), pixels_per_column=2, output_size=12, recurrent_size=recurrent_size
    )
    sizes = {"hidden_size": 12, "embedding_size": 8, "attention_size": 8, "slots": 6, "width": 4, "dropout": 0.0}
    return TextReader(**{"charset": LETTERS, "encoder": encoder, **sizes, **settings})


COLOURS, PLACES = ("red", "green", "blue"), ("left", "right")


def random_scenes(size, generator) -> SceneBatch:
    """A square of one colour on the left or on the right; the caption says which, in two ways."""
    images, captions = torch.zeros(size, 3, 8, 16), []
    for b in range(size):
        colour, place = (int(torch.randint(n, (), generator=generator)) for n in (3, 2))
        images[b, colour, 2:6, 8 * place + 2 : 8 * place + 6] = 1
        words = (COLOURS[colour], PLACES[place])
        captions.append((f"a {words[0]} square {words[1]}", f"{words[1]} {words[0]}"))
    return SceneBatch(images, tuple(captions), ({},) * size)


def tiny_captioner(**settings) -> Captioner:
    sizes = {"hidden_size": 16, "embedding_size": 12, "attention_size": 8, "slots": 6, "width": 4, "dropout": 0.0}
    encoder = GridEncoder(channels=(8, 16), output_size=10)
    words = ["a", "square", *COLOURS, *PLACES]
    return Captioner(**{"vocabulary": words, "encoder": encoder, **sizes, **settings})


def loss_of(model, batch) -> tuple[Tensor, Any]:
    """The loss that a reader or captioner is trained with, and the numbers reported beside it."""
    made = model.training_outputs(batch)
    return made.outputs.loss, made.numbers


class LineTask(ImageTask):
    """As ``memnets_tasks.images.TextTask``, in small; no hint says what its methods take or give."""

    charset = LETTERS
    min_length, max_length, evaluation_lengths, length_unit, threshold = 1, 3, (3, 6), "characters", 0.1

    def sample_lengths(self, batch_size, generator, max_length=None):
        return torch.randint(1, min(max_length or 3, 3) + 1, (batch_size,), generator=generator)

    def sample(self, batch_size, length, generator):
        lengths = torch.as_tensor(length).expand(batch_size).tolist()
        texts = [[LETTERS[n] for n in torch.randint(4, (count,), generator=generator)] for count in lengths]
        return draw(["".join(text) for text in texts])

    def load_images(self, paths):
        raise NotImplementedError

    def corpus_scores(self, pairs):
        return {
            "word_accuracy": 1 - torch.cat([self.errors(predictions, batch) for predictions, batch in pairs]).mean()
        }

    def errors(self, predictions, batch):
        return torch.tensor([float(p.text != text) for p, text in zip(predictions, batch.texts, strict=True)])


class SceneTask(LineTask):
    """As ``memnets_tasks.images.SceneTask``, in small."""

    charset = None
    vocabulary = ("a", "square", *COLOURS, *PLACES)
    length_unit = "words"

    def sample(self, batch_size, length, generator):
        return random_scenes(batch_size, generator)

    def errors(self, predictions, batch):
        return torch.tensor([float(" ".join(p.words) not in known) for p, known in zip(predictions, batch.captions)])


BATCH = draw(["abca", "d", "", "bb"])


def read(reader, batch=BATCH, **settings) -> list[Reading]:
    return reader.read(batch.images, batch.widths, **settings)
