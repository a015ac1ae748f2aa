"""The page of an atlas: heat map, curves over length, and what each memory can and cannot do.

memnets atlas atlas/atlas --page docs/results/atlas
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which atlas, and where its page goes."""
    parser.add_argument("directory", metavar="DIR", help="of `memnets compare`, such as atlas/atlas; finished or not")
    parser.add_argument("--page", metavar="FOLDER", help="where the page and its figures go (DIR/page)")


def run(options: argparse.Namespace) -> int:
    """``memnets atlas``."""
    from ..experiments.atlas.commands import draw_atlas

    return draw_atlas(options.directory, options.page)
