"""What a reader is trained with: the loss of its decoder and of its columns, CTC's or that of known places."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..text.direction import has_right_to_left, visual_order
from .ctc import ctc_loss
from .loss import IGNORED, column_targets, cross_entropy


class ReaderOutput(NamedTuple):
    """What a reader gives for images and their texts; None for the part that ``ctc_weight`` leaves out.

    Attributes:
        logits: ``(B, L + 1, V)`` of the attention decoder at each character and at the end.
        weights: ``(B, L + 1, C + E)``, where it looked; E end columns follow each line's valid ones.
        ctc_log_probs: ``(B, C, V)`` of each column.
        columns: ``(B,)``, valid columns.
        targets: ``(B, L + 1)``, classes, the end (0), then -100.
        loss: of a training batch, a scalar: ``lambda * CTC + (1 - lambda) * attention``.
    """

    logits: Tensor | None
    weights: Tensor | None
    ctc_log_probs: Tensor | None
    columns: Tensor
    targets: Tensor
    loss: Tensor | None = None


def reader_loss(
    output: ReaderOutput, batch: Any, *, ctc_weight: float, column_loss: str, pixels_per_column: float | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """``lambda * columns + (1 - lambda) * attention``, and its parts by name, detached.

    Args:
        output: of a batch's own texts.
        batch: ``images``, ``texts``, and for ``column_loss="boxes"`` also ``boxes``.
        ctc_weight: lambda.
        column_loss: "ctc", or "boxes", cross entropy of each column.
        pixels_per_column: of the encoder; None where its columns part the image evenly.

    Source:
        Watanabe et al. 2017, "Hybrid CTC/Attention Architecture".
    """
    parts: dict[str, Tensor] = {}
    total = output.targets.new_zeros((), dtype=torch.float32)
    if output.logits is not None:
        parts["attention_loss"] = cross_entropy(output.logits, output.targets)
        total = total + (1 - ctc_weight) * parts["attention_loss"]
    if output.ctc_log_probs is not None:
        if column_loss == "ctc":
            loss, numbers = _aligned(output, output.ctc_log_probs)
        else:
            pixels = pixels_per_column or batch.images.shape[3] / output.ctc_log_probs.shape[1]
            loss, numbers = _at_boxes(output, output.ctc_log_probs, batch, pixels)
        parts.update(numbers)
        total = total + ctc_weight * loss
    return total, {name: value.detach() for name, value in parts.items()}


def _classes(output: ReaderOutput) -> tuple[Tensor, Tensor]:
    """The classes (B, L) of the texts without their ends, and their lengths (B,)."""
    return output.targets[:, :-1].clamp(min=0), (output.targets > 0).sum(1)


def _aligned(output: ReaderOutput, log_probs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    loss, infeasible = ctc_loss(log_probs, output.columns, *_classes(output))
    return loss, {"ctc_loss": loss, "infeasible": infeasible / len(output.columns)}


def _at_boxes(output: ReaderOutput, log_probs: Tensor, batch: Any, pixels: float) -> tuple[Tensor, dict[str, Tensor]]:
    classes, lengths = _classes(output)
    boxes = batch.boxes.to(log_probs.device)
    if not boxes.shape[1]:  # no place of this batch is known
        boxes = boxes.new_full((*classes.shape, 2), torch.nan)
    targets = column_targets(_from_the_left(boxes, batch.texts), classes, lengths, output.columns, pixels)
    if bool((targets == IGNORED).all()):  # the mean over no column would be NaN
        raise ValueError("column_loss is 'boxes', but the batch knows no character's place: use column_loss='ctc'")
    loss = cross_entropy(log_probs[:, : targets.shape[1]], targets)
    return loss, {"column_loss": loss}


def _from_the_left(boxes: Tensor, texts: Sequence[str]) -> Tensor:
    """Boxes (B, L, 2) of the characters of texts, in the order in which those stand on the page."""
    boxes = boxes.clone()
    for row, text in zip(boxes, texts):
        if has_right_to_left(text):
            row[: len(text)] = row[visual_order(text)]
    return boxes
