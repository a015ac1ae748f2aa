"""Describing scenes: a grid of features, and a decoder that looks at a part of it for each word."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..attention.additive import AdditiveAttention, CoverageAttention, Keys, coverage
from ..base.checks import check_whole
from ..base.model import Model, TrainingOutputs
from ..base.modes import (
    check_choice,
    check_encoder,
    check_finite,
    check_share,
    check_texts,
    evaluating,
    feature_size_of,
)
from ..base.saving import Pretrained
from ..decoding.attention_decoder import make_decoder
from ..decoding.beam import Hypothesis
from ..decoding.loss import IGNORED, cross_entropy, pad_classes, with_end
from ..decoding.rollout import search, teach
from ..text.word_models import WithVocabulary, words_of
from ..vision.base import check_features, check_floating
from ..vision.grid import GridEncoder, places_like


class CaptionerOutput(NamedTuple):
    """What a captioner gives for images and their captions.

    Attributes:
        logits: ``(B, L + 1, V)`` at each word and at the end.
        weights: ``(B, L + 1, h, w)``, where it looked; zero past the end.
        gates: ``(B, L + 1)``, how much it needed the image.
        targets: ``(B, L + 1)``, classes, the end (0), then -100.
        loss: of a training batch, a scalar: of the words and, weighted, of what was not looked at.
    """

    logits: Tensor
    weights: Tensor
    gates: Tensor
    targets: Tensor
    loss: Tensor | None = None


class Caption(NamedTuple):
    """What was said of an image.

    Attributes:
        words: in order.
        confidence: geometric mean probability of the words and, where it was reached, of the end: within 0..1.
        weights: ``(L, h, w)``, where it looked for each word.
        gates: ``(L,)``, how much of what it saw it used.
    """

    words: tuple[str, ...]
    confidence: float
    weights: Tensor | None
    gates: Tensor | None


class Captioner(WithVocabulary, Model, Pretrained):
    """Images of scenes to words, by soft attention (Show, Attend and Tell).

    >>> captioner = Captioner(vocabulary=["a", "red", "circle"])
    >>> captioner.training_outputs(batch).outputs.loss  # a SceneBatch: images, captions
    >>> [" ".join(caption.words) for caption in captioner.describe(batch.images, beam_size=3)]

    Args:
        vocabulary: the words it can write; see :class:`Vocabulary`. Words of captions that are not in it count as
            one unknown word, which it never writes.
        encoder: any module that gives maps (B, D, h, w) of images, or ``torch.nn.Identity()`` for features computed
            beforehand; a :class:`GridEncoder` if None. :func:`memnets.vision.freeze` holds one still.
        in_channels: 3 for colour, 1 for grey, for the encoder made here.
        feature_size: D; needed for an encoder that has no ``output_size``.
        cell: "lstm", "gru", "rnn", "feedforward" or "ntm"; or a function that makes one of your own for a size of
            inputs, such as a :class:`memnets.MemoryCell` (``hidden_size`` is then without effect).
        hidden_size: units of the cell.
        embedding_size: of a word's embedding, and units of the output layer.
        attention_size: units of the attention's score.
        slots: of the memory of an "ntm".
        width: of the memory of an "ntm".
        dropout: of the output layer.
        gate: scale what is seen by ``beta = sigmoid(f(h))``.
        feedback: what the cell is given of the last look: "context", all that was seen (the paper's), or "place", only
            where it was, as x and y. What a word says must then be seen when it is said, and attention points at it;
            with "context" it may have been seen at any word before. "place" also leaves out the paper's first state.
        attention: "additive"; "coverage", which also sees how much each place has been looked at (See et al. 2017); or
            "none": the decoder then has the mean of the features alone, as in Show and Tell
            (Vinyals et al. 2015), and is not asked to look anywhere.
        coverage_weight: of the doubly stochastic term, which asks that each place be looked at once in all.
        coverage_reduction: "sum" over places (the paper's) or "mean"; see :func:`coverage`.
        references: captions of an image that a step trains on: "all", or "one" or another number of them, drawn with
            torch's random numbers. The encoder sees the image once for all of them.
        sampling: share of scheduled sampling while training.

    Raises:
        ValueError: a value is out of range; the message says how.

    Source:
        Xu et al. 2015, "Show, Attend and Tell", arXiv:1502.03044, sections 3.1.2, 4.2 and 4.2.1.
    """

    def __init__(
        self,
        *,
        vocabulary: Sequence[str],
        encoder: nn.Module | None = None,
        in_channels: int = 3,
        feature_size: int | None = None,
        cell: str | Callable[[int], nn.Module] = "lstm",
        hidden_size: int = 128,
        embedding_size: int = 64,
        attention_size: int = 64,
        slots: int = 32,
        width: int = 16,
        dropout: float = 0.1,
        gate: bool = True,
        feedback: str = "context",
        attention: str = "additive",
        coverage_weight: float = 0.1,
        coverage_reduction: str = "mean",
        references: str | int = "all",
        sampling: float = 0.0,
    ):
        super().__init__()
        check_encoder(encoder, "Captioner")
        check_choice("coverage_reduction", coverage_reduction, ("sum", "mean"))
        check_choice("feedback", feedback, ("context", "place"))
        check_choice("attention", attention, ("additive", "coverage", "none"))
        if attention == "none" and feedback == "place":
            raise ValueError("feedback is 'place', but without attention nothing is looked at: give context")
        self._drawn = _number_of(references)
        check_share("sampling", sampling)
        if coverage_weight < 0:
            raise ValueError(f"coverage_weight is {coverage_weight}, but must be at least 0")
        self.set_vocabulary(vocabulary)
        self.encoder = GridEncoder(in_channels=in_channels) if encoder is None else encoder
        self.feature_size = size = feature_size_of(self.encoder, feature_size)
        self.feedback = feedback
        if feedback == "place":
            size += 2
        self.attention = attention
        self.coverage_weight = 0.0 if attention == "none" else coverage_weight
        self.coverage_reduction = coverage_reduction
        self.references = references
        self.sampling = sampling
        kind = CoverageAttention if attention == "coverage" else AdditiveAttention
        self.decoder = make_decoder(
            len(self.symbols),
            lambda query_size: kind(query_size, size, attention_size),
            cell=cell,
            feature_size=size,
            hidden_size=hidden_size,
            embedding_size=embedding_size,
            slots=slots,
            width=width,
            gate=gate,
            feedback_size=2 if feedback == "place" else None,
            start_from_mean=feedback == "context",
            dropout=dropout,
        )

    def table_names(self) -> list[str]:
        """The submodules with one row a word."""
        return ["decoder.embedding", "decoder.output"]

    def encode(self, images: Tensor, mask: Tensor | None = None) -> tuple[Keys, tuple[int, int]]:
        """What the decoder attends to, and the height and width of the grid; see :meth:`forward` for ``mask``."""
        if not images.numel():
            raise ValueError(f"images has shape {tuple(images.shape)}, but must hold at least one pixel")
        check_floating(images)
        parameter = next(self.parameters())
        grid = self.encoder(images.to(parameter.dtype))
        if not isinstance(grid, Tensor) or grid.dim() != 4 or len(grid) != len(images):
            got = tuple(grid.shape) if isinstance(grid, Tensor) else type(grid).__name__
            raise ValueError(f"{type(self.encoder).__name__} gave {got}, but must give maps (B, D, h, w)")
        check_features(self.encoder, grid.shape[1], self.feature_size)
        if self.feedback == "place":
            grid = torch.cat([grid, places_like(grid)], dim=1)
        features = grid.flatten(2).transpose(1, 2)  # (B, h * w, D)
        size = (grid.shape[2], grid.shape[3])
        if mask is not None:
            _check_mask(mask, (len(grid), *size))
            features = features.masked_fill(~mask.flatten(1).unsqueeze(2), 0)
        if self.attention == "none":  # one place to look at, the mean of all
            count = features.shape[1] if mask is None else mask.flatten(1).sum(1)[:, None, None]
            return self.decoder.attention.prepare(features.sum(1, keepdim=True) / count), (1, 1)
        return self.decoder.attention.prepare(features, None if mask is None else mask.flatten(1)), size

    def forward(
        self,
        images: Tensor,
        captions: Sequence[str | Sequence[str]],
        *,
        mask: Tensor | None = None,
        sampling: float = 0.0,
    ) -> CaptionerOutput:
        """Score given captions, each word after the right ones before it.

        Args:
            images: ``(B, channels, H, W)``, or what the encoder takes.
            captions: one an image: its words, or a text that is split at white space.
            mask: ``(B, h, w)``, True at the places of the encoder's grid that are not padding, as where features
                computed beforehand are of several sizes; None where all are. What is not is never looked at.
            sampling: share of the decoder's own words in place of the right ones.

        Raises:
            ValueError: shapes do not fit.
        """
        check_texts("captions", captions, len(images))
        keys, grid = self.encode(images, mask)
        return self._teach(keys, grid, [words_of(caption) for caption in captions], sampling)

    def _teach(
        self, keys: Keys, grid: tuple[int, int], captions: Sequence[Sequence[str]], sampling: float
    ) -> CaptionerOutput:
        classes = [self.symbols.encode(words) for words in captions]
        targets = with_end(*pad_classes(classes, keys.mask.device))
        rollout = teach(self.decoder, keys, targets, sampling=sampling)
        scored = (targets != IGNORED).unsqueeze(2)
        weights = (rollout.weights * scored).unflatten(2, grid)
        return CaptionerOutput(rollout.logits, weights, rollout.gates, targets)

    def training_outputs(self, batch: Any) -> TrainingOutputs:
        """Scores of a batch's own captions, and their loss.

        Args:
            batch: ``images``, ``captions`` (a tuple of references an image) and ``mask``, that of :meth:`forward` or
                None.

        Returns:
            A :class:`CaptionerOutput` with its ``loss``, and by name: ``word_loss`` (nats a word, the end counted),
            ``coverage`` (as reduced, before its weight) and ``gate`` (mean beta).
        """
        check_texts("captions", batch.captions, len(batch.images))
        items, captions = _choose(batch.captions, self._drawn)
        keys, grid = self.encode(batch.images, batch.mask)
        rows = torch.tensor(items, device=keys.mask.device)
        keys = Keys(*(part[rows] for part in keys))
        output = self._teach(keys, grid, captions, self.sampling if self.training else 0.0)
        words = cross_entropy(output.logits, output.targets)
        missed = coverage(output.weights.flatten(2), keys.mask, reduction=self.coverage_reduction)
        used = output.gates[output.targets != IGNORED].mean()
        numbers = {"word_loss": words, "coverage": missed, "gate": used}
        output = output._replace(loss=words + self.coverage_weight * missed)
        return TrainingOutputs(output, numbers={name: value.detach() for name, value in numbers.items()})

    @torch.no_grad()
    def describe(
        self,
        images: Tensor,
        *,
        mask: Tensor | None = None,
        beam_size: int = 1,
        max_length: int = 30,
        length_penalty: float = 0.0,
    ) -> list[Caption]:
        """Describe images; always gives words for each, in evaluation mode and without gradients.

        Args:
            images: ``(B, channels, H, W)``, or what the encoder takes.
            mask: see :meth:`forward`.
            beam_size: 1 is greedy.
            max_length: words at most.
            length_penalty: 0 favours short captions, 1 compares mean log-probabilities; see :func:`beam_search`.

        Raises:
            ValueError: shapes do not fit, a number is out of range, or an image holds NaN.
        """
        check_whole("beam_size", beam_size)
        check_whole("max_length", max_length)
        with evaluating(self):
            keys, grid = self.encode(images, mask)
            check_finite(keys.features)
            found = search(
                self.decoder,
                keys,
                beam_size=beam_size,
                max_length=max_length,
                length_penalty=length_penalty,
                forbidden=(1,),
            )
        return [self._caption(hypotheses[0], grid) for hypotheses in found]

    def _caption(self, best: Hypothesis, grid: tuple[int, int]) -> Caption:
        confidence = best.confidence
        if best.record is None:
            return Caption((), confidence, torch.zeros(0, *grid), torch.zeros(0))
        weights = None if self.attention == "none" else best.record.weights.cpu().unflatten(1, grid)
        return Caption(self.symbols.decode(best.symbols), confidence, weights, best.record.gate.squeeze(1).cpu())

    def figures(self, batch: Any, predictions: list[Caption]) -> dict[str, Any]:
        """``caption``: the first scene, what was said of it, and where the decoder looked for each word."""
        from .. import viz

        return {"caption": viz.caption_figure(batch.images[0], predictions[0])}

    def predict(self, batch: Any) -> list[Caption]:
        """:meth:`describe` of a batch's images, with ``beam_size``."""
        return self.describe(batch.images, mask=batch.mask, beam_size=self.beam_size)


def _check_mask(mask: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless the mask fits a grid and leaves each image a place."""
    if mask.shape != shape or mask.dtype != torch.bool:
        raise ValueError(f"mask is {mask.dtype} of shape {tuple(mask.shape)}, but must be torch.bool of shape {shape}")
    empty = ~mask.flatten(1).any(1)
    if bool(empty.any()):
        raise ValueError(f"mask leaves image {int(empty.nonzero()[0])} no place to look at: leave it out of the batch")


def _number_of(references: str | int) -> int | None:
    """How many captions of an image to draw; None for all."""
    if references in ("one", "all"):
        return 1 if references == "one" else None
    if isinstance(references, bool) or not str(references).isdigit() or int(references) < 1:
        raise ValueError(f"references is {references!r}, but must be one of one, all, or a number from 1")
    return int(references)


def _choose(captions: Sequence[Sequence[Sequence[str]]], count: int | None) -> tuple[list[int], list[Sequence[str]]]:
    """Which image each chosen caption belongs to, and the captions as lists of words."""
    items, chosen = [], []
    for b, references in enumerate(captions):
        if isinstance(references, str):
            raise ValueError(f"captions of image {b} is the text {references[:20]!r}, but must be a tuple of captions")
        if not references:
            raise ValueError(f"image {b} has no caption: leave it out of the batch, or give it one")
        picked = range(len(references)) if count is None else torch.randperm(len(references))[:count].tolist()
        items += [b] * len(picked)
        chosen += [words_of(references[i]) for i in picked]
    return items, chosen
