"""Callbacks: stopping when solved, going back, checkpoints and signals, progress, pictures, sizes of the memory."""

from .checkpoints import Checkpoints, StoppedBySignal, stop_on_signals
from .pictures import Pictures
from .progress import Progress
from .rollback_on_collapse import GoBack
from .slots import VaryingSlots
from .solved import StopWhenSolved

__all__ = [
    "Checkpoints",
    "GoBack",
    "Pictures",
    "Progress",
    "StopWhenSolved",
    "StoppedBySignal",
    "VaryingSlots",
    "stop_on_signals",
]
