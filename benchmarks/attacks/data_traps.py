"""Hostile data made by hand for attack_data.py: each trap with what must be said of it."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import lmdb
from hostile_data import LETTERS, Reasons, encoded, font_seeds, image_seeds, list_seeds, looked_at, png_chunk, png_of
from PIL import Image

from memnets_tasks import CaptionFiles, TextLineFiles, TextLines
from memnets_tasks.images import pictures


def named_in_gt(plant: Callable[[Path], None]) -> Callable[[Path], Reasons]:
    """A data set of a good image and of one that `plant` puts at a path."""

    def load(folder: Path) -> Reasons:
        plant(folder / "bad.png")
        (folder / "good.png").write_bytes(image_seeds()[1])
        (folder / "gt.txt").write_text("good.png\tab\nbad.png\tab\n")
        return looked_at(TextLineFiles(str(folder / "gt.txt")))

    return load


def bytes_as_image(data: Callable[[], bytes]) -> Callable[[Path], Reasons]:
    def plant(path: Path) -> None:
        path.write_bytes(data())

    return named_in_gt(plant)


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def outside(folder: Path) -> Path:
    """A folder beside that of the data set, with an image and a list that are not its own."""
    other = folder.parent / f"{folder.name}-private"
    (other / "images").mkdir(parents=True, exist_ok=True)
    for name in ("good.png", "images/good.png"):
        (other / name).write_bytes(image_seeds()[1])
    (other / "gt.txt").write_text("good.png\tsecret\n")
    return other


def huge(path: Path) -> None:
    """A file of a terabyte, none of which is on disk."""
    with path.open("wb") as file:
        file.truncate(2**40)


def linked_image(folder: Path) -> Reasons:
    other = outside(folder)
    return named_in_gt(lambda path: path.symlink_to(other / "good.png"))(folder)


def linked_folder(folder: Path) -> Reasons:
    (folder / "images").symlink_to(outside(folder) / "images")
    (folder / "labels.json").write_text(json.dumps({"good.png": "secret"}))
    return looked_at(TextLineFiles(str(folder / "labels.json")))


def linked_list(folder: Path) -> Reasons:
    (folder / "gt.txt").symlink_to(outside(folder) / "gt.txt")
    return looked_at(TextLineFiles(str(folder / "gt.txt")))


def linked_database(folder: Path) -> Reasons:
    (folder / "data.mdb").symlink_to(outside(folder) / "gt.txt")
    return looked_at(TextLineFiles(str(folder)))


def pipe_as_list(folder: Path) -> Reasons:
    os.mkfifo(folder / "gt.txt")
    return looked_at(TextLineFiles(str(folder / "gt.txt"), format="gt"))


def pipe_as_split(folder: Path) -> Reasons:
    name, files = list_seeds()["flickr8k"]
    for other, data in files.items():
        (folder / other).write_bytes(data)
    (folder / "Flickr_8k.devImages.txt").unlink()
    os.mkfifo(folder / "Flickr_8k.devImages.txt")
    return looked_at(CaptionFiles(str(folder / name)))


def pipe_as_database(folder: Path) -> Reasons:
    os.mkfifo(folder / "data.mdb")
    return looked_at(TextLineFiles(str(folder), format="lmdb"))


def huge_list(folder: Path) -> Reasons:
    huge(folder / "gt.txt")
    return looked_at(TextLineFiles(str(folder / "gt.txt")))


def count_of_a_trillion(folder: Path) -> Reasons:
    with lmdb.open(str(folder)) as opened, opened.begin(write=True) as transaction:
        transaction.put(b"num-samples", b"1" + b"0" * 18)
    return looked_at(TextLineFiles(str(folder)))


def labels_of(text: Callable[[], bytes]) -> Callable[[Path], Reasons]:
    def load(folder: Path) -> Reasons:
        (folder / "labels.json").write_bytes(text())
        return looked_at(TextLineFiles(str(folder / "labels.json")))

    return load


def gt_of(label: bytes) -> Callable[[Path], Reasons]:
    def load(folder: Path) -> Reasons:
        (folder / "good.png").write_bytes(image_seeds()[1])
        (folder / "gt.txt").write_bytes(b"good.png\tab\n" + 20 * (b"good.png\t" + label + b"\n"))
        return looked_at(TextLineFiles(str(folder / "gt.txt")))

    return load


def colliding_numbers(folder: Path) -> Reasons:
    """Numbers of images that Python's dictionaries give one place: with 40,000 of them an hour's work."""
    prime = 2**61 - 1
    images = [{"id": prime * n, "file_name": "a.png"} for n in range(1, 40_000)]
    (folder / "captions_train.json").write_text(json.dumps({"images": images, "annotations": []}))
    return looked_at(CaptionFiles(str(folder / "captions_train.json"), min_word_count=1))


def slow_jpeg() -> bytes:
    """A progressive JPEG of 30 million pixels, the last of whose scans comes a thousand times."""
    data = encoded(Image.new("L", (6000, 5000)), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + 1000 * scan + b"\xff\xd9"


def false_size() -> bytes:
    """A PNG that says it has 2,500 million pixels."""
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_of(40, 10)[33:]


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 60 24\n(touched) (w) file closefile\nshowpage\n%%EOF\n"


def drawn(data: Callable[[], bytes]) -> Callable[[Path], Reasons]:
    def load(folder: Path) -> Reasons:
        (folder / "font.ttf").write_bytes(data())
        TextLines(fonts=[str(folder / "font.ttf")], charset=LETTERS, held_out_family=None)
        return {}

    return load


def font_table(data: bytes, tag: bytes) -> int:
    """Where a table of a font starts."""
    at = data.index(tag)
    return struct.unpack_from(">L", data, at + 8)[0]


def font_of_all_characters() -> bytes:
    """A font one of whose ranges claims four thousand million characters."""
    data, start = bytearray(font_seeds()[0]), font_table(font_seeds()[0], b"cmap")
    groups = struct.pack(">HHLLLLLL", 12, 0, 28, 0, 1, 0, 2**32 - 1, 1)
    map_of_one = struct.pack(">HHHHL", 0, 1, 3, 10, 12)
    data[start : start + 12 + 28] = map_of_one + groups
    return bytes(data)


def font_of_giants() -> bytes:
    """A font whose letters are of two thousand ems: pictures of 48,000 pixels a side at the size of a line."""
    data, start = bytearray(font_seeds()[0]), font_table(font_seeds()[0], b"head")
    struct.pack_into(">H", data, start + 18, 16)  # units to the em, of 2048
    return bytes(data)


def pipe_as_font(folder: Path) -> Reasons:
    os.mkfifo(folder / "font.ttf")
    TextLines(fonts=[str(folder / "font.ttf")])
    return {}


def pipe_as_words(folder: Path) -> Reasons:
    os.mkfifo(folder / "words.txt")
    TextLines(words=str(folder / "words.txt"))
    return {}


NOT_REGULAR, LINKED = "image is no regular file", "image lies outside its folder"

TRAPS: dict[str, tuple[Callable[[Path], Reasons], str]] = {
    "pipe as image": (named_in_gt(lambda path: os.mkfifo(path)), NOT_REGULAR),
    "link to a device": (named_in_gt(link_to("/dev/zero")), LINKED),
    "link to a secret image": (linked_image, LINKED),
    "link to itself": (named_in_gt(link_to("bad.png")), NOT_REGULAR),
    "link to the root": (named_in_gt(link_to("/")), LINKED),
    "linked folder of images": (linked_folder, LINKED),
    "linked list": (linked_list, "lies outside its folder"),
    "linked database": (linked_database, "lies outside its folder"),
    "folder as image": (named_in_gt(lambda path: path.mkdir()), NOT_REGULAR),
    "image of a terabyte": (named_in_gt(huge), f"image is larger than {pictures.MAX_BYTES} bytes"),
    "list of a terabyte": (huge_list, "is larger than"),
    "pipe as list": (pipe_as_list, "which is a pipe or device"),
    "pipe as list of a split": (pipe_as_split, "is not there"),
    "pipe as database": (pipe_as_database, "is no regular file"),
    "num-samples of 10^18": (count_of_a_trillion, "but no more than 1 entries"),
    "JSON 100,000 deep": (labels_of(lambda: b'{"a":' * 10**5), "is no JSON file that can be read"),
    "JSON of 40 million lists": (labels_of(lambda: b"[" + b"[]," * 40_000_000 + b"0]"), "values in JSON"),
    "JSON number of 10^6 digits": (labels_of(lambda: b"[" + b"9" * 10**6 + b"]"), "is no JSON file that can be read"),
    "label of 10 MB": (gt_of(b"x" * 10**7), "label is longer than 10000 characters"),
    "label of 100,000 accents": (gt_of(b"e" + b"\xcc\x81\xcc\xa3" * 4000), "label has more than 30 combining marks"),
    "label with a NUL": (gt_of(b"a\0b"), "label holds a control character"),
    "numbers that collide": (colliding_numbers, "(0 different words)"),
    "EPS as PNG": (bytes_as_image(lambda: EPS), "image cannot be decoded"),
    "1 x 49,000,000 pixels": (bytes_as_image(lambda: png_of(1, 49_000_000)), "1000 times as long as wide"),
    "2,500 million pixels": (bytes_as_image(false_size), "image too large"),
    "JPEG of 1,000 scans": (bytes_as_image(slow_jpeg), "image stored too many times"),
    "font of all characters": (drawn(font_of_all_characters), "claims 4294967296 characters"),
    "font of giants": (drawn(font_of_giants), "is larger than 20 ems"),
    "packed font": (drawn(lambda: b"wOFF" + bytes(100)), "does not start as one"),
    "pipe as font": (pipe_as_font, "which is not there"),
    "pipe as words": (pipe_as_words, "is no regular file"),
}  # fmt: skip
