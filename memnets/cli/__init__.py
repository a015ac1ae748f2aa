"""The command line: ``memnets list | fit | resume | lengths | show | read | describe | sweep | ...``, a file each."""

from .main import main

__all__ = ["main"]
