"""Pictures and tables, for those loggers that take them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger


def log_picture(loggers: Iterable[Logger], key: str, path: Path, step: int | None = None) -> None:
    """Hand a PNG file to the loggers that show pictures: W&B and TensorBoard."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image(key=key, images=[str(path)], step=step)
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(key, _pixels(path), step, dataformats="HWC")


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
