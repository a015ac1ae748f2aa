"""Callbacks: stopping when solved, checkpoints and signals, progress, pictures."""

from .checkpoints import Checkpoints, StoppedBySignal, stop_on_signals
from .pictures import Pictures
from .progress import Progress
from .solved import StopWhenSolved

__all__ = ["Checkpoints", "Pictures", "Progress", "StopWhenSolved", "StoppedBySignal", "stop_on_signals"]
