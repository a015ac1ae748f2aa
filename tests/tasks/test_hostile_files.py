"""Folders and files of strangers, of the tasks that are no images of lines: a clear error, and nothing of elsewhere."""

import io
import struct
import zlib

import pytest
from PIL import Image

from memnets_tasks import BAbI, LabelledCSV, OmniglotEpisodes


def drawing():
    file = io.BytesIO()
    Image.new("1", (5, 5)).save(file, "PNG")
    return file.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def claiming(width, height, *chunks):
    """A PNG of that size, as it says."""
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)) + b"".join(chunks)
    )


DRAWINGS = {
    "lies outside its folder": None,
    "image too large": claiming(60_000, 60_000, chunk(b"IDAT", b"")),
    "1100 x 1000 pixels": claiming(1100, 1000, chunk(b"IDAT", zlib.compress(bytes(1000 * 139)))),
    "Decompressed data too large": claiming(
        5, 5, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(8 << 20))), chunk(b"IDAT", b"")
    ),
    "none of PNG": b"%!PS-Adobe-3.0 EPSF-3.0",
}


@pytest.mark.parametrize("reason", DRAWINGS)
def test_a_drawing_that_is_none_or_leads_out(reason, tmp_path):
    for split in ("images_evaluation", "images_background"):
        for name in ("c0/0.png", "c0/1.png", "c1/0.png", "c1/1.png"):
            path = tmp_path / "set" / split / "Alphabet" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(drawing())
    path.unlink()
    (tmp_path / "out.png").write_bytes(drawing())
    path.symlink_to(tmp_path / "out.png")
    if DRAWINGS[reason] is not None:
        path.unlink()
        path.write_bytes(DRAWINGS[reason])
    with pytest.raises(ValueError, match=reason) as error:
        OmniglotEpisodes(str(tmp_path / "set"), ways=2, min_length=1, max_length=1, evaluation_lengths=(1,))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_stories_that_lead_out_or_count_without_end(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "out.txt").write_text("1 a b.\n2 where?\tx\t1\n")
    path = tmp_path / "set" / "qa1_x_train.txt"
    path.symlink_to(tmp_path / "out.txt")
    with pytest.raises(ValueError, match="lies outside its folder"):
        BAbI(str(tmp_path / "set"))
    path.unlink()
    for line in ("9" * 5000 + " where?\tx\t1\n", "1 a b.\n2 where?\tx\t" + "9" * 5000 + "\n"):
        path.write_text(line)
        with pytest.raises(ValueError, match=r"qa1_x_train\.txt:\d: it") as error:
            BAbI(str(tmp_path / "set"))
        assert len(str(error.value)) < 500


def test_names_of_columns_are_cut_and_steer_no_terminal(tmp_path):
    (tmp_path / "a.csv").write_text("\x1b[2J," + "x" * 100_000 + "\n1,2\n")
    with pytest.raises(ValueError, match=r"no column 'text', but \\x1b\[2J, xxx") as error:
        LabelledCSV(str(tmp_path / "a.csv"))
    assert len(str(error.value)) < 500
