"""Telling a story: an encoder of pictures, any network of sequences over the story, and a decoder for each sentence."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..attention.additive import AdditiveAttention, Keys
from ..base.checks import check_lengths, check_whole
from ..base.model import Model, TrainingOutputs
from ..base.modes import check_finite, evaluating
from ..base.module import check_network
from ..base.saving import Pretrained
from ..base.task import Task
from ..decoding.attention_decoder import make_decoder
from ..decoding.loss import cross_entropy, pad_classes, with_end
from ..decoding.rollout import search, teach
from ..text.word_models import WithVocabulary, words_of
from ..vision.frames import FrameEncoder, frame_size


class StoryOutput(NamedTuple):
    """What a model gives for stories and their sentences, the N pictures of all of them one after another.

    Attributes:
        logits: ``(N, L + 1, V)`` at each word and at the end.
        targets: ``(N, L + 1)``, classes, the end (0), then -100.
        loss: of a training batch, a scalar.
    """

    logits: Tensor
    targets: Tensor
    loss: Tensor | None = None


class Story(NamedTuple):
    """What was told of some pictures in a row.

    Attributes:
        sentences: for each picture its words, in order.
        confidences: for each picture the geometric mean probability of its words and, where it was reached, of the end.
    """

    sentences: tuple[tuple[str, ...], ...]
    confidences: tuple[float, ...]


class StoryTeller(WithVocabulary, Model, Pretrained):
    """Pictures in a row to a sentence each, which may hang on the pictures before.

    An encoder makes a vector of each picture, a network of sequences goes over those of a story, and a decoder is given
    both, what the picture shows and what the network made of it after the others, and writes a sentence.

    >>> model = StoryTeller(input_size=1728, vocabulary=["it", "moves"], network=GRU(input_size=64, hidden_size=128))
    >>> [" ".join(words) for words in model.tell(images)[0].sentences]  # images (B, T, 3, 24, 24)

    In a file: ``network: {class_path: memnets.GRU, init_args: {input_size: 64, hidden_size: 128}}``; left out, it is
    captions picture by picture: the same model without a story.

    Args:
        input_size: numbers of a picture, those of all channels; pictures are square.
        vocabulary: the words it can write; see :class:`memnets.text.Vocabulary`. Others are one unknown word, which it
            never writes.
        network: takes vectors of its ``input_size``; give it no ``output_size`` and no ``vocabulary``. None for none.
        encoder: any module from pictures ``(N, channels, H, W)`` to as many numbers a picture, maps or vectors; a
            :class:`memnets.vision.FrameEncoder` if None.
        feature_size: of a picture's vector: the network's ``input_size``, where there is one.
        channels: of a picture, 3 for colour.
        cell: of the decoder: "lstm", "gru", "rnn", "feedforward" or "ntm"; or a function that makes one of your own
            for a size of inputs.
        hidden_size: units of the cell.
        embedding_size: of a word's embedding, and units of the output layer.

    Raises:
        ValueError: a value is out of range; the message says how.
        TypeError: ``network`` is none.

    Source:
        Huang et al. 2016, "Visual Storytelling", arXiv:1604.03968 (the task); Vinyals et al. 2015, "Show and Tell",
        arXiv:1411.4555 (the decoder).
    """

    def __init__(
        self,
        *,
        input_size: int,
        vocabulary: Sequence[str],
        network: nn.Module | None = None,
        encoder: nn.Module | None = None,
        feature_size: int = 64,
        channels: int = 3,
        cell: str | Callable[[int], nn.Module] = "gru",
        hidden_size: int = 128,
        embedding_size: int = 64,
    ):
        super().__init__()
        check_whole("input_size", input_size)
        check_whole("feature_size", feature_size)
        self.network = None if network is None else check_network("network", network, "StoryTeller")
        if self.network is not None and self.network.input_size != feature_size:
            raise ValueError(f"network has input_size {self.network.input_size}, but feature_size is {feature_size}")
        self.set_vocabulary(vocabulary)
        self.picture = frame_size(input_size, channels)
        self.input_size, self.feature_size = input_size, feature_size
        self.encoder = FrameEncoder(*self.picture, feature_size) if encoder is None else encoder
        size = feature_size + (0 if self.network is None else self.network.output_size)
        self.decoder = make_decoder(
            len(self.symbols),
            lambda query_size: AdditiveAttention(query_size, size, 1),  # there is one place to look at
            cell=cell,
            feature_size=size,
            hidden_size=hidden_size,
            embedding_size=embedding_size,
            slots=32,
            width=16,
            start_from_mean=True,
        )

    def check_task(self, task: Task) -> None:
        """Raise ValueError unless the task has pictures of this size, and is answered in words that the model has."""
        super().check_task(task)
        if task.input_size != self.input_size:
            raise ValueError(f"the model's input_size is {self.input_size}, but the task needs {task.input_size}")

    def table_names(self) -> list[str]:
        """The submodules with one row a word."""
        return ["decoder.embedding", "decoder.output"]

    def encode(self, images: Tensor, lengths: Any = None) -> Keys:
        """What the decoder is given of each of the N pictures within the lengths, story after story; one place each.

        Args:
            images: ``(B, T, channels, H, W)``.
            lengths: ``(B,)``, the pictures of each story; None where all have T.

        Raises:
            ValueError: shapes do not fit, or a picture holds NaN.
        """
        if images.dim() != 5 or images.shape[2:] != self.picture:
            wanted = ", ".join(map(str, self.picture))
            raise ValueError(f"images has shape {tuple(images.shape)}, but must be (stories, pictures, {wanted})")
        stories, pictures = images.shape[:2]
        counts = [pictures] * stories if lengths is None else check_lengths(lengths, stories, pictures)
        inside = torch.arange(pictures) < torch.tensor(counts).unsqueeze(1)  # (B, T)
        inside = inside.to(images.device)
        parameter = next(self.parameters())
        seen = self.encoder(images[inside].to(parameter.dtype)).flatten(1)  # (N, F)
        if seen.shape[1] != self.feature_size:
            kind = type(self.encoder).__name__
            raise ValueError(f"{kind} gives {seen.shape[1]} numbers a picture, but feature_size is {self.feature_size}")
        if self.network is not None:
            rows = seen.new_zeros(stories, pictures, self.feature_size).masked_scatter(inside.unsqueeze(2), seen)
            remembered, _ = self.network(rows, lengths=counts)  # (B, T, G)
            seen = torch.cat([seen, remembered[inside]], dim=1)
        return self.decoder.attention.prepare(seen.unsqueeze(1))

    def forward(self, images: Tensor, sentences: Sequence[Sequence[Any]], lengths: Any = None) -> StoryOutput:
        """Score given stories, each word after the right ones before it.

        Args:
            images: ``(B, T, channels, H, W)``.
            sentences: for each story as many as it has pictures, each its words or a text.
            lengths: as of :meth:`encode`.

        Raises:
            ValueError: shapes do not fit, or there is not one sentence for each picture.
        """
        keys = self.encode(images, lengths)
        classes = [self.symbols.encode(words_of(sentence)) for story in sentences for sentence in story]
        if len(classes) != len(keys.mask):
            raise ValueError(f"there are {len(classes)} sentences for {len(keys.mask)} pictures; give one each")
        targets = with_end(*pad_classes(classes, keys.mask.device))
        return StoryOutput(teach(self.decoder, keys, targets).logits, targets)

    def training_outputs(self, batch: Any) -> TrainingOutputs:
        """Scores of a batch's ``sentences`` of its ``images``, and their loss in nats a word."""
        output = self(batch.images, batch.sentences, batch.lengths)
        return TrainingOutputs(output._replace(loss=cross_entropy(output.logits, output.targets)))

    @torch.no_grad()
    def tell(self, images: Tensor, lengths: Any = None, *, beam_size: int = 1, max_length: int = 20) -> list[Story]:
        """Tell stories, in evaluation mode and without gradients.

        Args:
            images: ``(B, T, channels, H, W)``.
            lengths: as of :meth:`encode`.
            beam_size: 1 is greedy.
            max_length: words of a sentence at most.

        Raises:
            ValueError: shapes do not fit, a number is out of range, or a picture holds NaN.
        """
        check_whole("beam_size", beam_size)
        check_whole("max_length", max_length)
        with evaluating(self):
            keys = self.encode(images, lengths)
            check_finite(keys.features)
            found = search(
                self.decoder, keys, beam_size=beam_size, max_length=max_length, length_penalty=0.0, forbidden=(1,)
            )
        best = iter([hypotheses[0] for hypotheses in found])
        counts = [images.shape[1]] * len(images) if lengths is None else list(map(int, lengths))
        stories = [[next(best) for _ in range(count)] for count in counts]
        return [
            Story(tuple(self.symbols.decode(h.symbols) for h in story), tuple(h.confidence for h in story))
            for story in stories
        ]

    def predict(self, batch: Any) -> list[Story]:
        """:meth:`tell` of a batch's images, with ``beam_size``."""
        return self.tell(batch.images, batch.lengths, beam_size=self.beam_size)

    def backend_report(self) -> dict[str, str]:
        """The network's."""
        return super().backend_report() if self.network is None else self.network.backend_report()
