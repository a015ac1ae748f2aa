"""A picture of the memory at work, now and then while it trains."""

from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from ...viz import save_figure, to_array
from ..inspection import careful, draw_example
from ..learner import SequenceLearner


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
            log = partial(log_picture, logger, "memory", figure, path, trainer.global_step)
            careful(f"for {type(logger).__name__}", log)()

    def state_dict(self) -> dict[str, Any]:
        """The count, so that a resumed run draws at the same steps."""
        return {"count": self.count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take that back."""
        self.count = state_dict["count"]


def log_picture(logger: Any, key: str, figure: Any, path: Path, step: int) -> bool:
    """Hand a picture to a logger in the way that it takes pictures; False where it takes none.

    Args:
        logger: of Lightning. Pictures are taken by those that have ``log_image``, as W&B's has, and by those whose
            ``experiment`` has ``add_image``, as TensorBoard's has.
        key: the picture's name.
        figure: of matplotlib.
        path: the same as a PNG.
        step: of training.
    """
    if callable(getattr(logger, "log_image", None)):
        logger.log_image(key=key, images=[str(path)], step=step)
        return True
    experiment: Any = getattr(logger, "experiment", None)
    if callable(getattr(experiment, "add_image", None)):
        experiment.add_image(key, to_array(figure), step, dataformats="HWC")
        return True
    return False
