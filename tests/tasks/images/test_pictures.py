"""Images from elsewhere: greys, sizes, aspect, and those that cannot be read."""

import io
import struct
import subprocess
import time
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from image_files import png
from memnets_tasks import DigitLines, Scenes, TextLines
from memnets_tasks.images import pictures


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestPictures:
    def test_a_photographed_page_keeps_its_aspect_and_its_greys(self):
        """Downscaled by an exact factor, each pixel is near the mean of those it stands for."""
        data = pytest.importorskip("skimage.data")
        page = data.page()[:160, :360]  # rows of real print
        file = io.BytesIO()
        Image.fromarray(page).save(file, format="PNG")
        line = pictures.grey_line(file.getvalue(), 32, 2048)
        assert line.shape == (32, 72)
        means = page.astype(float).reshape(32, 5, 72, 5).mean(axis=(1, 3))
        assert np.abs(line - means).mean() < 6
        assert np.corrcoef(line.ravel(), means.ravel())[0, 1] > 0.98

    def test_sixteen_bits_are_not_clipped_to_white(self):
        file = io.BytesIO()
        Image.fromarray(np.full((8, 8), 32768, np.uint16)).save(file, format="PNG")
        assert abs(int(pictures.grey_line(file.getvalue(), 8, 99)[0, 0]) - 127) <= 1

    @pytest.mark.parametrize("white", [2**8 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1])
    def test_integers_of_32_bits_are_of_the_range_they_fill(self, white):
        """Taken for 16 bits, those of 8 were black and those of 32 white."""
        greys = np.arange(64).reshape(8, 8) * 4 + 3
        file = io.BytesIO()
        Image.fromarray((greys * white // 255).astype(np.uint32).view(np.int32)).save(file, format="TIFF")
        assert np.abs(pictures.grey_line(file.getvalue(), 8, 99).astype(int) - greys).max() <= 1

    @pytest.mark.parametrize(("format", "kind"), [("PNG", np.uint16), ("PPM", np.int32)])
    def test_a_dark_image_of_16_bits_stays_dark(self, format, kind):
        file = io.BytesIO()
        Image.fromarray(np.full((8, 8), 250, kind)).save(file, format=format)
        assert pictures.grey_line(file.getvalue(), 8, 99).max() == 0

    @pytest.mark.parametrize("bits", [10, 12, 14, 16])
    def test_fewer_bits_in_a_file_of_16_are_stretched(self, bits):
        """Cameras and scanners fill 10 to 14 of them, and such a file would be near black."""
        greys = np.linspace(0, 2**bits - 1, 64).astype(np.uint16).reshape(8, 8)
        file = io.BytesIO()
        Image.fromarray(greys).save(file, format="PNG")
        line = pictures.grey_line(file.getvalue(), 8, 99)
        assert np.abs(line - greys / (2**bits - 1) * 255).max() <= 1

    def test_what_is_transparent_is_paper(self):
        image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
        file = io.BytesIO()
        image.save(file, format="PNG")
        assert pictures.grey_line(file.getvalue(), 8, 99).min() == 255
        file = io.BytesIO()
        Image.new("P", (8, 8), 0).save(file, format="GIF", transparency=0)
        assert pictures.grey_line(file.getvalue(), 8, 99).min() == 255

    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "LA", "I;16"])
    def test_modes(self, mode):
        file = io.BytesIO()
        kind = "TIFF" if mode == "CMYK" else "PNG"
        Image.new("L", (12, 6), 255).convert(mode).save(file, format=kind)
        assert pictures.grey_line(file.getvalue(), 12, 99).shape == (12, 24)
        assert pictures.colour_square(file.getvalue(), 8).shape == (8, 8, 3)

    @pytest.mark.parametrize("white", [1.0, 255.0])
    def test_floating_point_greys_of_either_range(self, white):
        """Pillow's own conversion clips them, and leaves a picture from 0 to 1 black."""
        greys = np.linspace(0, white, 64, dtype=np.float32).reshape(8, 8)
        file = io.BytesIO()
        Image.fromarray(greys).save(file, format="TIFF")
        assert np.abs(pictures.grey_line(file.getvalue(), 8, 99) - greys * (255 / white)).max() <= 0.5
        assert pictures.colour_square(file.getvalue(), 8).max() == 255

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_what_is_no_number_is_no_grey(self, value):
        greys = np.full((8, 8), 0.5, np.float32)
        greys[2, 3] = value
        file = io.BytesIO()
        Image.fromarray(greys).save(file, format="TIFF")
        with pytest.raises(pictures.UnreadableImage, match="image holds NaN or infinity"):
            pictures.grey_line(file.getvalue(), 8, 99)

    def test_upright(self):
        image = Image.new("L", (20, 10))
        exif = image.getexif()
        exif[0x0112] = 6  # to be turned by a quarter
        file = io.BytesIO()
        image.save(file, format="JPEG", exif=exif)
        assert pictures.decode(file.getvalue()).size == (10, 20)

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "empty image file"),
            (b"GIF89a", "image cannot be decoded"),
            (b"<svg/>", "image cannot be decoded"),
            (png()[:40], "image cannot be decoded"),
            (png(40, 10), "image too large"),
            (png(1, 1001), "image too large"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 60 24\nshowpage\n", "image cannot be decoded"),
        ],
    )
    def test_reasons(self, data, reason, monkeypatch):
        monkeypatch.setattr(pictures, "MAX_PIXELS", 300)
        with pytest.raises(pictures.UnreadableImage) as caught:
            pictures.decode(data)
        assert caught.value.reason == reason


