"""Drawn lines of text: what is drawn, where its characters are, and which words there are."""

import copy
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memnets_tasks.images import TextLines, fonts, words

PLAIN = {"distortion": 0.0, "blur": 0.0, "noise": 0.0, "backgrounds": False}
MATPLOTLIB = Path(fonts.find_fonts(None, "a")[0].path).parent


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def task():
    return TextLines()


class TestBatch:
    @settings(max_examples=8, deadline=None)
    @given(st.lists(st.integers(1, 15), min_size=1, max_size=4), st.integers(0, 1000))
    def test_shapes_and_padding(self, task, lengths, seed):
        batch = task.sample(len(lengths), torch.tensor(lengths), seeded(seed))
        assert [len(text) for text in batch.texts] == lengths
        assert all(set(text) <= set(task.charset) for text in batch.texts)
        assert batch.images.shape == (len(lengths), 1, 32, int(batch.widths.max()))
        assert batch.images.dtype == batch.boxes.dtype == torch.float32
        assert batch.widths.dtype == torch.int64
        assert batch.images.min() >= 0
        assert batch.images.max() <= 1
        assert batch.boxes.shape == (len(lengths), max(lengths), 2)
        for b, n in enumerate(lengths):
            width = int(batch.widths[b])
            assert not batch.images[b, :, :, width:].any()
            assert batch.boxes[b, n:].isnan().all()
            left, right = batch.boxes[b, :n].unbind(1)
            assert (left >= -0.01).all()
            assert (right <= width + 0.01).all()
            assert (right > left).all()
            assert (left.diff() > -4).all(), "characters follow one another; slanted ones may overlap"

    def test_a_function_of_the_generator_alone(self, task):
        random = seeded(5)
        first, second = task.sample(4, 6, random), task.sample(4, 6, random)
        again = TextLines().sample(4, 6, seeded(5))
        assert again.texts == first.texts != second.texts
        assert torch.equal(again.images, first.images)
        assert torch.equal(again.boxes, first.boxes)

    def test_lengths_of_training(self, task):
        lengths = task.sample_lengths(2000, seeded())
        assert sorted(set(lengths.tolist())) == list(range(1, 13))
        assert int(task.sample_lengths(50, seeded(), max_length=3).max()) == 3
        assert min(task.evaluation_lengths) < 12 < max(task.evaluation_lengths)

    def test_every_character_is_drawn_backslash_and_all(self, task):
        assert task.charset == "".join(map(chr, range(33, 127)))
        texts = "".join(task.sample(64, 30, seeded()).texts)
        assert set(texts) == set(task.charset)

    def test_copies_and_pickles_draw_the_same(self, task):
        task.sample(2, 5, seeded())
        for other in (copy.deepcopy(task), pickle.loads(pickle.dumps(task))):
            assert torch.equal(other.sample(3, 4, seeded(1)).images, task.sample(3, 4, seeded(1)).images)
        assert len(pickle.dumps(task)) < 20_000, "glyphs and fonts are not sent along"


def inked_columns(image: torch.Tensor, width: int) -> np.ndarray:
    """Columns of black on white with ink."""
    return ((1 - image[0, :, :width]) > 0.3).any(dim=0).numpy()


class TestBoxes:
    @pytest.mark.parametrize("distortion", [0.0, 1.0, 2.0])
    def test_one_character_fills_its_box(self, distortion):
        """Ink is found where the box says, whatever slant and perspective did; "H" has ink in all four corners."""
        upright = [str(MATPLOTLIB / "DejaVuSans.ttf"), str(MATPLOTLIB / "DejaVuSans-Bold.ttf")]
        task = TextLines(charset="H", fonts=upright, **{**PLAIN, "distortion": distortion})
        batch = task.sample(40, 1, seeded())
        for image, width, (left, right) in zip(batch.images, batch.widths, batch.boxes[:, 0].tolist()):
            (columns,) = np.nonzero(inked_columns(image, int(width)))
            assert abs(columns[0] - left) < 1.6
            assert abs(columns[-1] + 1 - right) < 1.6

    def test_a_line_has_ink_in_its_boxes_and_none_elsewhere(self):
        task = TextLines(**{**PLAIN, "distortion": 1.0})
        batch = task.sample(12, 20, seeded(2))
        for image, width, boxes in zip(batch.images, batch.widths, batch.boxes.numpy()):
            inked = inked_columns(image, int(width))
            covered = np.zeros(len(inked), bool)
            for left, right in boxes:
                covered[max(0, math.floor(left - 1)) : math.ceil(right + 1)] = True
                assert inked[math.floor(left) : math.ceil(right)].any()
            assert not (inked & ~covered).any()

    def test_long_lines_stay_inside_the_image(self):
        task = TextLines(**{**PLAIN, "distortion": 1.5})
        batch = task.sample(8, 36, seeded(3))
        assert (batch.images[:, 0, 0] == 1).logical_or(batch.images[:, 0, 0] == 0).all(), "no ink at the upper edge"
        assert (batch.images[:, 0, -1] == 1).logical_or(batch.images[:, 0, -1] == 0).all()

    def test_a_lone_apostrophe_is_no_comma(self):
        """They differ in height above the baseline alone, which cutting close around the ink would lose."""
        task = TextLines(charset="',", **PLAIN)
        batch = task.sample(30, 1, seeded())
        rows = torch.arange(32.0)
        middle = {"'": [], ",": []}
        for image, width, text in zip(batch.images, batch.widths, batch.texts):
            ink = (1 - image[0, :, : int(width)]).sum(dim=1)
            middle[text].append(float((ink * rows).sum() / ink.sum()))
        assert max(middle["'"]) < min(middle[","])

    def test_a_space_has_the_room_it_takes(self):
        task = TextLines(words=["ab", "cd"], charset="abcd", **PLAIN)
        task._lines = words.WordLines(["ab", "cd"], " ")
        batch = task.sample(3, 5, seeded())
        assert task.charset == "abcd "
        assert {text[2] for text in batch.texts} == {" "}
        for boxes in batch.boxes:
            assert boxes[1, 1] - 2 <= boxes[2, 0] < boxes[2, 1] <= boxes[3, 0] + 3


