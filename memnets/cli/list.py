"""Experiments that ship with memnets, one line each."""

import argparse

from ..experiments.catalogue import experiments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(options: argparse.Namespace) -> int:
    """Print them."""
    known = experiments()
    width = max(map(len, known), default=0)
    for name, path in known.items():
        with path.open(encoding="utf-8") as file:
            first = file.readline()
        print(f"{name:<{width}}  {first.lstrip('# ').strip()}")
    return 0
