"""CIDEr-D: how much a caption says what people say of an image, rare words counting more."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

ORDERS = (1, 2, 3, 4)
SIGMA = 6.0
"""Standard deviation, in words, of the penalty on captions longer or shorter than a reference."""

_Counts = Mapping[tuple[str, ...], int]


def _ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + order]) for i in range(len(words) - order + 1))


def _weighted(counts: _Counts, images_with: _Counts, images: int) -> dict[tuple[str, ...], float]:
    """Counts times inverse document frequency: counts, as in the authors' code, since CIDEr-D clips by them."""
    return {gram: n * math.log(images / max(1, images_with.get(gram, 0))) for gram, n in counts.items()}


def _norm(vector: Mapping[tuple[str, ...], float]) -> float:
    return math.sqrt(sum(value * value for value in vector.values()))


def _similarity(ours: Mapping[tuple[str, ...], float], theirs: Mapping[tuple[str, ...], float]) -> float:
    """Cosine in which no n-gram counts more often than the reference has it."""
    product = sum(min(value, theirs[gram]) * theirs[gram] for gram, value in ours.items() if gram in theirs)
    norms = _norm(ours) * _norm(theirs)
    return product / norms if norms else 0.0


def cider(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> float:
    """CIDEr-D of a corpus: Vedantam et al. 2015, "CIDEr: consensus-based image description evaluation".

    Equations 1 (tf-idf), 2 and 3, with section 6's clipping, Gaussian length penalty (sigma 6) and factor 10.
    An n-gram's document frequency is the number of images with it in a reference, so the value belongs to the
    whole corpus: it is no mean of its parts, and 0 for a single image, where every n-gram is in every image.

    Args:
        predictions: For each image the words of its caption.
        references: For each image its reference captions, words parted by spaces.

    Returns:
        A number from 0 to 10.

    Raises:
        ValueError: If there is no image, another number of predictions, or an image without a reference.
    """
    if not references or len(predictions) != len(references):
        raise ValueError(
            f"there are {len(predictions)} predictions for {len(references)} images; give one for each, at least one"
        )
    wordings = [[caption.split() for caption in captions] for captions in references]
    if not all(wordings):
        raise ValueError(f"image {wordings.index([])} has no reference caption; leave it out or give it one")
    total = sum(_of_order(predictions, wordings, order) for order in ORDERS)
    return 10 * total / (len(ORDERS) * len(references))


def _of_order(predictions: Sequence[Sequence[str]], wordings: list[list[list[str]]], order: int) -> float:
    """Sum over images of the mean similarity to the references, for n-grams of one order."""
    images_with: Counter[tuple[str, ...]] = Counter()
    for captions in wordings:
        images_with.update({gram for words in captions for gram in _ngrams(words, order)})
    total = 0.0
    for prediction, captions in zip(predictions, wordings):
        ours = _weighted(_ngrams(prediction, order), images_with, len(wordings))
        for words in captions:
            theirs = _weighted(_ngrams(words, order), images_with, len(wordings))
            penalty = math.exp(-((len(prediction) - len(words)) ** 2) / (2 * SIGMA**2))
            total += penalty * _similarity(ours, theirs) / len(captions)
    return total
