"""Lightning modules, callbacks and loggers: the only place, with the command line, that imports lightning or wandb."""

from .learner import SequenceLearner
from .lengths import evaluate_lengths

__all__ = ["SequenceLearner", "evaluate_lengths"]
