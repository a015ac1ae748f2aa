"""One checkpoint, always the latest, and a clean stop on a signal."""

import signal
import threading
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

LAST = "last.ckpt"


class Checkpoints(pl.Callback):
    """Saves ``last.ckpt`` after each validation and at the end; on SIGTERM or SIGINT saves and stops.

    The file is replaced in one move, so that there is always a whole one. A second signal ends the process at
    once. Put this callback last, so that it saves what the others have decided.

    Args:
        folder: where ``last.ckpt`` goes.
    """

    def __init__(self, folder: str | Path):
        self.path = Path(folder) / LAST
        self.signal: int | None = None
        """The signal that stopped training, or None."""
        self._previous: dict[int, Any] = {}
        self._saved_step = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen for signals."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default if self.signal else handler)
        self._previous = {}

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Save if this was the last step, unless a validation follows, after which it is saved."""
        if self.signal:
            trainer.should_stop = True
        every = trainer.val_check_interval
        due = isinstance(every, int) and (batch_idx + 1) % every == 0
        over = trainer.should_stop or (0 <= trainer.max_steps <= trainer.global_step)
        if over and not due:
            self._save(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save."""
        if not trainer.sanity_checking and trainer.state.fn == "fit":
            self._save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if time or another callback ended training in between, and leave the signals alone again."""
        if trainer.global_step != self._saved_step:
            self._save(trainer)
        self._restore()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Keep the last good checkpoint as it is."""
        self._restore()

    def _save(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.path)
        self._saved_step = trainer.global_step
