"""Lightning modules, callbacks and loggers: the only place, with the command line, that imports lightning or wandb.

The plain step of training (``memnets.training.step``) needs neither.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ..base.extras import naming_extras

if TYPE_CHECKING:
    from .learner import SequenceLearner
    from .lengths import evaluate_lengths

__all__ = ["SequenceLearner", "evaluate_lengths"]

_HOMES = {"SequenceLearner": "learner", "evaluate_lengths": "lengths"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with naming_extras(f"memnets.training.{name}"):
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
