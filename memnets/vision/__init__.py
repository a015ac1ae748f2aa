"""Encoders: text lines to sequences of columns, scenes to grids of features, frames and whole images to vectors."""

from .alexnet import AlexNet
from .base import Columns, LineEncoder, encode_line
from .columns import ColumnEncoder
from .context_maps import ContextMaps
from .frames import FrameEncoder
from .freezing import Frozen, freeze
from .grid import GridEncoder
from .image_encoder import ImageEncoder
from .inception import Inception
from .lenet import LeNet5
from .resnet import ResNet
from .timm_encoder import TimmEncoder
from .vgg import VGG

__all__ = [
    "VGG",
    "AlexNet",
    "ColumnEncoder",
    "Columns",
    "ContextMaps",
    "FrameEncoder",
    "Frozen",
    "GridEncoder",
    "ImageEncoder",
    "Inception",
    "LeNet5",
    "LineEncoder",
    "ResNet",
    "TimmEncoder",
    "encode_line",
    "freeze",
]
