"""Memories: one a file, each a step in plain PyTorch, driven by whatever a controller emits."""

from .base import Memory
from .interface import Interface, Part
from .ntm import NTMMemory, NTMState

__all__ = ["Interface", "Memory", "NTMMemory", "NTMState", "Part"]
