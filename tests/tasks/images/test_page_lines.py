"""The lines of a photographed page: where they are cut out, and that each is scored once."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from memnets.base.model import Model
from memnets.training.lengths import evaluate
from memnets_tasks import PageLines, TextLines
from memnets_tasks.images.page_lines import LINES, PageLine, unbend
from memnets_tasks.images.page_segments import cut_lines, find_lines

skimage_data = pytest.importorskip("skimage.data")


def test_the_lines_of_the_page_each_once():
    task = PageLines()
    (batch,) = task.batches(10)
    assert len(task) == len(batch.texts) == 7
    assert batch.texts[1] == "Let us first determine markers of the coins and the"
    assert task.evaluation_lengths == tuple(sorted({len(text) for text in batch.texts}))
    assert batch.images.shape == (7, 1, 32, int(batch.widths.max()))
    for image, width in zip(batch.images[:, 0], batch.widths):
        ink = 1 - image[:, :width]
        dark = ink > ink.median(0).values.median() + 0.15  # strokes, on paper that is darker at one side
        rows = dark.float().mean(1)
        assert rows[12:22].mean() > 2 * rows[[0, 1, 30, 31]].mean()  # the line's own, and little of its neighbours


def test_a_line_is_cut_out_along_its_bend():
    rows, columns = np.mgrid[0:60, 0:200]
    line = PageLine("a", 20, 180, (10.0, 16.0, 12.0), 16.0)
    top = np.interp(np.arange(320) / 2 + 20.25, [20, 100, 180], line.tops)
    expected = top + 0.25 + np.arange(32)[:, None] / 2  # of 32 rows each is half one of the page's
    found = unbend((4 * rows).astype(np.uint8), line, 32) / 4
    assert found.shape == (32, 320)
    np.testing.assert_allclose(found[:, 2:-2], (expected - 0.5)[:, 2:-2], atol=0.4)
    across = unbend(columns.astype(np.uint8), line, 32)[:, 2:-2]
    np.testing.assert_allclose(across, np.broadcast_to(np.arange(320) / 2 + 19.75, (32, 320))[:, 2:-2], atol=1.0)


def test_the_page_is_an_evaluation_where_the_charset_has_its_characters(monkeypatch):
    assert isinstance(TextLines(words="mixed").splits().unseen["photographed page"], PageLines)
    assert "photographed page" not in TextLines(words="generated", charset="abcdefghijklmnopqrstuvwxyz").splits().unseen
    assert "photographed page" not in TextLines(words="mixed", split="test").splits().unseen
    task, find = TextLines(words="mixed"), importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "skimage" else find(name))
    assert "photographed page" not in task.splits().unseen


def test_a_test_set_is_scored_whole_where_it_is_small():
    read = []

    class Reader(Model):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)

        def training_outputs(self, batch):
            raise NotImplementedError

        def predict(self, batch):
            read.extend(batch.texts)
            return [SimpleNamespace(text=text[1:], weights=None) for text in batch.texts]

    scores = evaluate(Reader(), PageLines(), sequences=7, batch_size=3)
    assert read == [line.text for line in LINES]
    assert scores["character_error_rate"] == pytest.approx(7 / sum(len(line.text) for line in LINES))
    read.clear()
    evaluate(Reader(), PageLines(), sequences=6)
    assert len(read) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"height": 7}, "height is 7"), ({"charset": "abc"}, "charset lacks .*which the page has")],
)
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PageLines(**arguments)


def test_the_lines_of_the_page_are_found_in_it():
    """Seven, and the rest of one that is cut off at the foot; each within a few rows of where it was measured."""
    page = np.asarray(skimage_data.page())
    boxes = find_lines(page)
    for line in LINES:
        near = [box for box in boxes if abs((box.top + box.bottom) / 2 - (np.mean(line.tops) + line.rows / 2)) < 6]
        assert any(abs(box.left - line.left) < 12 and abs(box.right - line.right) < 12 for box in near), line.text
    assert len(boxes) <= 9
    assert find_lines(255 - page) == boxes
    assert find_lines(np.full((80, 90), 200, np.uint8)) == []


def test_a_bent_line_is_cut_out_level():
    """Bent by 12 rows, as paper is that bulges; the line below it hangs into its box and not into its image."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(22)
    flat = Image.new("L", (390, 140), 230)
    for n, text in enumerate(("one of the lines upon a level page", "and another line that is below it")):
        ImageDraw.Draw(flat).text((20, 30 + 42 * n), text, font=font, fill=20)
    flat = np.asarray(flat)
    columns = np.arange(390)
    drop = np.round(12 * ((columns - 195) / 195) ** 2).astype(int)
    bent = flat[(np.arange(140)[:, None] - drop).clip(0), columns]
    level, found = cut_lines(flat), cut_lines(bent)
    assert len(level) == len(found) == 2
    for straight, line in zip(level, found):
        assert line.box.bottom - line.box.top > straight.box.bottom - straight.box.top + 4
        assert abs(len(line.image) - len(straight.image)) <= 2
        height, width = (min(line.image.shape[n], straight.image.shape[n]) for n in (0, 1))
        middle = line.image[2 : height - 2, 2 : width - 2].astype(float)
        near = [
            straight.image[2 + y : height - 2 + y, 2 + x : width - 2 + x] for y in (-1, 0, 1) for x in (-1, 0, 1)
        ]  # the image of the level line, give or take a pixel
        assert min(np.abs(middle - other).mean() for other in near) < 12
