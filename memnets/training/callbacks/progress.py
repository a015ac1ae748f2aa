"""What a person sees while it trains."""

import math
import sys
import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import TQDMProgressBar

from ..learner import SequenceLearner


class Progress(TQDMProgressBar):
    """A live bar over the whole budget on a terminal, a line a validation anywhere; logs steps per second.

    Args:
        lines_every: print a line at each ``lines_every``-th validation.
    """

    def __init__(self, lines_every: int = 1):
        super().__init__(refresh_rate=5, leave=False)
        self.lines_every = lines_every
        self._validations = 0
        self._mark: tuple[float, int] | None = None
        self._speed: float | None = None
        if not sys.stderr.isatty():
            self.disable()

    @property
    def total_train_batches(self) -> int | float:
        """The budget, since the loader is endless."""
        budget = self.trainer.max_steps * getattr(self.trainer.lightning_module, "accumulate_grad_batches", 1)
        return budget if budget > 0 else math.inf

    @property
    def train_description(self) -> str:
        """What the bar counts."""
        return "Training"

    def init_validation_tqdm(self) -> Any:
        """No bar of its own for validation, which takes a moment."""
        bar = super().init_validation_tqdm()
        bar.disable = True
        return bar

    def on_train_start(self, *args: Any) -> None:
        """Start the clock."""
        super().on_train_start(*args)
        self._mark = (time.perf_counter(), self.trainer.global_step)

    def on_train_epoch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        """Name the bar after what it counts."""
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description("Training")

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure speed over the steps since the last validation."""
        super().on_validation_start(trainer, pl_module)
        if self._mark is None or trainer.sanity_checking:
            return
        started, step = self._mark
        if trainer.global_step > step:
            speed = (trainer.global_step - step) / (time.perf_counter() - started)
            for logger in trainer.loggers:
                logger.log_metrics({"train/steps_per_second": speed}, step=trainer.global_step)
            self._speed = speed

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Print the line."""
        super().on_validation_end(trainer, pl_module)
        assert isinstance(pl_module, SequenceLearner)
        self._mark = (time.perf_counter(), trainer.global_step)
        self._validations += 1
        if trainer.is_global_zero and not trainer.sanity_checking and self._validations % self.lines_every == 0:
            values = {
                name.removeprefix("val/").replace("_", " "): float(value)
                for name, value in trainer.callback_metrics.items()
                if name.startswith("val/")
            }
            shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
            speed = f"  {self._speed:.1f} steps/s" if self._speed else ""
            self._line(f"step {trainer.global_step:>6,}  sequences {pl_module.sequences:>8,}  {shown}{speed}")

    def _line(self, text: str) -> None:
        if self.is_enabled and getattr(self, "_train_progress_bar", None) is not None:
            self.train_progress_bar.write(text, file=sys.stdout)
        else:
            print(text, flush=True)
