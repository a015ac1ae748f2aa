"""Reading lines of text: columns, a classifier of columns (CTC) and an attention decoder, trained together."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..attention.additive import AdditiveAttention, Attention
from ..attention.location import LocationAttention
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
from ..base.task import Task
from ..decoding.attention_decoder import make_decoder
from ..decoding.calibration import LATER, Calibration, Scored
from ..decoding.ctc import column_log_probs
from ..decoding.end_columns import EndColumns
from ..decoding.joint import DECODES, Attending, Reading, read_by_attention, read_by_both, read_by_ctc
from ..decoding.loss import pad_classes, with_end
from ..decoding.reader_loss import ReaderOutput, reader_loss
from ..decoding.rollout import teach
from ..decoding.sizes import check_sizes, shrink, surest
from ..text.charset import Charset, SymbolChange
from ..text.symbol_tables import WithSymbols
from ..vision.base import Columns, check_features, check_floating, encode_line
from ..vision.columns import ColumnEncoder


class TextReader(WithSymbols[Charset], Model, Pretrained):
    """Images of text lines to texts.

    >>> reader = TextReader(charset="0123456789", height=16)
    >>> reader.training_outputs(batch).outputs.loss  # a TextLineBatch: images, widths, texts, boxes
    >>> [reading.text for reading in reader.read(batch.images, batch.widths)]

    Args:
        charset: the characters it can write; see :class:`Charset`.
        encoder: a :class:`memnets.vision.LineEncoder`, any module that gives maps (B, D, h, w) of images alone,
            or ``torch.nn.Identity()`` for features computed beforehand; a :class:`ColumnEncoder` if None.
        height: of the images, pixels, for the encoder made here.
        in_channels: 1 for grey, 3 for colour, for the encoder made here.
        recurrent_size: of the encoder made here, see :class:`ColumnEncoder`; by default 96 for content attention,
            which has nothing else to tell equal characters apart, and 0 for the others.
        feature_size: D; needed for an encoder that has no ``output_size``.
        attention: "location", which goes on along the line from where it was and holds on lines longer than those
            trained on; "ntm", the same in the order of the Neural Turing Machine; or "content", anywhere.
        cell: "lstm", "gru", "rnn", "feedforward" or "ntm"; or a function that makes one of your own for a size of
            inputs, such as a :class:`memnets.MemoryCell` (``hidden_size`` is then without effect).
        hidden_size: units of the cell.
        embedding_size: of a character's embedding, and units of the output layer.
        attention_size: units of the attention's score.
        shift_back: columns that location attention can move back a step.
        shift_ahead: columns that it can move ahead; as wide as the widest character and the space after it.
        jitter: while training, how often location attention finds itself moved by a column, which it learns to mend.
        restart: while training, how often the cell starts anew, so that it cannot count.
        context_only: the decoder sees the columns alone and not what it wrote: no model of the language, and
            nothing in it that could count.
        slots: of the memory of an "ntm".
        width: of the memory of an "ntm".
        dropout: of the decoder's output layer.
        ctc_weight: lambda of ``lambda * CTC + (1 - lambda) * attention``; 0 for attention alone, 1 for CTC alone.
        column_loss: "ctc", or "boxes": cross entropy of each column, for batches that know the characters' places.
        decode: how to read: "attention", "ctc" or "joint" (both score each other's best texts); by default
            attention where there is one.
        sampling: share of scheduled sampling while training.

    Raises:
        ValueError: a value is out of range, or two do not go together; the message says how.

    Source:
        Watanabe et al. 2017, "Hybrid CTC/Attention Architecture" (the joint loss); Graves et al. 2014 (location).
    """

    later_buffers = LATER

    def __init__(
        self,
        *,
        charset: str,
        encoder: nn.Module | None = None,
        height: int = 32,
        in_channels: int = 1,
        recurrent_size: int | None = None,
        feature_size: int | None = None,
        attention: str = "location",
        cell: str | Callable[[int], nn.Module] = "lstm",
        hidden_size: int = 128,
        embedding_size: int = 64,
        attention_size: int = 64,
        shift_back: int = 1,
        shift_ahead: int = 6,
        jitter: float = 0.2,
        restart: float = 0.1,
        context_only: bool = False,
        slots: int = 32,
        width: int = 16,
        dropout: float = 0.1,
        ctc_weight: float = 0.2,
        column_loss: str = "ctc",
        decode: str | None = None,
        sampling: float = 0.0,
    ):
        super().__init__()
        check_encoder(encoder, "TextReader")
        check_choice("attention", attention, ("location", "ntm", "content"))
        check_choice("column_loss", column_loss, ("ctc", "boxes"))
        check_share("ctc_weight", ctc_weight)
        check_share("sampling", sampling)
        self.symbols = Charset(charset)
        if recurrent_size is None:
            recurrent_size = 96 if attention == "content" else 0
        if encoder is None:  # and not where it is false: a module may have a length
            encoder = ColumnEncoder(height=height, in_channels=in_channels, recurrent_size=recurrent_size)
        self.encoder = encoder
        self.feature_size = size = feature_size_of(self.encoder, feature_size)
        self.ctc_weight = ctc_weight
        self.column_loss = column_loss
        self.sampling = sampling
        self.ctc = nn.Linear(size, len(self.symbols)) if ctc_weight > 0 else None
        self.decoder = self.ends = None
        if ctc_weight < 1:
            self.ends = EndColumns(size)
            self.decoder = make_decoder(
                len(self.symbols),
                _attention(attention, size, attention_size, shift_back, shift_ahead, jitter),
                cell=cell,
                feature_size=size,
                hidden_size=hidden_size,
                embedding_size=embedding_size,
                slots=slots,
                width=width,
                context_only=context_only,
                dropout=dropout,
                restart=restart,
            )
        self.calibration = Calibration()
        self.decode = decode or ("ctc" if self.decoder is None else "attention")
        self.check_decode(self.decode)
        self.beam_size = 1
        """Texts kept while :meth:`predict` searches."""
        self.sizes: tuple[float, ...] = (1.0,)
        """Sizes at which lines are read, where :meth:`read` is not told others."""

    @property
    def charset(self) -> str:
        """The characters it can write."""
        return self.symbols.characters

    def change_charset(self, charset: str) -> SymbolChange:
        """Write other characters from now on; those shared keep what was learnt. Make the optimiser afterwards.

        Returns:
            Which characters were kept, which are new and untrained, and which were dropped.
        """
        change = self.exchange(Charset(charset))
        self.config["charset"] = charset
        return change

    def check_task(self, task: Task) -> None:
        """Raise ValueError unless the task is answered in characters, all of which the reader has."""
        self.check_symbols("charset", task.charset, task)

    def table_names(self) -> list[str]:
        """The submodules with one row a character."""
        names = [] if self.ctc is None else ["ctc"]
        if self.decoder is not None:
            names += ["decoder.output"] if self.decoder.embedding is None else ["decoder.embedding", "decoder.output"]
        return names

    @classmethod
    def symbols_of(cls, codes: Tensor) -> dict[str, Any]:
        """``charset`` of a checkpoint."""
        return {"charset": Charset.from_tensor(codes).characters}

    def check_decode(self, decode: str) -> None:
        """Raise ValueError unless the reader can read that way."""
        check_choice("decode", decode, DECODES)
        missing = self.decoder is None if decode == "attention" else self.ctc is None
        if missing or (decode == "joint" and self.decoder is None):
            raise ValueError(
                f"decode is {decode!r}, but the reader was made with ctc_weight={self.ctc_weight}: "
                "0 leaves CTC out, 1 leaves attention out"
            )

    def encode(self, images: Tensor, widths: Tensor) -> Columns:
        """Columns of a batch of lines, in the precision of the parameters."""
        parameter = next(self.parameters())
        check_floating(images)
        line = encode_line(self.encoder, images.to(parameter.dtype), widths)
        check_features(self.encoder, line.features.shape[2], self.feature_size)
        return line

    def attending(self, line: Columns) -> Attending:
        """The decoder and what it looks at on lines: their columns, and those of the end."""
        assert self.decoder is not None
        assert self.ends is not None
        keys = self.ends.keys(line, self.decoder.attention)
        return Attending(self.decoder, keys, len(self.ends.columns), self.calibration.of_attention)

    def _column_log_probs(self, line: Columns) -> Tensor:
        assert self.ctc is not None
        return column_log_probs(self.ctc(line.features))

    def calibrated_log_probs(self, line: Columns) -> Tensor:
        """CTC's log-probabilities (B, C, V) of the columns of lines, at the temperature that was fitted."""
        return torch.log_softmax(self._column_log_probs(line) / self.calibration.of_ctc, dim=2)

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Any]) -> dict[str, float]:
        """Fit what confidence is computed with, on lines that training has not seen; what is read stays as it is.

        One temperature each for attention and CTC, that of the least loss of the lines' own texts, and the width of
        the widest line. Both are buffers, and so part of a checkpoint.

        Args:
            batches: as :meth:`training_outputs` takes them; a few hundred lines.

        Returns:
            ``attention_temperature`` and ``ctc_temperature``, of those there are.
        """
        with evaluating(self):
            outputs, widest = [], 0
            for batch in batches:
                made = self(batch.images, batch.widths, batch.texts)
                outputs.append(Scored(made.logits, made.ctc_log_probs, made.columns, made.targets))
                widest = max(widest, int(batch.widths.max()))
        return self.calibration.fit(outputs, widest)

    def forward(self, images: Tensor, widths: Tensor, texts: Sequence[str], *, sampling: float = 0.0) -> ReaderOutput:
        """Score given texts, each character after the right ones before it.

        Args:
            images: ``(B, channels, H, W)``, padded on the right.
            widths: ``(B,)``, valid pixels.
            texts: B of them.
            sampling: share of the decoder's own characters in place of the right ones.

        Raises:
            ValueError: shapes do not fit, or a text holds an unknown character.
        """
        check_texts("texts", texts, len(images))
        classes, lengths = pad_classes([self.symbols.encode(text) for text in texts], images.device)
        targets = with_end(classes, lengths)
        line = self.encode(images, widths)
        log_probs = None if self.ctc is None else self._column_log_probs(line)
        if self.decoder is None:
            return ReaderOutput(None, None, log_probs, line.counts, targets)
        attending = self.attending(line)
        rollout = teach(attending.decoder, attending.keys, targets, sampling=sampling)
        return ReaderOutput(rollout.logits, rollout.weights, log_probs, line.counts, targets)

    def training_outputs(self, batch: Any) -> TrainingOutputs:
        """Scores of a batch's own texts, and their loss.

        Args:
            batch: ``images``, ``widths``, ``texts``, and for ``column_loss="boxes"`` also ``boxes``.

        Returns:
            A :class:`ReaderOutput` with its ``loss``, and the parts of that by name: ``attention_loss`` (nats a symbol,
            the end counted), ``ctc_loss`` (nats a character) and ``infeasible`` (share of lines with too few columns
            for their text, left out of CTC), or ``column_loss`` (nats a column).
        """
        sampling = self.sampling if self.training else 0.0
        output = self(batch.images, batch.widths, batch.texts, sampling=sampling)
        pixels = getattr(self.encoder, "pixels_per_column", None)
        loss, numbers = reader_loss(
            output, batch, ctc_weight=self.ctc_weight, column_loss=self.column_loss, pixels_per_column=pixels
        )
        return TrainingOutputs(output._replace(loss=loss), numbers=numbers)

    @torch.no_grad()
    def read(
        self,
        images: Tensor,
        widths: Tensor,
        *,
        decode: str | None = None,
        beam_size: int = 1,
        max_length: int | None = None,
        length_penalty: float = 0.0,
        sizes: Sequence[float] | None = None,
    ) -> list[Reading]:
        """Read lines; always gives a text for each, in evaluation mode and without gradients.

        Args:
            images: ``(B, channels, H, W)``, padded on the right.
            widths: ``(B,)``, valid pixels.
            decode: "attention", "ctc" or "joint"; the reader's own if None.
            beam_size: 1 is greedy.
            max_length: characters at most; by default each line's number of columns.
            length_penalty: of the attention's beam search; see :func:`beam_search`.
            sizes: shares of the height, up to 1, such as (1, 0.9, 0.8, 0.7): each line is also made smaller and read,
                for type that is larger than that of training. Of CTC's texts the likeliest over all sizes is taken,
                else the surest; the time is that of as many readings. The reader's own if None.

        Raises:
            ValueError: shapes do not fit, a number is out of range, the reader cannot decode that way, or an image
                holds NaN.
        """
        decode = decode or self.decode
        sizes = self.sizes if sizes is None else sizes
        check_sizes(sizes)
        self.check_decode(decode)
        check_whole("beam_size", beam_size)
        if max_length is not None:
            check_whole("max_length", max_length)
        settings: Any = {"beam_size": beam_size, "max_length": max_length}
        with evaluating(self):
            lines = [self.encode(*shrink(images, widths, size)) for size in sizes]
            for line in lines:
                check_finite(line.features)
            log_probs = [] if decode == "attention" else [self.calibrated_log_probs(line) for line in lines]
            if decode == "ctc":
                return read_by_ctc(self.symbols, lines, log_probs, **settings)
            settings["length_penalty"] = length_penalty
            views = itertools.zip_longest(lines, log_probs)
            return surest(lines, [self._read_attending(line, own, settings) for line, own in views])

    def _read_attending(self, line: Columns, log_probs: Tensor | None, settings: Any) -> list[Reading]:
        """By attention, and where there are ``log_probs`` of CTC by both."""
        attending = self.attending(line)
        if log_probs is None:
            return read_by_attention(self.symbols, line, attending, **settings)
        return read_by_both(self.symbols, line, attending, log_probs, ctc_weight=self.ctc_weight, **settings)

    def figures(self, batch: Any, predictions: list[Reading]) -> dict[str, Any]:
        """``reading``: the first line, what was read of it, and where the decoder looked."""
        from .. import viz

        image = batch.images[0]
        line, padded = image[:, :, : int(batch.widths[0])], image.shape[2]
        return {"reading": viz.reading_figure(line, predictions[0], truth=batch.texts[0], padded_width=padded)}

    def predict(self, batch: Any) -> list[Reading]:
        """:meth:`read` of a batch's images, in the way of ``decode`` and ``beam_size``."""
        return self.read(batch.images, batch.widths, beam_size=self.beam_size)


def _attention(
    name: str, feature_size: int, attention_size: int, shift_back: int, shift_ahead: int, jitter: float
) -> Callable[[int], Attention]:
    """What makes the attention called ``name`` for a size of queries."""
    if name == "content":
        return lambda query_size: AdditiveAttention(query_size, feature_size, attention_size)
    return lambda query_size: LocationAttention(
        query_size,
        feature_size,
        attention_size,
        shift_back=shift_back,
        shift_ahead=shift_ahead,
        combine="product" if name == "location" else "interpolate",
        jitter=jitter,
    )
