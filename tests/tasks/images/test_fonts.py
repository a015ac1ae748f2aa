"""Fonts and their glyphs: which fonts draw what, which are held out, and lines put together from glyphs."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from font_cases import square_font
from memnets_tasks.images import CHINESE_WORDS, TextLines, font_files, fonts
from memnets_tasks.images.glyphs import GlyphCache, stack_lines

MATPLOTLIB = Path(fonts.find_fonts(None, "a")[0].path).parent


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def table(data: bytearray, tag: bytes) -> tuple[int, int]:
    """Where a table of a font starts, and its size."""
    return struct.unpack_from(">LL", data, data.index(tag) + 8)


def put(data: bytearray, at: int, kind: str, value: int) -> None:
    struct.pack_into(kind, data, at, value)


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return square_font(tmp_path_factory.mktemp("fonts") / "squares.ttf")


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
        for split in ("train", "held-out"):  # in training, as the run would else fail when it is evaluated
            with pytest.raises(ValueError, match=r"'cmr10'; give one with every character .*'STIXGeneral'\]"):
                TextLines(held_out_family="cmr10", font_split=split)
        with pytest.raises(ValueError, match=r"no font is left for font_split 'train' .*\['STIXGeneral'\].*, or None"):
            TextLines(charset="ab\u2a3f")  # which STIX alone has
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

    def damaged(self, squares, tmp_path, change) -> str:
        """The font of rectangles with other bytes."""
        data = bytearray(Path(squares).read_bytes())
        change(data)
        path = tmp_path / "damaged.ttf"
        path.write_bytes(data)
        return str(path)

    def test_a_font_that_cannot_be_drawn_is_refused_when_the_task_is_made(self, squares, tmp_path):
        """A letter's outline says that it has more points than the file has bytes."""

        def cut_outlines(data: bytearray) -> None:
            start, size = table(data, b"glyf")
            data[start : start + size] = b"\0\x7f" * (size // 2)

        path = self.damaged(squares, tmp_path, cut_outlines)
        with pytest.raises(ValueError, match=r"damaged.ttf is damaged: it cannot draw '.' \(.*\); give another font"):
            TextLines(fonts=[path], charset="ab")
        with pytest.raises(ValueError, match=r"no font in"):  # of a folder the sound ones are taken
            TextLines(fonts=[str(tmp_path)], charset="ab")

    def test_letters_of_absurd_size_are_refused_before_they_are_drawn(self, squares, tmp_path):
        path = self.damaged(squares, tmp_path, lambda data: put(data, table(data, b"head")[0] + 18, ">H", 16))
        with pytest.raises(ValueError, match=r"damaged.ttf is damaged: .* larger than 20 ems"):
            TextLines(fonts=[path], charset="ab")

    @pytest.mark.parametrize("tag", [b"cmap", b"head", b"loca"])
    def test_damaged_tables_are_one_clear_error(self, squares, tmp_path, tag):
        def fill(data: bytearray) -> None:
            start, size = table(data, tag)
            data[start : start + size] = b"\xff" * size

        path = self.damaged(squares, tmp_path, fill)
        with pytest.raises(ValueError, match=r"damaged.ttf is (damaged|not a font)") as caught:
            TextLines(fonts=[path], charset="ab", held_out_family=None)
        assert "\n" not in str(caught.value)

    def test_a_character_map_that_claims_all_there_are(self):
        """Its reader would write out each of four thousand million."""
        head = struct.pack(">HHHHL", 0, 1, 3, 10, 12)
        groups = struct.pack(">HHLLL", 12, 0, 40, 0, 2)
        fine = struct.pack(">LLLLLL", 65, 90, 1, 0x4E00, 0x9FFF, 30)
        font_files.check_character_map(head + groups + fine)
        with pytest.raises(ValueError, match="it claims 4294967297 characters"):
            font_files.check_character_map(head + groups + struct.pack(">LLLLLL", 65, 65, 1, 0, 2**32 - 1, 30))
        with pytest.raises(ValueError, match="it has 65 tables of characters"):
            font_files.check_character_map(struct.pack(">HH", 0, 65) + bytes(65 * 8))
        ends, starts = struct.pack(">40H", *[0xFFFF] * 40), struct.pack(">40H", *[0] * 40)
        segments = struct.pack(">HHHHHHH", 4, 0, 0, 80, 0, 0, 0) + ends + b"\0\0" + starts
        with pytest.raises(ValueError, match=f"it claims {40 * 65536} characters"):
            font_files.check_character_map(head + segments)

    def test_a_packed_font_is_refused_unread(self, squares, tmp_path):
        """A web font may unpack to a thousand times its size."""
        from fontTools.ttLib import TTFont

        font = TTFont(squares)
        font.flavor = "woff"
        font.save(tmp_path / "packed.ttf")
        with pytest.raises(ValueError, match=r"packed.ttf is not a font that can be read \(it does not start as one\)"):
            TextLines(fonts=[str(tmp_path / "packed.ttf")], charset="ab")

    def test_no_family_is_left(self):
        with pytest.raises(
            ValueError, match=r"no font is left for font_split 'held-out' .* families .* are \['DejaVu Sans'\]"
        ):
            TextLines(fonts=[str(MATPLOTLIB / "DejaVuSans.ttf")], font_split="held-out")
        with pytest.raises(
            ValueError, match=r"held_out_family is 'Stix'; give one with .* of \['DejaVu Sans', .*\], or None"
        ):
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

    def test_matplotlibs_and_the_systems_by_name(self, squares, monkeypatch):
        monkeypatch.setattr(fonts, "_SYSTEM_FOLDERS", (str(Path(squares).parent), "/not/there"))
        both = [font.family for font in fonts.find_fonts(["matplotlib", "system"], "a")]
        assert both[-1] == "Squares"
        assert "DejaVu Sans" in both
        assert [font.family for font in fonts.find_fonts(["system"], "a")] == ["Squares"]

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
