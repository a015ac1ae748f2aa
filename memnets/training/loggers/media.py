"""Pictures and tables, for those loggers that take them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger


def log_picture(logger: Any, key: str, path: Path, step: int | None = None) -> bool:
    """Hand a PNG to a logger in the way that it takes pictures; False where it takes none.

    Args:
        logger: of Lightning. Pictures are taken by those that have ``log_image``, as W&B's has, and by those whose
            ``experiment`` has ``add_image``, as TensorBoard's has.
        key: the picture's name.
        path: the file.
        step: of training; None for the end.
    """
    if callable(getattr(logger, "log_image", None)):
        at = {} if step is None else {"step": step}
        logger.log_image(key=key, images=[str(path)], **at)
        return True
    experiment: Any = getattr(logger, "experiment", None)
    if callable(getattr(experiment, "add_image", None)):
        experiment.add_image(key, _pixels(path), step, dataformats="HWC")
        return True
    return False


def log_table(loggers: Iterable[Logger], key: str, columns: list[str], rows: Sequence[Sequence[Any]]) -> None:
    """Hand a table to the loggers that show tables: W&B, and TensorBoard as Markdown."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_table(key=key, columns=columns, data=[list(row) for row in rows])
        elif isinstance(logger, TensorBoardLogger):
            lines = [columns, ["---"] * len(columns), *rows]
            logger.experiment.add_text(key, "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines))


def _pixels(path: Path) -> Any:
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
