"""How a sequence is computed, and the choice between the ways.

``reference``: the cell in plain PyTorch, the truth, works everywhere. ``compiled``: ``torch.compile`` of one step.
``fused``: the whole sequence in compiled code, forward and backward, generated from the cell: C, or CUDA on a GPU.
"""

from .dispatch import (
    BACKENDS,
    BackendUnavailableError,
    check_name,
    choose,
    find,
    hooked,
    report,
    step_function,
    transformed,
)
from .sequence import run_sequence

__all__ = [
    "BACKENDS",
    "BackendUnavailableError",
    "check_name",
    "choose",
    "find",
    "hooked",
    "report",
    "run_sequence",
    "step_function",
    "transformed",
]