class TestJoined:
    """Two lines side by side, each in a font and on a paper of its own."""

    def test_ink_is_in_its_boxes_and_none_elsewhere(self):
        """Lengths are those asked for; what stands between two lines is a space, of the room between their inks."""
        task = TextLines(words="generated", joined=1.0, **PLAIN)
        batch = task.sample(12, 12, seeded(2))
        whole = TextLines(words="generated", **PLAIN).sample(12, 12, seeded(2))
        assert batch.texts != whole.texts
        assert batch.boxes.shape == (12, max(map(len, batch.texts)), 2)
        for image, width, text, boxes in zip(batch.images, batch.widths, batch.texts, batch.boxes.numpy()):
            assert 9 <= len(text) <= 12
            inked = inked_columns(image, int(width))
            covered = np.zeros(len(inked), bool)
            for character, (left, right) in zip(text, boxes[: len(text)]):
                covered[max(0, math.floor(left - 1)) : math.ceil(right + 1)] = True
                assert left < right
                assert character == " " or inked[math.floor(left) : math.ceil(right)].any()
            assert not (inked & ~covered).any()
            assert np.isnan(boxes[len(text) :]).all()

    def test_papers_differ(self):
        """The upper left and the upper right corner are of one grey where a line is of one piece."""
        plain = {**PLAIN, "backgrounds": True}
        spread = []
        for joined in (0.0, 0.5, 1.0):
            batch = TextLines(words="generated", joined=joined, **plain).sample(60, 8, seeded(3))
            corners = [
                float(abs(image[0, 0, 0] - image[0, 0, width - 1])) for image, width in zip(batch.images, batch.widths)
            ]
            spread.append(np.mean(np.array(corners) > 0.3))
        assert spread[0] == 0
        assert 0.1 < spread[1] < spread[2]

    def test_training_alone(self):
        """What is held out is of one piece."""
        splits = TextLines(words="generated", joined=1.0).splits()
        assert [
            task.joined
            for task in (splits.validation, splits.test, *splits.unseen.values())
            if isinstance(task, TextLines)
        ] == [0.0] * 4

    def test_too_short_to_be_two(self):
        assert len(TextLines(joined=1.0).sample(5, 1, seeded()).texts[0]) == 1

    def test_random_strings_have_no_space(self):
        batch = TextLines(joined=1.0).sample(5, 9, seeded())
        assert [len(text) for text in batch.texts] == [9] * 5
        assert " " not in "".join(batch.texts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 4}, "height is 4; give a whole number of at least 8"),
        ({"blur": -1.0}, "blur is -1.0; give a number of at least 0"),
        ({"noise": math.nan}, "noise is nan; give a number of at least 0"),
        ({"distortion": "much"}, "distortion is 'much'"),
        ({"joined": 1.5}, "joined is 1.5, but must lie within 0..1"),
        ({"split": "val"}, "split is 'val'; give one of 'train', 'validation', 'test'"),
        ({"min_length": 5, "max_length": 4}, "max_length is 4, below min_length 5"),
        ({"evaluation_lengths": ()}, "evaluation_lengths is empty"),
    ],
)
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        TextLines(**arguments)


def test_sample_arguments(task):
    with pytest.raises(ValueError, match="batch_size is 0"):
        task.sample(0, 3, seeded())
    with pytest.raises(ValueError, match="length is 0; give at least 1 characters"):
        task.sample(2, 0, seeded())
