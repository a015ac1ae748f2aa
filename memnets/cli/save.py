"""A run's trained model as a folder of its own, for from_pretrained: its settings and weights, and no code."""

import argparse

from ..base.terminal import escaped
from .parser import add_checkpoint, add_trust


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which run, and where to."""
    parser.add_argument("run_dir", metavar="RUN_DIR", help="a run, such as runs/ocr-digits/<id>")
    parser.add_argument("folder", metavar="FOLDER", nargs="?", help="where to (RUN_DIR/pretrained)")
    parser.add_argument("--half", action="store_true", help="weights in half precision, of half the size")
    add_checkpoint(parser)
    add_trust(parser)


def run(options: argparse.Namespace) -> int:
    """``memnets save``."""
    from ..experiments.exporting import save_run

    settings = {"half": options.half, "which": options.checkpoint, "vouched": options.trust}
    print(escaped(str(save_run(options.run_dir, options.folder, **settings))))
    return 0
