"""The latest checkpoint, the best weights beside it, and a clean stop on a signal."""

import contextlib
import io
import math
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from ...base.errors import RunError
from ...base.files import write_atomically
from ...base.kinds import NUMBER, taken_back
from ..learner import SequenceLearner

LAST = "last.ckpt"
BEST = "best.ckpt"


class StoppedBySignal(Exception):
    """Training was saved and ended because the process was asked to; ``number`` is the signal."""

    def __init__(self, number: int, step: int):
        super().__init__(f"stopped by {signal.Signals(number).name} at step {step}")
        self.number = number


@contextlib.contextmanager
def stop_on_signals(step: Callable[[], int]) -> Iterator[None]:
    """While the block runs, SIGTERM and SIGINT raise :class:`StoppedBySignal` at once; ``step`` tells where.

    Within training :class:`Checkpoints` takes the signals over, to finish the step at hand first.
    """

    def stop(number: int, frame: Any) -> None:
        raise StoppedBySignal(number, step())

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Checkpoints(pl.Callback):
    """Saves ``last.ckpt`` after each validation and at the end; on SIGTERM or SIGINT saves and stops.

    ``best.ckpt`` holds the weights alone, of the validation with the fewest errors. Each file is replaced in one move,
    so that there is always a whole one. A second signal ends training at once, unsaved. Put this callback last, so that
    it saves what the others have decided.

    Args:
        folder: where ``last.ckpt`` goes.

    Raises:
        StoppedBySignal: from within ``Trainer.fit``, once the step at hand is done and saved. (``should_stop``
            would first run a validation that an unbroken run does not have.)
    """

    def __init__(self, folder: str | Path):
        self.path = Path(folder) / LAST
        self.best_path = Path(folder) / BEST
        self.best_error = math.inf
        """Errors per sequence at the best validation."""
        self._signal = 0
        self._at: Callable[[], int] = lambda: 0
        self._previous: dict[int, Any] = {}
        self._saved_step = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen for signals."""
        if trainer.is_global_zero:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        if threading.current_thread() is threading.main_thread():
            self._at = lambda: trainer.global_step
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        if self._signal:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            raise StoppedBySignal(number, self._at())
        self._signal = number
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """On a signal, save and stop; where a validation follows, that is done after it."""
        every = trainer.val_check_interval
        due = trainer.should_stop or (isinstance(every, int) and (batch_idx + 1) % every == 0)
        whole = (batch_idx + 1) % getattr(pl_module, "accumulate_grad_batches", 1) == 0  # no gradient is half summed
        if whole and not due and (number := self._agreed_signal(trainer)):
            if isinstance(pl_module, SequenceLearner):
                pl_module.log_step()
            self._save(trainer)
            raise StoppedBySignal(number, trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, and stop on a signal."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        self._refuse_deleted(trainer)
        if isinstance(pl_module, SequenceLearner) and pl_module.validation_error < self.best_error:
            self.best_error = pl_module.validation_error
            self._save_best(trainer, pl_module)
        self._save(trainer)
        if number := self._agreed_signal(trainer):
            raise StoppedBySignal(number, trainer.global_step)

    def _agreed_signal(self, trainer: pl.Trainer) -> int:
        """The signal that came, or 0: with several processes, to any of them, as they have to stop at one step."""
        if trainer.world_size == 1:
            return self._signal
        asked = torch.tensor(self._signal, device=trainer.strategy.root_device)
        highest: Any = trainer.strategy.reduce(asked, reduce_op="max")
        return int(highest)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last steps, and leave the signals alone again."""
        if trainer.global_step != self._saved_step:
            self._save(trainer)
        self._restore()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Keep the last good checkpoint as it is."""
        self._restore()

    def state_dict(self) -> dict[str, Any]:
        """What the next validation has to be better than."""
        return {"best_error": self.best_error}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take that back."""
        self.best_error = taken_back(state_dict, {"best_error": NUMBER}, self.state_dict())["best_error"]

    def _save_best(self, trainer: pl.Trainer, learner: SequenceLearner) -> None:
        if trainer.is_global_zero:
            facts = {"global_step": trainer.global_step, "memnets": {"validation_error": self.best_error}}
            _write(self.best_path, {"state_dict": learner.state_dict(), **facts})

    def _refuse_deleted(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero and not self.path.parent.is_dir():
            raise _deleted(self.path)

    def _save(self, trainer: pl.Trainer) -> None:
        self._refuse_deleted(trainer)
        for logger in trainer.loggers:
            logger.save()  # before the checkpoint, so that no number up to its step can be lost
        checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
        if trainer.is_global_zero:
            _write(self.path, checkpoint)
        self._saved_step = trainer.global_step


def _write(path: Path, checkpoint: dict[str, Any]) -> None:
    data = io.BytesIO()
    torch.save(checkpoint, data)
    try:
        write_atomically({path: data.getvalue()})  # Lightning's own save may move across file systems
    except FileNotFoundError:
        raise _deleted(path) from None


def _deleted(path: Path) -> RunError:
    return RunError(
        f"{path.parent} was deleted while its run was trained: nothing can be saved there; "
        "start it anew with `memnets fit`"
    )
