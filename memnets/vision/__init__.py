"""Encoders: images of text lines to sequences of columns, images of scenes to grids of features, frames to vectors."""

from .base import Columns, LineEncoder, encode_line
from .columns import ColumnEncoder
from .frames import FrameEncoder
from .freezing import Frozen, freeze
from .grid import GridEncoder

__all__ = ["ColumnEncoder", "Columns", "FrameEncoder", "Frozen", "GridEncoder", "LineEncoder", "encode_line", "freeze"]
