"""The source of randomness of one step of one run: see :func:`memnets.seeding.generator`."""

from memnets.seeding import generator

__all__ = ["generator"]