def test_a_thin_image_of_many_pixels_is_refused_before_it_is_decoded():
    """95 kB of PNG, 49 million rows of one pixel, took 13 seconds."""
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(2_000_000)) for _ in range(49)) + rows.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 1, 49_000_000, 8, 0, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    assert len(file) < 100_000
    begun = time.process_time()
    with pytest.raises(pictures.UnreadableImage, match=r"1000 times as long as wide \(1 x 49000000 pixels\)"):
        pictures.grey_line(file, 32, 2048)
    assert time.process_time() - begun < 0.5  # milliseconds, on a machine with nothing else to do


@pytest.mark.parametrize("size", [(1000, 1), (1, 1000)])
def test_images_as_thin_as_may_be_are_read(size):
    assert pictures.decode(png(*size)).size == size
    longer = tuple(side + (side > 1) for side in size)
    with pytest.raises(pictures.UnreadableImage, match="1000 times as long as wide"):
        pictures.decode(png(*longer))


@pytest.mark.parametrize("kind", ["EPS", "ICO", "PDF", "TGA", "PCX", "SGI", "JPEG2000", "MSP"])
@pytest.mark.parametrize("name", ["a.png", "a.eps"])
def test_other_formats_are_not_opened_whatever_their_name(kind, name, tmp_path, monkeypatch):
    """EPS is drawn by a program that its text tells what to do."""
    started: list = []
    monkeypatch.setattr(subprocess, "Popen", lambda *given, **_: started.append(given))
    Image.new("1" if kind == "MSP" else "RGB", (32, 32)).save(tmp_path / name, format=kind)
    loaded = TextLines().load_images([str(tmp_path / name)])
    assert started == []
    (problem,) = loaded.problems.values()
    assert problem == "image cannot be decoded (it is none of PNG, JPEG, PPM, BMP, GIF, TIFF, WEBP; save it as PNG)"


@pytest.mark.parametrize("kind", pictures.FORMATS)
def test_each_format_named_is_opened_whatever_its_name(kind, tmp_path):
    Image.linear_gradient("L").convert("RGB").save(tmp_path / "a.eps", format=kind)
    assert TextLines().load_images([str(tmp_path / "a.eps")]).problems == {}


@pytest.mark.parametrize("container", ["JPEG", "TIFF"])
def test_a_jpeg_that_is_gone_over_again_and_again(container, monkeypatch):
    """A damaged or hostile progressive JPEG has thousands of scans, each of which is of all pixels."""
    image = Image.new("L", (64, 64))
    file = io.BytesIO()
    image.save(file, "JPEG", progressive=True)
    data = file.getvalue()
    scans = data.count(b"\xff\xda")
    assert pictures.decode(data).size == (64, 64)
    last = data[data.rindex(b"\xff\xda") : -2]
    longer = data[:-2] + 20 * last + data[-2:]
    monkeypatch.setattr(pictures, "MAX_PIXELS", 64 * 64)
    monkeypatch.setattr(pictures, "MAX_PASSES", scans)
    assert pictures.decode(data).size == (64, 64)
    if container == "TIFF":  # one strip of it, as libtiff takes it
        file = io.BytesIO()
        Image.new("L", (64, 64)).save(file, "TIFF", compression="jpeg")
        longer = file.getvalue() + 20 * b"\xff\xda"
    with pytest.raises(pictures.UnreadableImage, match="image stored too many times"):
        pictures.decode(longer)


@pytest.mark.parametrize(
    "make", [lambda: DigitLines(distortion=1.0, noise=0.1), TextLines, Scenes], ids=["digits", "text", "scenes"]
)
@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
def test_images_do_not_hang_on_the_default_precision(make, precision):
    """A trainer sets it while it trains, to float64 for "64-true"."""
    task = make()
    expected = task.sample(2, torch.tensor([1, 3]), seeded())
    default = torch.get_default_dtype()
    try:
        torch.set_default_dtype(precision)
        got = task.sample(2, torch.tensor([1, 3]), seeded())
        assert torch.get_default_dtype() == precision
    finally:
        torch.set_default_dtype(default)
    assert got.images.dtype == torch.float32
    assert torch.equal(got.images, expected.images)
