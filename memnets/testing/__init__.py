"""Checks of a memory and of a task of your own against the contracts that those of this library keep."""

from .check_memory import check_memory
from .check_task import check_task

__all__ = ["check_memory", "check_task"]
