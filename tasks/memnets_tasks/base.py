"""The contract of a task, for tasks of one's own: it is that of ``memnets.base.task``, by which training knows it."""

from memnets.base.task import (
    AnswerTask,
    Batch,
    Curriculum,
    FiniteTask,
    ImageTask,
    Items,
    LoadedImages,
    Splits,
    StreamTask,
    Task,
)

__all__ = [
    "AnswerTask",
    "Batch",
    "Curriculum",
    "FiniteTask",
    "ImageTask",
    "Items",
    "LoadedImages",
    "Splits",
    "StreamTask",
    "Task",
]
