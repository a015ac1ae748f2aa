"""A trained reader as graphs for other runtimes: encoder with CTC, and one step of its decoder."""

import argparse

from ..base.terminal import escaped
from .parser import add_checkpoint, add_trust


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, where to, and as what."""
    add = parser.add_argument
    add("run_dir", metavar="RUN_DIR", help="a run of a reader, such as runs/ocr-digits/<id>")
    add("--out", metavar="FOLDER", help="where to (RUN_DIR/exported)")
    add("--format", choices=("pt2", "onnx"), default="pt2", help="torch.export's own (pt2), or ONNX")
    add_checkpoint(parser)
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets export``."""
    from ..experiments.exporting import export_run

    settings = {"format": options.format, "which": options.checkpoint, "vouched": options.trust}
    for path in export_run(options.run_dir, options.out, **settings):
        print(escaped(str(path)))
    return 0
