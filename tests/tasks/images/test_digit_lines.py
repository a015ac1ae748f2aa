"""Lines of handwritten digits, taken apart again and held against scikit-learn's images."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memnets_tasks import DigitLines
from memnets_tasks.images.digit_lines import SPLITS
from memnets_tasks.images.distort import INK


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def enlarged():
    """All digits, 14 x 14, bilinear by NumPy in float64: pixel i looks at (i + 0.5) 8 / 14 - 0.5, edges repeated."""
    from sklearn.datasets import load_digits

    pixels, values = load_digits(return_X_y=True)
    images = pixels.reshape(-1, 8, 8) / 16
    weights = np.zeros((14, 8))
    for i in range(14):
        place = (i + 0.5) * 8 / 14 - 0.5
        low = math.floor(place)
        for source, share in ((low, 1 - (place - low)), (low + 1, place - low)):
            weights[i, min(max(source, 0), 7)] += share
    return np.einsum("iy,jx,nyx->nij", weights, weights, images), values


def cut(image: np.ndarray) -> np.ndarray:
    """From the first column with ink to the last."""
    (columns,) = np.nonzero((image > INK).any(axis=0))
    return image[:, columns[0] : columns[-1] + 1]


@pytest.mark.parametrize(
    ("split", "first", "last"), [("train", 0, 1287), ("validation", 1287, 1437), ("test", 1437, 1797)]
)
def test_every_digit_is_one_of_its_split(enlarged, split, first, last):
    images, values = enlarged
    batch = DigitLines(split=split).sample(12, 7, seeded())
    for line, text, boxes, width in zip(batch.images.double(), batch.texts, batch.boxes, batch.widths):
        assert len(text) == 7
        pixels = line[0].numpy()
        assert not pixels[:, int(width) :].any()
        shown = np.zeros(pixels.shape[1], bool)
        for character, (left, right) in zip(text, boxes.int().tolist()):
            shown[left:right] = True
            candidates = [
                image for image, value in zip(images[first:last], values[first:last]) if value == int(character)
            ]
            crops = [pixels[row : row + 14, left:right] for row in range(3)]
            assert any(
                cut(image).shape == crop.shape and np.abs(cut(image) - crop).max() < 1e-5
                for image in candidates
                for crop in crops
            )
        assert not pixels[:, ~shown].any()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(-2, 3), st.integers(0, 3), st.integers(0, 99))
def test_shapes(lengths, min_spacing, more, seed):
    task = DigitLines(height=20, jitter=2, min_spacing=min_spacing, max_spacing=max(0, min_spacing) + more, noise=0.1)
    batch = task.sample(len(lengths), torch.tensor(lengths), seeded(seed))
    assert [len(text) for text in batch.texts] == lengths
    assert batch.images.shape == (len(lengths), 1, 20, int(batch.widths.max()))
    assert batch.images.min() >= 0
    assert batch.images.max() <= 1
    assert batch.boxes.shape == (len(lengths), max(lengths), 2)
    for b, n in enumerate(lengths):
        assert not batch.images[b, ..., int(batch.widths[b]) :].any()
        left, right = batch.boxes[b, :n].unbind(1)
        assert batch.boxes[b, n:].isnan().all()
        assert (right > left).all()
        assert left[0] >= 0
        assert right.max() <= batch.widths[b]
        gaps = left[1:] - right[:-1]
        assert (gaps >= min_spacing).all()
        assert (gaps <= task.max_spacing).all()


def test_a_function_of_the_generator_alone():
    task, random = DigitLines(noise=0.1), seeded(3)
    first, second = task.sample(4, 5, random), task.sample(4, 5, random)
    again = DigitLines(noise=0.1).sample(4, 5, seeded(3))
    assert torch.equal(first.images, again.images)
    assert first.texts == again.texts != second.texts


def test_training_holds_whole_writers():
    """Each filled in a form that begins 0 to 9, three times: training ends where the eleventh of them begins."""
    from sklearn.datasets import load_digits

    first, end = SPLITS["train"]
    values = "".join(map(str, load_digits(return_X_y=True)[1]))
    assert first == 0
    assert values[end:].startswith("0123456789" * 3 + "0955650989")
    assert SPLITS["validation"] == (end, SPLITS["test"][0])
    assert SPLITS["test"][1] == len(values)


@pytest.mark.parametrize("distortion", [0.0, 1.0])
@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_a_line_is_read_in_its_order(distortion, lengths, seed):
    """The image is the same; characters and boxes are in the order of reading, the boxes NaN past a text."""
    drawn = {
        order: DigitLines(order=order, distortion=distortion).sample(len(lengths), torch.tensor(lengths), seeded(seed))
        for order in ("forward", "backward", "twice")
    }
    for b, n in enumerate(lengths):
        text, boxes = drawn["forward"].texts[b], drawn["forward"].boxes[b, :n].tolist()
        assert drawn["backward"].texts[b] == text[::-1]
        assert drawn["backward"].boxes[b, :n].tolist() == boxes[::-1]
        assert drawn["backward"].boxes[b, n:].isnan().all()
        assert drawn["twice"].texts[b] == text + text
        assert drawn["twice"].boxes[b, : 2 * n].tolist() == boxes + boxes
        assert drawn["twice"].boxes[b, 2 * n :].isnan().all()
    for batch in drawn.values():
        assert torch.equal(batch.images, drawn["forward"].images)
        assert batch.boxes.shape[1] == max(map(len, batch.texts))


def test_lengths_and_digits():
    task = DigitLines()
    assert (task.min_length, task.max_length, task.evaluation_lengths) == (1, 12, (6, 12, 18, 24, 36))
    assert (task.charset, task.threshold, task.length_unit) == ("0123456789", 0.02, "digits")
    text = "".join(task.sample(200, 10, seeded()).texts)
    assert all(120 < text.count(digit) < 290 for digit in task.charset)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 9}, "height is 9; give a whole number of at least 10"),
        ({"jitter": -1}, "jitter is -1"),
        ({"min_spacing": -3}, "min_spacing is -3; give a whole number of at least -2"),
        ({"min_spacing": 2, "max_spacing": 1}, "max_spacing is 1, below min_spacing 2"),
        ({"noise": math.inf}, "noise is inf; give a number of at least 0"),
        ({"split": "held-out"}, "split is 'held-out'; give one of 'train', 'validation', 'test', 'train.validation'"),
        ({"order": "upwards"}, "order is 'upwards'; give one of 'forward', 'backward', 'twice'"),
        ({"max_length": 0}, "max_length is 0, below min_length 1"),
    ],
)
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DigitLines(**arguments)


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'DigitLines needs .*sklearn.*"memnets\[images\]"'):
        DigitLines(height=31)
