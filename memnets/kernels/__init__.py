"""How a sequence is computed, and the choice between the ways.

``reference``: the cell in plain PyTorch, the truth, works everywhere. ``compiled``: ``torch.compile`` of one step.
"""

from .choice import BACKENDS, BackendUnavailableError, check_name, report, step_function

__all__ = ["BACKENDS", "BackendUnavailableError", "check_name", "report", "step_function"]
