"""A picture of the memory at work, now and then while it trains."""

from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from ...base.kinds import taken_back
from ...viz import save_figure
from ..inspection import careful, draw_example
from ..learner import SequenceLearner
from ..loggers.media import log_picture


class Pictures(pl.Callback):
    """Draws one fresh example at every ``every``-th validation, saves the PNG and hands it to the loggers.

    What cannot be drawn, or cannot be logged, is said once and left out.

    Args:
        folder: where ``step-000500.png`` and the like go.
        every: validations between pictures; 0 for none.
    """

    def __init__(self, folder: str | Path, every: int = 5):
        if every < 0:
            raise ValueError(f"every is {every}, but must be at least 0 (0: no pictures)")
        self.folder = Path(folder)
        self.every = every
        self.count = 0

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw if it is time to."""
        assert isinstance(pl_module, SequenceLearner)
        if trainer.sanity_checking or not trainer.is_global_zero or not self.every:
            return
        self.count += 1
        if self.count % self.every:
            return
        careful("of a validation", lambda: self._draw(trainer, pl_module))()

    def _draw(self, trainer: pl.Trainer, learner: SequenceLearner) -> None:
        figure = draw_example(learner.model, learner.task, seed=learner.seed)
        if figure is None:
            return
        path = save_figure(figure, self.folder / f"step-{trainer.global_step:06d}.png")
        for logger in trainer.loggers:
            log = partial(log_picture, logger, "memory", path, trainer.global_step)
            careful(f"for {type(logger).__name__}", log)()

    def state_dict(self) -> dict[str, Any]:
        """The count, so that a resumed run draws at the same steps."""
        return {"count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take that back."""
        self.count = taken_back(state_dict, {"count": int}, self.state_dict())["count"]
