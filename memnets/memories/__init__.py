"""Memories: an initial state, and one access step ``(interface, state) -> (reads, state)``."""

from .base import Memory
from .ntm import NTMMemory

__all__ = ["Memory", "NTMMemory"]
