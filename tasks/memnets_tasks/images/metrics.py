"""How well lines were read and scenes described: pure functions of strings, words, weights and boxes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from memnets.base.extras import require
from memnets_tasks.images.batches import Box
from memnets_tasks.images.cider import cider

__all__ = [
    "alignment_errors",
    "bleu",
    "character_error_rate",
    "cider",
    "edit_distance",
    "matched_positions",
    "one_minus_ned",
    "pointing_hits",
    "prefix_distances",
    "word_accuracy",
    "word_error_rate",
]


def _distances(prediction: Sequence, target: Sequence) -> list[list[int]]:
    """Entry (i, j): the edits from the first i items of the prediction to the first j of the target."""
    table = [list(range(len(target) + 1))]
    for i, item in enumerate(prediction, start=1):
        above, row = table[-1], [i]
        for j, wanted in enumerate(target, start=1):
            best = above[j - 1] if item == wanted else above[j - 1] + 1
            best = min(best, above[j] + 1, row[-1] + 1)
            row.append(best)
        table.append(row)
    return table


def edit_distance(prediction: Sequence, target: Sequence) -> int:
    """Fewest insertions, deletions and substitutions that turn one sequence into the other (Levenshtein 1966)."""
    return _distances(prediction, target)[-1][-1]


def prefix_distances(prediction: Sequence, target: Sequence) -> list[int]:
    """Edits from the prediction to the first 0, 1, ... items of the target, up to all of them."""
    return _distances(prediction, target)[-1]


def matched_positions(prediction: Sequence, target: Sequence) -> list[tuple[int, int]]:
    """Which items were read correctly: pairs (position in the prediction, in the target) of a shortest edit.

    One item too many or too few does not make those after it wrong.
    """
    table = _distances(prediction, target)
    i, j, pairs = len(prediction), len(target), []
    while i and j:
        if prediction[i - 1] == target[j - 1] and table[i][j] == table[i - 1][j - 1]:
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif table[i][j] == table[i - 1][j - 1] + 1:
            i, j = i - 1, j - 1
        elif table[i][j] == table[i - 1][j] + 1:
            i -= 1
        else:
            j -= 1
    return pairs[::-1]


def _check_counts(predictions: Sequence, targets: Sequence) -> None:
    if len(predictions) != len(targets):
        raise ValueError(f"there are {len(predictions)} predictions for {len(targets)} targets; give one for each")
    if not len(targets):
        raise ValueError("there is nothing to score; give at least one prediction and its target")


def character_error_rate(predictions: Sequence[str], targets: Sequence[str]) -> float:
    """All edits over all characters of the targets. Where the targets are all empty: the number of edits.

    Raises:
        ValueError: If there is no target, or another number of predictions.
    """
    _check_counts(predictions, targets)
    edits = sum(edit_distance(p, t) for p, t in zip(predictions, targets))
    return edits / max(1, sum(len(target) for target in targets))


def word_error_rate(predictions: Sequence[str], targets: Sequence[str]) -> float:
    """All edits of whole words, as blanks part them, over all words of the targets.

    Raises:
        ValueError: If there is no target, or another number of predictions.
    """
    _check_counts(predictions, targets)
    edits = sum(edit_distance(p.split(), t.split()) for p, t in zip(predictions, targets))
    return edits / max(1, sum(len(target.split()) for target in targets))


def word_accuracy(predictions: Sequence[str], targets: Sequence[str]) -> float:
    """Share of lines that were read without any error, from 0 to 1; case, spaces and accents count.

    Raises:
        ValueError: If there is no target, or another number of predictions.
    """
    _check_counts(predictions, targets)
    return sum(p == t for p, t in zip(predictions, targets)) / len(targets)


def one_minus_ned(predictions: Sequence[str], targets: Sequence[str]) -> float:
    """1 - normalised edit distance: the mean of 1 - edits / length of the longer string, from 0 to 1.

    The measure of the ICDAR 2019 challenges on reading text. Two empty strings agree: 1.

    Raises:
        ValueError: If there is no target, or another number of predictions.
    """
    _check_counts(predictions, targets)
    agreement = [1 - edit_distance(p, t) / max(1, len(p), len(t)) for p, t in zip(predictions, targets)]
    return sum(agreement) / len(targets)


def alignment_errors(prediction: str, target: str, weights: Tensor, boxes: Tensor, image_width: int) -> list[float]:
    """How far attention was from the characters that were read correctly.

    The place attended to is the centre of mass of a row of ``weights``; column c is for the pixel ``(c + 0.5) * p``,
    where p, the pixels of a column, is ``image_width / C`` rounded, as the last column may be cut by the image. The
    distance to the middle of the character's box is divided by the mean width of the line's boxes, as the box of one
    "l" is too narrow a unit.

    Args:
        prediction: What was read.
        target: What is written.
        weights: ``(L, columns)``, not negative; row i is the attention that gave character i of the prediction.
            Rows past the prediction (of an end symbol) are not used.
        boxes: ``(L', 2)``, left and right edge of each character of the target, in pixels; NaN where unknown.
        image_width: Pixels across, padding included.

    Returns:
        One number for each correctly read character whose box is known and whose weights are not all zero, in
        widths of a glyph.

    Raises:
        ValueError: If ``weights`` or ``boxes`` has another number of dimensions.
    """
    if weights.dim() != 2 or boxes.dim() != 2 or boxes.shape[1] != 2:
        raise ValueError(
            f"weights have shape {tuple(weights.shape)} and boxes {tuple(boxes.shape)}; "
            "give weights (characters, columns) and boxes (characters, 2)"
        )
    weights, boxes = weights.detach().double().cpu(), boxes.double().cpu()
    glyph_width = (boxes[:, 1] - boxes[:, 0]).nanmean()
    pixels = image_width / max(weights.shape[1], 1)
    columns = (torch.arange(weights.shape[1], dtype=torch.float64) + 0.5) * (round(pixels) if pixels > 1 else pixels)
    centres = (weights @ columns) / weights.sum(dim=1)  # (L,), NaN where all weights are zero
    pairs = [(i, j) for i, j in matched_positions(prediction, target) if i < len(weights) and j < len(boxes)]
    errors = [float((centres[i] - boxes[j].mean()).abs() / glyph_width) for i, j in pairs]
    return [error for error in errors if error == error]


def pointing_hits(words: Sequence[str], weights: Tensor, boxes: dict[str, Box], size: tuple[int, int]) -> list[bool]:
    """For each word whose box is known: does attention peak within the box?

    The pointing game of Zhang et al. 2016, "Top-down neural attention by excitation backprop", for captions.

    Args:
        words: The caption's words.
        weights: ``(L, h, w)``; the attention that gave each word. Rows past the caption are not used.
        boxes: x0, y0, x1, y1 in pixels, by word.
        size: Height and width of the image in pixels, which the h rows and w columns divide evenly.

    Raises:
        ValueError: If ``weights`` has another number of dimensions.
    """
    if weights.dim() != 3:
        raise ValueError(f"weights have shape {tuple(weights.shape)}; give (words, rows, columns)")
    rows, columns = weights.shape[1:]
    hits = []
    for word, attention in zip(words, weights.detach().float().cpu()):
        if word in boxes:
            row, column = divmod(int(attention.argmax()), columns)
            x, y = (column + 0.5) * size[1] / columns, (row + 0.5) * size[0] / rows
            x0, y0, x1, y1 = boxes[word]
            hits.append(x0 <= x <= x1 and y0 <= y <= y1)
    return hits


def bleu(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> tuple[float, ...]:
    """BLEU-1 to BLEU-4 of a corpus, by torchmetrics (Papineni et al. 2002), without smoothing.

    Args:
        predictions: For each image the words of its caption.
        references: For each image its reference captions, words parted by spaces.

    Returns:
        Four numbers from 0 to 1.

    Raises:
        ValueError: If there is no image, or another number of predictions.
    """
    require("torchmetrics", purpose="scoring captions")

    from torchmetrics.functional.text import bleu_score

    _check_counts(predictions, references)
    captions = [" ".join(words) for words in predictions]
    if not any(captions):  # torchmetrics would divide by the length 0
        return (0.0,) * 4
    given = [sorted(captions, key=lambda c: len(c.split())) for captions in references]  # of two as near, the shorter
    return tuple(float(bleu_score(captions, given, n_gram=n)) for n in range(1, 5))
