"""Encoders: images of text lines to sequences of columns, images of scenes to grids of features."""

from .base import Columns, LineEncoder, encode_line
from .columns import ColumnEncoder
from .freezing import Frozen, freeze
from .grid import GridEncoder

__all__ = ["ColumnEncoder", "Columns", "Frozen", "GridEncoder", "LineEncoder", "encode_line", "freeze"]
