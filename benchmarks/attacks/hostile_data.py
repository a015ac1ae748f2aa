"""Damaged data for attack_data.py: mutated images, LMDBs, lists and fonts, each given to what loads it."""

import io
import struct
import tempfile
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import torch
from PIL import Image

from memnets_tasks import CaptionFiles, DigitLines, Scenes, TextLineFiles, TextLines
from memnets_tasks.images import write_captions, write_text_lines
from memnets_tasks.images.loading import LineLoader, PictureLoader

Reasons = dict[str, int]
"""What was skipped, by reason."""

EXTREMES = [value.to_bytes(n, "little") for n in (1, 2, 4, 8) for value in (0, 1, 2 ** (8 * n - 1), 2 ** (8 * n) - 1)]


def mutate(data: bytes, random: np.random.Generator, *, keep_length: bool = False, near: int = 64) -> bytes:
    """Data with one to four faults: bytes changed, set to extremes, moved, repeated or cut; half of them near a head.

    Heads are at the start and, with `keep_length`, at the start of each page of 4096 bytes.
    """
    found = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        if not found:
            break
        at = int(random.integers(len(found)))
        if random.random() < 0.5:
            page = 4096 * int(random.integers(len(found) // 4096 + 1)) if keep_length else 0
            at = min(page + int(random.integers(near)), len(found) - 1)
        length = int(random.integers(1, 9 if random.random() < 0.7 else 200))
        kind = int(random.integers(3 if keep_length else 6))
        if kind == 0:
            new = random.bytes(length)
        elif kind == 1:
            new = EXTREMES[int(random.integers(len(EXTREMES)))]
        else:
            other = int(random.integers(len(found)))
            new = bytes(found[other : other + length])
        if kind < 3:
            new = new[: len(found) - at]
            found[at : at + len(new)] = new
        elif kind == 3:
            del found[at : at + length]
        elif kind == 4:
            found[at:at] = found[at : at + length]
        else:
            del found[at:]
    return bytes(found)


def one_of(choices: list[Any], random: np.random.Generator) -> Any:
    return choices[int(random.integers(len(choices)))]


# --- images


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


@lru_cache
def image_seeds() -> list[bytes]:
    """Small images in each format that is opened, in its modes and ways of packing."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 60, 4)).astype(np.uint8)
    pixels[8:16] //= 8
    image = Image.fromarray(pixels, "RGBA")
    modes = {mode: image.convert(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "I")}
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    found = [encoded(modes[mode], "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")]
    found += [encoded(modes["P"], "PNG", transparency=3), encoded(deep, "PNG"), encoded(deep, "TIFF")]
    found += [encoded(modes[mode], "JPEG", progressive=slow) for mode in ("L", "RGB", "CMYK") for slow in (False, True)]
    exif = image.getexif()
    exif[0x0112] = 6
    found.append(encoded(modes["RGB"], "JPEG", exif=exif))
    found += [encoded(modes[mode], "PPM") for mode in ("1", "L", "RGB", "I")]
    found += [encoded(modes[mode], "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")]
    found += [encoded(modes["P"], "GIF"), encoded(modes["L"], "GIF", save_all=True, append_images=[modes["L"]])]
    found += [encoded(modes[mode], "TIFF") for mode in ("1", "L", "RGB", "RGBA", "F", "CMYK", "I")]
    found += [encoded(modes["RGB"], "TIFF", compression=way) for way in ("tiff_lzw", "tiff_adobe_deflate", "jpeg")]
    found += [encoded(modes["1"], "TIFF", compression="group4"), encoded(modes["L"], "TIFF", compression="packbits")]
    found += [encoded(modes["RGBA"], "WEBP", lossless=lossless) for lossless in (False, True)]
    found.append(encoded(modes["RGB"], "WEBP", save_all=True, append_images=[modes["RGB"]]))
    return found


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int) -> bytes:
    """A grey PNG of zeros, of so many pixels as its head says."""
    packer, block = zlib.compressobj(9), bytes((width + 1) * max(1, min(height, 10**6 // width)))
    rows = b"".join(packer.compress(block) for _ in range((width + 1) * height // len(block)))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", head)
        + png_chunk(b"IDAT", rows + packer.flush())
        + png_chunk(b"IEND", b"")
    )


def with_sums(data: bytes) -> bytes:
    """A PNG whose check sums are right again, so that its decoder reads on."""
    found, at = data[:8], 8
    while data.startswith(b"\x89PNG") and at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found += png_chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return found if at > 8 else data


def image(random: np.random.Generator, folder: Path) -> Reasons:
    data = mutate(one_of(image_seeds(), random), random)
    data = with_sums(data) if random.random() < 0.7 else data
    name = f"bad.{one_of(['png', 'jpg', 'tif', 'eps'], random)}"
    (folder / name).write_bytes(data)
    (folder / "good.png").write_bytes(image_seeds()[1])
    (folder / "gt.txt").write_text(f"good.png\tab\n{name}\tab\n")
    reasons = looked_at(TextLineFiles(str(folder / "gt.txt")))
    for loader in (PictureLoader(48), LineLoader(16, ink="dark", margin=0.2, filled=0.8)):
        problems = loader.load_images([str(folder / name)]).problems
        reasons |= {problem.partition(" (")[0]: 1 for problem in problems.values()}
    return reasons


def looked_at(task: Any) -> Reasons:
    """What is skipped of a task of files, each of whose images is read, and which is drawn from."""
    task.check_images()
    if len(task):
        generator = torch.Generator().manual_seed(0)
        task.sample(4, task.sample_lengths(4, generator), generator)
    return dict(task.skipped)


# --- databases


@lru_cache
def lmdb_seed() -> bytes:
    """A database of 150 lines, with branches, and with values in pages of their own."""
    batches = [DigitLines(height=10).sample(50, 3, torch.Generator().manual_seed(n)) for n in range(3)]
    with tempfile.TemporaryDirectory() as folder:
        path = write_text_lines(Path(folder) / "set", batches, "lmdb")
        with lmdb.open(str(path), map_size=2**24, lock=False) as opened, opened.begin(write=True) as transaction:
            for n in range(5, 150, 20):
                pixels = np.random.default_rng(n).integers(0, 256, (40, 160)).astype(np.uint8)
                transaction.put(f"image-{n:09d}".encode(), encoded(Image.fromarray(pixels), "PNG"))
        return (path / "data.mdb").read_bytes()


def database(random: np.random.Generator, folder: Path) -> Reasons:
    data = mutate(lmdb_seed(), random, keep_length=random.random() < 0.9)
    (folder / "data.mdb").write_bytes(data)
    return looked_at(TextLineFiles(str(folder)))


# --- lists

TOKENS = [
    *(b"\0", b"\x1b[2J", b"\xff\xfe", b"\r", b"\t\t", b"../../", b"/etc/passwd\t", b"\\", b'"', b"{", b"]", b",", b"|"),
    *(b"a" * 10**6, b"e" + b"\xcc\x81" * 10**5, b"[" * 10**5, b'{"a":' * 10**5, b"9" * 5000, b"\n" * 10**5, b"#"),
    *(b"NaN", b"1e999", b"-1", b"null", b"[]", b"{}", b"\\ud800", b"\\u0000", "\u202e".encode(), b"\xef\xbb\xbf"),
]  # fmt: skip


@lru_cache
def list_seeds() -> dict[str, tuple[str, dict[str, bytes]]]:
    """By format, the name of the list that is read and the files of a small data set."""
    line = DigitLines(height=10).sample(6, 3, torch.Generator().manual_seed(0))
    scene = Scenes(size=48).sample(4, 1, torch.Generator().manual_seed(0))
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("gt", "labels", "iam"):
            path = write_text_lines(Path(folder) / name, [line], name)  # type: ignore[arg-type]
            found[name] = path.name, files_in(path.parent)
        for name in ("karpathy", "coco", "flickr8k"):
            path = write_captions(Path(folder) / name, {"train": [scene], "test": [scene]}, name)["train"]  # type: ignore[arg-type]
            found[name] = path.name, files_in(path.parent)
    return found


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def listed(random: np.random.Generator, folder: Path) -> Reasons:
    format = one_of(list(list_seeds()), random)
    name, files = list_seeds()[format]
    for other, data in files.items():
        (folder / other).parent.mkdir(parents=True, exist_ok=True)
        if not other.endswith(".png"):
            data = mutate(data, random, near=300) if random.random() < 0.7 else data
            for _ in range(int(random.integers(0, 3))):
                at = int(random.integers(len(data) + 1))
                data = data[:at] + one_of(TOKENS, random) + data[at:]
        (folder / other).write_bytes(data)
    if format in ("gt", "labels", "iam"):
        return looked_at(TextLineFiles(str(folder / name), format=format))
    task = CaptionFiles(str(folder / name), format=format, size=32, min_word_count=1)
    unseen = task.splits().test
    if unseen is not task:
        looked_at(unseen)
    return looked_at(task)


# --- fonts

LETTERS = "Hamburgefons0123"


@lru_cache
def font_seeds() -> list[bytes]:
    """Fonts cut to a few letters, so that most faults are in what is read; with hints, without, and one of CFF."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.t2CharStringPen import T2CharStringPen
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont
    from matplotlib import get_data_path

    found = []
    for name, hinting in (("DejaVuSans", True), ("DejaVuSansMono", False), ("STIXGeneral", True)):
        font = TTFont(Path(get_data_path()) / "fonts" / "ttf" / f"{name}.ttf")
        cutter = Subsetter(Options(hinting=hinting, glyph_names=True, notdef_outline=True))
        cutter.populate(text=LETTERS)
        cutter.subset(font)
        file = io.BytesIO()
        font.save(file)
        found.append(file.getvalue())
    names = [".notdef", *(f"box{ord(letter)}" for letter in LETTERS)]
    shapes = {}
    for n, name in enumerate(names):
        pen = T2CharStringPen(600, None)
        pen.moveTo((50, 0))
        for corner in ((50, 300 + 20 * n), (500, 300 + 20 * n), (500, 0)):
            pen.lineTo(corner)
        pen.closePath()
        shapes[name] = pen.getCharString()
    builder = FontBuilder(1000, isTTF=False)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): f"box{ord(letter)}" for letter in LETTERS})
    builder.setupCFF("Boxes", {"FullName": "Boxes"}, shapes, {})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (600, 50)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Boxes", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    file = io.BytesIO()
    builder.save(file)
    return [*found, file.getvalue()]


def font(random: np.random.Generator, folder: Path) -> Reasons:
    path = folder / "font.ttf"
    path.write_bytes(mutate(one_of(font_seeds(), random), random, near=400))
    task = TextLines(fonts=[str(path)], charset=LETTERS, held_out_family=None)  # a font that is bad is told of here
    try:
        task.sample(64, 6, torch.Generator().manual_seed(0))
    except ValueError as error:
        raise RuntimeError(f"while drawing: {error}") from error
    return {}


KINDS: dict[str, Callable[[np.random.Generator, Path], Reasons]] = {
    "images": image,
    "lmdbs": database,
    "lists": listed,
    "fonts": font,
}
