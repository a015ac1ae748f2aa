"""The text of images of lines, by a trained reader."""

import argparse

from .lengths import WAYS
from .parser import add_checkpoint, add_trust, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which images, which reader, and how it searches."""
    add_images(parser, "read", "ocr-digits")
    parser.add_argument("--decode", choices=WAYS, help="who reads; the reader's own way by default")


def add_images(parser: argparse.ArgumentParser, command: str, experiment: str) -> None:
    """What read and describe have in common."""
    add = parser.add_argument
    add("images", metavar="IMAGE", nargs="+", help="image files, in any format that Pillow reads")
    add("--run", dest="run_dir", metavar="RUN_DIR", required=True, help=f"a run, such as runs/{experiment}/<id>")
    add("--beam", metavar="N", type=positive, default=1, help="texts kept while searching (1: greedy)")
    add("--json", action="store_true", help="print a JSON list in place of lines")
    add("--figures", metavar="DIR", help=f"where figures go (RUN_DIR/figures/{command})")
    add("--no-figures", action="store_true", help="draw none")
    add_checkpoint(parser)
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets read``."""
    from ..experiments.read_images import read

    return read(options)
