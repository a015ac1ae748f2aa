"""A picture of the memory at work, now and then while it trains."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from ..inspection import draw_example
from ..learner import SequenceLearner


class Pictures(pl.Callback):
    """Draws one fresh sequence at every ``every``-th validation, saves the PNG and hands it to the loggers.

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
        from ...viz import save_figure

        figure = draw_example(pl_module.model, pl_module.task, seed=pl_module.seed)
        path = save_figure(figure, self.folder / f"step-{trainer.global_step:06d}.png")
        for logger in trainer.loggers:
            log_image: Any = getattr(logger, "log_image", None)
            if log_image:
                log_image(key="memory", images=[str(path)], step=trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """The count, so that a resumed run draws at the same steps."""
        return {"count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take that back."""
        self.count = state_dict["count"]
