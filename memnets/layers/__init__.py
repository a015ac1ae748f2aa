"""Layers over whole sequences: all steps at once, ``(x (B, T, D), state, lengths) -> (y (B, T, D), state)``."""

from .attention import AttentionLayer, AttentionState
from .base import Layer
from .delta import DeltaLayer, DeltaNetState
from .linear_attention import LinearAttentionLayer, LinearAttentionState
from .short_convolution import ShortConvolution

__all__ = [
    "AttentionLayer",
    "AttentionState",
    "DeltaLayer",
    "DeltaNetState",
    "Layer",
    "LinearAttentionLayer",
    "LinearAttentionState",
    "ShortConvolution",
]
