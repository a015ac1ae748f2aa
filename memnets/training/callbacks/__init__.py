"""Callbacks: stopping when solved, rolling back, checkpoints and signals, progress, pictures, sizes of the memory."""

from .change_optimizer import ChangeOptimizer
from .checkpoints import Checkpoints, StoppedBySignal, stop_on_signals
from .pictures import Pictures
from .progress import Progress
from .rollback_on_collapse import RollbackOnCollapse
from .slots import VaryingSlots
from .solved import StopWhenSolved

__all__ = [
    "ChangeOptimizer",
    "Checkpoints",
    "Pictures",
    "Progress",
    "RollbackOnCollapse",
    "StopWhenSolved",
    "StoppedBySignal",
    "VaryingSlots",
    "stop_on_signals",
]
