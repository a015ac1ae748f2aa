"""Attention: scores over features, by content and by location."""

from .additive import AdditiveAttention, Attention, ContextGate, CoverageAttention, Keys, coverage
from .location import LocationAttention, shift_along

__all__ = [
    "AdditiveAttention",
    "Attention",
    "ContextGate",
    "CoverageAttention",
    "Keys",
    "LocationAttention",
    "coverage",
    "shift_along",
]
