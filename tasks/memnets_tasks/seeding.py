"""The source of randomness of one step of one run: see :func:`memnets.base.seeding.generator`."""

from memnets.base.seeding import generator

__all__ = ["generator"]
