"""Checks of a memory of your own against the contracts that those of this library keep."""

from .check_memory import check_memory

__all__ = ["check_memory"]
