"""How a sequence is computed, and the choice between the ways.

``reference``: the cell in plain PyTorch, the truth, works everywhere. ``compiled``: ``torch.compile`` of one step.
``fused``: the whole sequence in hand-written code, forward and backward.
"""

from .dispatch import (
    BACKENDS,
    BackendUnavailableError,
    check_name,
    choose,
    engine_of,
    hooked,
    report,
    step_function,
    transformed,
)
from .fused import run_sequence

__all__ = [
    "BACKENDS",
    "BackendUnavailableError",
    "check_name",
    "choose",
    "engine_of",
    "hooked",
    "report",
    "run_sequence",
    "step_function",
    "transformed",
]
