"""The text of images of lines, by a trained reader."""

import argparse

from .lengths import WAYS
from .parser import add_checkpoint, add_trust, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which images, which reader, and how it searches."""
    add_images(parser)
    add = parser.add_argument
    add("--run", dest="run_dir", metavar="RUN_DIR", help="a run, such as runs/ocr-digits/<id> (the reader that ships)")
    add("--decode", choices=WAYS, help="who reads; both together, where the reader has both, by default")
    add(
        "--sizes",
        metavar="P,...",
        type=shares,
        help="read each line at these shares of its height too, such as 1,0.9,0.8,0.7: for large type",
    )
    add("--page", action="store_true", help="images are clean pages of print: cut them into their lines first")
    add("--any-width", action="store_true", help="read lines of over four times the width the reader was tried on, too")


def add_images(parser: argparse.ArgumentParser) -> None:
    """What read and describe have in common."""
    add = parser.add_argument
    add("images", metavar="IMAGE", nargs="*", help="image files, folders of them, or patterns such as 'scans/*.png'")
    add("--list", metavar="FILE", action="append", default=[], help="a text file with an image on each line, beside it")
    add("--beam", metavar="N", type=positive, default=1, help="texts kept while searching (1: greedy)")
    formats = parser.add_mutually_exclusive_group()
    for name, text in (("json", "a JSON list"), ("json-lines", "a JSON object a line"), ("csv", "CSV")):
        formats.add_argument(f"--{name}", dest="format", action="store_const", const=name, default="text",
                             help=f"print {text}, with failures in it, in place of lines")  # fmt: skip
    add("--min-confidence", metavar="P", type=share, default=0.0, help="what is less sure counts as a failure (0)")
    add("--figures", metavar="DIR", help="draw where the model looked, into this folder")
    add_checkpoint(parser)
    add_trust(parser)


def share(text: str) -> float:
    """A number from 0 to 1, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return number


def shares(text: str) -> list[float]:
    """Numbers above 0 and up to 1, with commas between, for argparse."""
    found = [share(part) for part in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} holds 0, at which a line has no height")
    return found


def run(options: argparse.Namespace) -> int:
    """``memnets read``."""
    from ..experiments.read_images import read

    return read(options)
