"""Layers over whole sequences: all steps at once, ``(x (B, T, D), state, lengths) -> (y (B, T, D), state)``.

Fast weights, whose steps cannot be taken at once, are a cell, ``(x (B, I), state) -> (h (B, H), state)``.
"""

from .attention import AttentionLayer, AttentionState
from .base import Layer
from .delta import DeltaLayer, DeltaNetState
from .fast_weights import FastWeightsCell, FastWeightsState
from .linear_attention import LinearAttentionLayer, LinearAttentionState
from .mosaic import MosaicLayer, MosaicState
from .product_keys import ProductKeyMemory
from .short_convolution import ShortConvolution
from .titans import NeuralMemoryState, TitansLayer, TitansState
from .titans_attention import TitansAttentionLayer, TitansAttentionState
from .titans_context import TitansContextLayer, TitansContextState
from .window_attention import WindowAttentionLayer, WindowState

__all__ = [
    "AttentionLayer",
    "AttentionState",
    "DeltaLayer",
    "DeltaNetState",
    "FastWeightsCell",
    "FastWeightsState",
    "Layer",
    "LinearAttentionLayer",
    "LinearAttentionState",
    "MosaicLayer",
    "MosaicState",
    "NeuralMemoryState",
    "ProductKeyMemory",
    "ShortConvolution",
    "TitansAttentionLayer",
    "TitansAttentionState",
    "TitansContextLayer",
    "TitansContextState",
    "TitansLayer",
    "TitansState",
    "WindowAttentionLayer",
    "WindowState",
]
