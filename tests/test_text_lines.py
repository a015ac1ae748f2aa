"""Drawn lines of text: what is drawn, where its characters are, which fonts and words there are."""

import copy
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memnets_tasks.images import CHINESE_WORDS, TextLines, fonts, warp, words
from memnets_tasks.images.glyphs import GlyphCache, stack_lines

PLAIN = {"distortion": 0.0, "blur": 0.0, "noise": 0.0, "backgrounds": False}
MATPLOTLIB = Path(fonts.find_fonts(None, "a")[0].path).parent


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def task():
    return TextLines()


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """A font with a rectangle of its own for each Chinese character of the examples, and for "a", "b"."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    characters = sorted({*"".join(CHINESE_WORDS), "a", "b"})
    names = [".notdef", *(f"box{n}" for n in range(len(characters)))]
    glyphs = {}
    for n, name in enumerate(names):
        pen = TTGlyphPen(None)
        corners = [(100, 0), (100, 300 + 4 * n), (900, 300 + 4 * n), (900, 0)]
        pen.moveTo(corners[0])
        for corner in corners[1:]:
            pen.lineTo(corner)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): name for c, name in zip(characters, names[1:])})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path = tmp_path_factory.mktemp("fonts") / "squares.ttf"
    builder.save(path)
    return str(path)


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


def project(matrix: np.ndarray, x: float, y: float) -> tuple[float, float]:
    a, b, c = (sum(matrix[i, k] * (x, y, 1.0)[k] for k in range(3)) for i in range(3))
    return a / c, b / c


def make_bend(slant: float, tilt: float, taper: float, stretch: tuple[float, float]) -> warp.Bend:
    """Of one line."""
    one = [torch.tensor([value], dtype=torch.float64) for value in (slant, tilt, taper)]
    return warp.Bend(*one, stretch=torch.tensor([stretch], dtype=torch.float64))


class TestWarp:
    @settings(max_examples=20, deadline=None)
    @given(
        st.floats(5, 600),
        st.floats(5, 40),
        st.floats(-0.4, 0.4),
        st.floats(-4, 4),
        st.floats(-0.3, 0.3),
        st.floats(0, 1),
        st.tuples(st.floats(0.5, 2), st.floats(0.5, 2)),
    )
    def test_the_line_fits_whatever_the_bend(self, width, height, slant, tilt, taper, place, stretch):
        bend = make_bend(slant, tilt, taper, stretch)
        sizes, margins = torch.tensor([[width, height]]), torch.tensor([[3.0, 5.0]])
        matrices, widths = warp.bend_matrices(sizes, bend, height=32, margins=margins, place=torch.tensor([place]))
        corners = [project(matrices[0].numpy(), x, y) for x in (0, width) for y in (0, height)]
        xs, ys = zip(*corners)
        assert min(xs) == pytest.approx(3, abs=1e-4)
        assert widths[0] - 1 < max(xs) + 5 <= widths[0] + 1e-4
        assert min(ys) > 1 - 1e-4
        assert max(ys) < 31 + 1e-4

    def test_boxes_by_hand(self):
        rng = np.random.default_rng(0)
        matrices = np.eye(3) + rng.normal(size=(2, 3, 3)) * [[0.1], [0.1], [0.001]]
        boxes = np.sort(rng.uniform(0, 30, (2, 5, 2, 2)), axis=2).reshape(2, 5, 4)
        mapped = warp.map_boxes(torch.tensor(boxes), torch.tensor(matrices)).numpy()
        for b in range(2):
            for i, (x0, y0, x1, y1) in enumerate(boxes[b]):
                points = [project(matrices[b], x, y) for x in (x0, x1) for y in (y0, y1)]
                xs, ys = zip(*points)
                np.testing.assert_allclose(mapped[b, i], [min(xs), min(ys), max(xs), max(ys)], rtol=1e-9)

    def test_images_move_as_points_do(self):
        """The image is looked up through the inverse; a dot must still land where the map itself sends it."""
        bend = make_bend(0.15, 2.0, 0.1, (0.9, 0.8))
        sizes = torch.tensor([[60.0, 20.0]])
        matrices, widths = warp.bend_matrices(
            sizes, bend, height=32, margins=torch.full((1, 2), 4.0), place=torch.tensor([0.5])
        )
        for x, y in ((5, 5), (30, 10), (55, 14)):
            ink = torch.zeros(1, 1, 20, 60)
            ink[0, 0, y - 1 : y + 1, x - 1 : x + 1] = 1  # around the corner (x, y) of four pixels
            image = warp.bend_images(ink, matrices, 32, int(widths))[0, 0].double().numpy()
            rows, columns = np.mgrid[:32, : int(widths)] + 0.5
            found = (columns * image).sum() / image.sum(), (rows * image).sum() / image.sum()
            np.testing.assert_allclose(found, project(matrices[0].numpy(), x, y), atol=0.1)

    def test_blur_by_loops(self):
        images = torch.rand(2, 2, 7, 9, generator=seeded(), dtype=torch.float64)
        sigmas = torch.tensor([0.0, 0.8], dtype=torch.float64)
        blurred = warp.blur(images, sigmas).numpy()
        np.testing.assert_allclose(blurred[0], images[0].numpy())
        taps = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.8**2))
        taps /= taps.sum()
        padded = np.pad(images[1].numpy(), ((0, 0), (2, 2), (2, 2)))
        expected = sum(taps[i] * taps[j] * padded[:, i : i + 7, j : j + 9] for i in range(5) for j in range(5))
        np.testing.assert_allclose(blurred[1], expected, atol=1e-12)


class TestGlyphs:
    def test_a_line_is_what_pillow_draws(self):
        """Character by character at whole pixels, so that the pens agree."""
        from PIL import Image, ImageDraw, ImageFont

        path = str(MATPLOTLIB / "DejaVuSansMono.ttf")
        font = ImageFont.truetype(path, 20, layout_engine=ImageFont.Layout.BASIC)
        spacing = round(font.getlength("a")) - font.getlength("a") + 1
        line = GlyphCache().line(path, 20, "Hag_", spacing)
        image = Image.new("L", (100, 60))
        for n, character in enumerate("Hag_"):
            x = n * (round(font.getlength("a")) + 1)
            ImageDraw.Draw(image).text((x + 10, 40), character, fill=255, font=font, anchor="ls")
        drawn = np.asarray(image)
        columns = np.flatnonzero(drawn.any(axis=0))
        drawn = drawn[40 - 15 :, columns[0] : columns[-1] + 1]
        height = line.ink.shape[0]
        np.testing.assert_array_equal(line.ink, drawn[:height])
        assert not drawn[height:].any()

    def test_boxes_touch_the_ink(self):
        line = GlyphCache().line(str(MATPLOTLIB / "DejaVuSerif.ttf"), 22, "aB,", 4.0)
        for x0, y0, x1, y1 in line.boxes.astype(int):
            ink = line.ink[y0:y1, x0:x1]
            assert ink[0].any()
            assert ink[-1].any()
            assert ink[:, 0].any()
            assert ink[:, -1].any()

    def test_stacking(self):
        cache = GlyphCache()
        lines = [cache.line(str(MATPLOTLIB / "DejaVuSans.ttf"), 20, text, 0.0) for text in ("abc", "W")]
        ink, boxes, sizes = stack_lines(lines)
        assert ink.shape[0] == 2
        assert sizes.tolist() == [list(line.ink.shape[::-1]) for line in lines]
        assert np.isnan(boxes[1, 1:]).all()
        np.testing.assert_array_equal(ink[1, 0, : lines[1].ink.shape[0], : lines[1].ink.shape[1]], lines[1].ink)
        assert not ink[1, 0, :, lines[1].ink.shape[1] :].any()


class TestFonts:
    def test_one_family_is_held_out(self):
        every = fonts.find_fonts(None, fonts.PRINTABLE)
        train = fonts.split_fonts(every, fonts.DEFAULT_HELD_OUT, "train")
        held_out = fonts.split_fonts(every, fonts.DEFAULT_HELD_OUT, "held-out")
        computer_modern = {"cmr10", "cmb10", "cmss10", "cmti10", "cmtt10"}
        assert {font.family for font in train} == {"DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif", *computer_modern}
        assert {font.family for font in train if font.lacks} == computer_modern
        assert {font.family for font in held_out} == {"STIXGeneral"}
        assert len(train) + len(held_out) == len(every) == 21
        assert TextLines(font_split="held-out")._fonts == held_out
        assert TextLines()._fonts == train

    @pytest.mark.parametrize(
        ("name", "missing"), [("cmr10.ttf", '"<>\\_{|}'), ("LastResortHE-Regular.ttf", "a"), ("STIXNonUni.ttf", "a")]
    )
    def test_a_font_that_draws_something_else_lacks_the_character(self, name, missing):
        """cmr10 says it has "<", and draws an inverted exclamation mark: the label would be wrong."""
        assert set(missing) <= set(fonts.lacking(str(MATPLOTLIB / name), fonts.PRINTABLE))

    def test_a_line_is_drawn_with_a_font_that_has_all_of_it(self, monkeypatch):
        task, drawn = TextLines(charset="abcd<$"), []
        draw = task._glyphs.line
        monkeypatch.setattr(
            task._glyphs,
            "line",
            lambda path, *words, **more: drawn.append((path, words[1])) or draw(path, *words, **more),
        )
        task.sample(300, torch.arange(300) % 3 + 1, seeded())
        partial = [(Path(path).name, text) for path, text in drawn if Path(path).name.startswith("cm")]
        assert {name for name, _ in partial} == {"cmr10.ttf", "cmb10.ttf", "cmss10.ttf", "cmti10.ttf", "cmtt10.ttf"}
        assert not [text for name, text in partial if "<" in text and name != "cmtt10.ttf"]
        assert not [text for name, text in partial if "$" in text and name == "cmti10.ttf"]
        assert [text for name, text in partial if "$" in text]

    def test_a_font_that_has_few_of_the_characters_is_left_out(self):
        assert "cmr10" not in {font.family for font in fonts.find_fonts(None, "<>\\a")}
        with pytest.raises(
            ValueError, match=r"no font of held_out_family 'cmr10' .* \(cmr10.ttf lacks .*<.*\); hold out"
        ):
            TextLines(held_out_family="cmr10", font_split="held-out")
        assert TextLines(held_out_family="cmr10", charset="abc", font_split="held-out").charset == "abc"

    def test_a_file_that_lacks_a_character_is_refused(self):
        with pytest.raises(ValueError, match=r"font cmr10.ttf has no glyph of its own for <>; give another font"):
            TextLines(charset="a<>", fonts=[str(MATPLOTLIB / "cmr10.ttf")])

    def test_in_a_folder_it_is_passed_over(self):
        names = {Path(font.path).name for font in fonts.find_fonts([MATPLOTLIB], fonts.PRINTABLE)}
        assert {"DejaVuSans.ttf", "STIXGeneral.ttf"} <= names
        assert not names & {"cmr10.ttf", "cmsy10.ttf", "LastResortHE-Regular.ttf", "STIXNonUni.ttf"}

    def test_what_is_no_font(self, tmp_path):
        (tmp_path / "no.ttf").write_bytes(b"not a font at all")
        with pytest.raises(ValueError, match=r"no.ttf is not a font that can be read"):
            TextLines(fonts=[str(tmp_path / "no.ttf")])
        with pytest.raises(ValueError, match=r"no font in \[.*\] has every character of the charset"):
            TextLines(fonts=[str(tmp_path)])
        with pytest.raises(ValueError, match="which is not there; give font files, or folders"):
            TextLines(fonts=[str(tmp_path / "missing.ttf")])
        with pytest.raises(ValueError, match="give a list of files and folders"):
            TextLines(fonts=str(tmp_path))  # type: ignore[arg-type]

    def test_no_family_is_left(self):
        with pytest.raises(
            ValueError, match=r"no font is left for font_split 'held-out' .* families are \['DejaVu Sans'\]"
        ):
            TextLines(fonts=[str(MATPLOTLIB / "DejaVuSans.ttf")], font_split="held-out")
        with pytest.raises(ValueError, match=r"held_out_family is 'Stix'; give one of \['DejaVu Sans', .*\], or None"):
            TextLines(held_out_family="Stix")  # else nothing would be held out, in silence
        with pytest.raises(ValueError, match="font_split is 'test'; give 'train' or 'held-out'"):
            TextLines(font_split="test")  # type: ignore[arg-type]

    def test_chinese(self, squares):
        task = TextLines(words=list(CHINESE_WORDS), separator="", fonts=[squares], min_length=2, max_length=8)
        assert CHINESE_WORDS[0] == "注意力机制"
        assert set(task.charset) == set("".join(CHINESE_WORDS))
        batch = task.sample(16, 6, seeded())
        assert all(len(text) == 6 and set(text) <= set(task.charset) for text in batch.texts)
        assert (batch.boxes[..., 1] - batch.boxes[..., 0]).isfinite().all()

    def test_characters_without_a_font(self, monkeypatch):
        monkeypatch.setattr(fonts, "_SYSTEM_FOLDERS", ())
        with pytest.raises(
            ValueError, match=r"no font among matplotlib's and the system's fonts .* fonts-wqy-microhei"
        ):
            TextLines(charset="注意力")

    def test_fonts_of_the_system_are_the_next_choice(self, squares, monkeypatch):
        monkeypatch.setattr(fonts, "_SYSTEM_FOLDERS", (str(Path(squares).parent),))
        assert [font.family for font in fonts.find_fonts(None, "注意力")] == ["Squares"]
        assert "Squares" not in {font.family for font in fonts.find_fonts(None, "ab")}

    @pytest.mark.parametrize(
        ("charset", "message"),
        [
            ("", "charset is empty"),
            (" ", "give characters other than the space"),
            ("aba", "charset holds 'a' more than once"),
            ("a\u030a", "not in Unicode normal form C"),
            ("x\u0300", r"charset holds U\+0300: control characters, marks"),
            ("a\t", r"charset holds U\+0009"),
            ("אב", "scripts written from the right"),
        ],
    )
    def test_charsets_that_cannot_be_drawn(self, charset, message):
        with pytest.raises(ValueError, match=message):
            TextLines(charset=charset)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 4}, "height is 4; give a whole number of at least 8"),
        ({"blur": -1.0}, "blur is -1.0; give a number of at least 0"),
        ({"noise": math.nan}, "noise is nan; give a number of at least 0"),
        ({"distortion": "much"}, "distortion is 'much'"),
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
