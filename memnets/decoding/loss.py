"""Targets and losses that readers and captioners share."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = -100
"""A target that is not scored, as in ``torch.nn.functional.cross_entropy``."""


def pad_classes(sequences: Sequence[Sequence[int]], device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Classes (B, L), zero past the lengths, and lengths (B,); L is at least 1."""
    longest = max([len(classes) for classes in sequences] + [1])
    rows = [[*classes, *[0] * (longest - len(classes))] for classes in sequences]
    lengths = torch.tensor([len(classes) for classes in sequences], device=device)
    return torch.tensor(rows, dtype=torch.long, device=device).view(len(rows), longest), lengths


def with_end(classes: Tensor, lengths: Tensor) -> Tensor:
    """Targets of a decoder (B, L + 1): the classes (B, L), the end (0), then what is not scored."""
    place = torch.arange(classes.shape[1] + 1, device=classes.device)
    padded = F.pad(classes, (0, 1)).masked_fill(place == lengths.unsqueeze(1), 0)
    return padded.masked_fill(place > lengths.unsqueeze(1), IGNORED)


def inputs_of(targets: Tensor) -> Tensor:
    """What a decoder is fed for targets (B, T): the start (0), then all targets but the last."""
    return F.pad(targets.clamp(min=0), (1, 0))[:, :-1]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over the scored symbols of logits (B, T, V) and targets (B, T)."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED)


def column_targets(boxes: Tensor, classes: Tensor, lengths: Tensor, counts: Tensor, pixels_per_column: float) -> Tensor:
    """The class of each column where the characters' places are known, for a cross entropy in place of CTC.

    The middle half of a character's box is its own, and at least the column of its centre; the rest is blank (0),
    so that equal neighbours stay apart.

    Args:
        boxes: ``(B, L, 2)``, left and right edge of each character in pixels, NaN where unknown.
        classes: ``(B, L)``.
        lengths: ``(B,)``, characters.
        counts: ``(B,)``, valid columns.
        pixels_per_column: of the encoder.

    Returns:
        ``(B, C)``, C the largest count; -100 at padding, and at blanks of lines where a place is unknown.

    Raises:
        ValueError: boxes and classes differ in size, or a box ends before it starts.
    """
    if boxes.shape != (*classes.shape, 2):
        raise ValueError(f"boxes has shape {tuple(boxes.shape)}, but must be {(*classes.shape, 2)}: one a character")
    known = ~boxes.isnan().any(2) & (torch.arange(classes.shape[1], device=classes.device) < lengths.unsqueeze(1))
    if bool((known & (boxes[..., 1] < boxes[..., 0])).any()):
        raise ValueError("a box ends before it starts: boxes holds the left edge first, then the right one")
    middle, half = boxes.mean(2, keepdim=True), (boxes[..., 1:] - boxes[..., :1]) / 4  # (B, L, 1)
    column = torch.arange(int(counts.max()), device=boxes.device)  # (C,)
    centre = (column.to(boxes.dtype) + 0.5) * pixels_per_column
    nearest = ((middle / pixels_per_column).floor() == column) & known.unsqueeze(2)  # (B, L, C)
    inside = ((centre - middle).abs() <= half) & known.unsqueeze(2)
    rank = 2 * nearest + inside.long()  # a centre goes before a neighbour's reach
    best, owner = rank.max(1)  # (B, C)
    targets = torch.where(best > 0, classes.gather(1, owner), 0)
    complete = known.sum(1) == lengths
    unknown = (targets == 0) & ~complete.unsqueeze(1)
    return targets.masked_fill(unknown | (column >= counts.unsqueeze(1)), IGNORED)
