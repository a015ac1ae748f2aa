"""Captions of images, by a trained captioner."""

import argparse

from .read import add_images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which images, which captioner, and how it searches."""
    add_images(parser)
    metavar, text = "RUN_DIR", "a run, such as runs/caption-scenes/<id>"
    parser.add_argument("--run", dest="run_dir", metavar=metavar, required=True, help=text)


def run(options: argparse.Namespace) -> int:
    """``memnets describe``."""
    from ..experiments.read_images import describe

    return describe(options)
