"""Where numbers go: a plain CSV file, Weights & Biases, or any logger of Lightning's."""

from .csv import MetricsCSV, read_metrics
from .media import log_picture, log_table
from .wandb import Wandb, WandbUnavailableError, resolve_wandb_mode

__all__ = [
    "MetricsCSV",
    "Wandb",
    "WandbUnavailableError",
    "log_picture",
    "log_table",
    "read_metrics",
    "resolve_wandb_mode",
]
