"""Sequences of words to sequences of words: an encoder of any kind, attention, and a decoder."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..attention.additive import AdditiveAttention, Keys
from ..base.checks import check_whole
from ..base.model import Model, TrainingOutputs
from ..base.modes import check_choice, check_share, evaluating
from ..base.module import check_network
from ..base.saving import Pretrained
from ..decoding.attention_decoder import make_decoder
from ..decoding.beam import Hypothesis
from ..decoding.loss import IGNORED, cross_entropy, pad_classes, with_end
from ..decoding.rollout import search, teach
from ..text.word_models import WithVocabulary, words_of


class Seq2SeqOutput(NamedTuple):
    """What a model gives for sentences and their translations.

    Attributes:
        logits: ``(B, L + 1, V)`` at each word and at the end.
        weights: ``(B, L + 1, N)``, which words of the source it looked at; zero past the end.
        targets: ``(B, L + 1)``, classes, the end (0), then -100.
        loss: of a training batch, a scalar.
    """

    logits: Tensor
    weights: Tensor
    targets: Tensor
    loss: Tensor | None = None


class Translation(NamedTuple):
    """What became of a sentence.

    Attributes:
        words: in order.
        confidence: geometric mean probability of the words and, where it was reached, of the end: within 0..1.
        weights: ``(L, N)``, which words of the source were looked at for each; None without attention.
    """

    words: tuple[str, ...]
    confidence: float
    weights: Tensor | None


class Seq2Seq(WithVocabulary, Model, Pretrained):
    """Sentences to sentences, by an encoder of any kind and a decoder that looks at its outputs for each word.

    >>> model = Seq2Seq(vocabulary=["a", "b"], encoder=LSTM(input_size=32, hidden_size=64))
    >>> [" ".join(made.words) for made in model.translate(["a b", "b"])]

    In a file: ``encoder: {class_path: memnets.GRU, init_args: {input_size: 64, hidden_size: 128}}``; the words are the
    task's.

    Args:
        vocabulary: the words of both languages; see :class:`memnets.text.Vocabulary`. Others are one unknown word,
            which it never writes.
        encoder: a network of sequences, which takes embeddings of ``input_size``; give it no ``output_size`` and no
            ``vocabulary``.
        bidirectional: read the source from its end as well, with a second such network.
        attention: "additive", or "none": the decoder then has the encoder's last output alone, whatever the length.
        cell: of the decoder: "lstm", "gru", "rnn", "feedforward" or "ntm"; or a function that makes one of your own
            for a size of inputs.
        hidden_size: units of the cell.
        embedding_size: of a word's embedding in the decoder, and units of its output layer.
        attention_size: units of the attention's score.
        slots: of the memory of an "ntm".
        width: of the memory of an "ntm".
        dropout: of embeddings of the source, and of the decoder's output layer.
        sampling: share of scheduled sampling while training.

    Raises:
        ValueError: a value is out of range; the message says how.
        TypeError: the encoder is no network of sequences.

    Source:
        Bahdanau, Cho & Bengio 2015, arXiv:1409.0473, sections 3.1 and 3.2; Sutskever, Vinyals & Le 2014,
        arXiv:1409.3215 (without attention).
    """

    def __init__(
        self,
        *,
        vocabulary: Sequence[str],
        encoder: nn.Module,
        bidirectional: bool = True,
        attention: str = "additive",
        cell: str | Callable[[int], nn.Module] = "lstm",
        hidden_size: int = 128,
        embedding_size: int = 64,
        attention_size: int = 64,
        slots: int = 32,
        width: int = 16,
        dropout: float = 0.0,
        sampling: float = 0.0,
    ):
        super().__init__()
        encoder = check_network("encoder", encoder, "Seq2Seq")
        check_choice("attention", attention, ("additive", "none"))
        check_share("sampling", sampling)
        self.set_vocabulary(vocabulary)
        self.attention, self.sampling = attention, sampling
        self.embedding = nn.Embedding(len(self.symbols), encoder.input_size)
        self.encoder = encoder
        self.backward_encoder = copy.deepcopy(encoder) if bidirectional else None
        self.dropout = nn.Dropout(dropout)
        size = encoder.output_size * (2 if bidirectional else 1)
        self.decoder = make_decoder(
            len(self.symbols),
            lambda query_size: AdditiveAttention(query_size, size, attention_size),
            cell=cell,
            feature_size=size,
            hidden_size=hidden_size,
            embedding_size=embedding_size,
            slots=slots,
            width=width,
            start_from_mean=True,
            dropout=dropout,
        )

    def table_names(self) -> list[str]:
        """The submodules with one row a word."""
        return ["embedding", "decoder.embedding", "decoder.output"]

    def encode(self, sources: Sequence[str | Sequence[str]]) -> Keys:
        """What the decoder attends to, of sentences given as their words, or as texts that are split at white space."""
        classes = [self.symbols.encode(words_of(source)) for source in sources]
        if not all(classes):
            raise ValueError(f"source {classes.index([])} is empty, but needs at least one word")
        tokens, lengths = pad_classes(classes, self.embedding.weight.device)  # (B, N), (B,)
        x = self.dropout(self.embedding(tokens))
        features, _ = self.encoder(x, lengths=lengths)
        places = torch.arange(tokens.shape[1], device=tokens.device)  # (N,)
        mask = places < lengths.unsqueeze(1)  # (B, N)
        last = (lengths - 1).unsqueeze(1)
        backward = None
        if self.backward_encoder is not None:
            mirrored = torch.where(mask, last - places, places).unsqueeze(-1)  # (B, N, 1)
            outputs, _ = self.backward_encoder(x.gather(1, mirrored.expand_as(x)), lengths=lengths)
            backward = outputs.gather(1, mirrored.expand_as(outputs))
        if self.attention == "none":  # one place to look at: what each encoder has at its end
            features = features.gather(1, last.unsqueeze(-1).expand(-1, -1, features.shape[-1]))  # (B, 1, F)
            backward = None if backward is None else backward[:, :1]
            mask = mask[:, :1]
        if backward is not None:
            features = torch.cat([features, backward], dim=-1)
        return self.decoder.attention.prepare(features, mask)

    def forward(
        self, sources: Sequence[Any], targets: Sequence[str | Sequence[str]], *, sampling: float = 0.0
    ) -> Seq2SeqOutput:
        """Score given translations, each word after the right ones before it.

        Args:
            sources: sentences, each its words or a text.
            targets: one for each of them.
            sampling: share of the decoder's own words in place of the right ones.

        Raises:
            ValueError: there is not one target for each source, or a source is empty.
        """
        if len(targets) != len(sources):
            raise ValueError(f"there are {len(targets)} targets for {len(sources)} sources, but each needs its own")
        keys = self.encode(sources)
        classes = [self.symbols.encode(words_of(target)) for target in targets]
        wanted = with_end(*pad_classes(classes, keys.mask.device))
        rollout = teach(self.decoder, keys, wanted, sampling=sampling)
        weights = rollout.weights * (wanted != IGNORED).unsqueeze(2)
        return Seq2SeqOutput(rollout.logits, weights, wanted)

    def training_outputs(self, batch: Any) -> TrainingOutputs:
        """Scores of the words of a batch's ``targets`` after its ``sources``, and their loss in nats a word."""
        output = self(batch.sources, batch.targets, sampling=self.sampling if self.training else 0.0)
        return TrainingOutputs(output._replace(loss=cross_entropy(output.logits, output.targets)))

    @torch.no_grad()
    def translate(
        self,
        sources: Sequence[str | Sequence[str]],
        *,
        beam_size: int = 1,
        max_length: int | None = None,
        length_penalty: float = 0.0,
    ) -> list[Translation]:
        """Translate sentences, in evaluation mode and without gradients.

        Args:
            sources: each its words, or a text that is split at white space.
            beam_size: 1 is greedy.
            max_length: words at most; twice the longest source and ten more if None.
            length_penalty: 0 favours short sentences, 1 compares mean log-probabilities.

        Raises:
            ValueError: a source is empty, or a number is out of range.
        """
        check_whole("beam_size", beam_size)
        if max_length is None:
            max_length = 2 * max((len(words_of(source)) for source in sources), default=0) + 10
        check_whole("max_length", max_length)
        if not len(sources):
            return []
        with evaluating(self):
            keys = self.encode(sources)
            found = search(
                self.decoder,
                keys,
                beam_size=beam_size,
                max_length=max_length,
                length_penalty=length_penalty,
                forbidden=(1,),
            )
        return [self._translation(hypotheses[0], len(words_of(source))) for hypotheses, source in zip(found, sources)]

    def _translation(self, best: Hypothesis, words: int) -> Translation:
        weights = None
        if self.attention != "none":
            weights = torch.zeros(0, words) if best.record is None else best.record.weights[:, :words].cpu()
        return Translation(self.symbols.decode(best.symbols), best.confidence, weights)

    def predict(self, batch: Any) -> list[Translation]:
        """:meth:`translate` of a batch's sources, with ``beam_size``."""
        return self.translate(batch.sources, beam_size=self.beam_size)

    def figures(self, batch: Any, predictions: list[Translation]) -> dict[str, Any]:
        """``alignment``: the first sentence, what became of it, and which words were looked at for each."""
        from .. import viz

        if predictions[0].weights is None:
            return {}
        return {"alignment": viz.alignment_figure(batch.sources[0], predictions[0], batch.targets[0])}
