"""The command line: ``memnets list | tasks | fit | resume | lengths | show | read | sweep | ...``, a file each."""

from .main import main

__all__ = ["main"]
