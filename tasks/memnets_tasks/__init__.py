"""Tasks for memory networks: batches, loss, scores, and the lengths to train and to test on.

A task says what is asked and how an answer is scored; it knows nothing of models, optimisers or devices. A
training step draws its batch from a generator that is a function of the seed and the step alone:

    >>> from memnets_tasks import Copy, Uniform, generator
    >>> task, curriculum = Copy(), Uniform()
    >>> step = 0
    >>> random = generator(seed=1, stream="train", step=step)
    >>> lengths = task.sample_lengths(16, random, max_length=curriculum.max_length(step, task))
    >>> batch = task.sample(16, lengths, random)
    >>> tuple(batch.lengths.shape)
    (16,)
"""

import importlib
from typing import TYPE_CHECKING, Any

from memnets_tasks.algorithmic.associative_recall import AssociativeRecall
from memnets_tasks.algorithmic.binary import BinaryTask
from memnets_tasks.algorithmic.copy import Copy
from memnets_tasks.algorithmic.dynamic_ngrams import DynamicNGrams
from memnets_tasks.algorithmic.optimal import optimal_predictions
from memnets_tasks.algorithmic.priority_sort import PrioritySort
from memnets_tasks.algorithmic.repeat_copy import RepeatCopy
from memnets_tasks.base import Batch, Curriculum, FiniteTask, ImageTask, Items, Splits, Task
from memnets_tasks.curriculum import Fixed, Growing, Mastery, Mixture, Uniform
from memnets_tasks.graphs.family import FamilyRelations
from memnets_tasks.graphs.shortest_path import ShortestPath
from memnets_tasks.graphs.traversal import GraphTraversal
from memnets_tasks.recall.adding import Adding
from memnets_tasks.recall.fuzzy_recall import FuzzyRecall
from memnets_tasks.recall.induction_heads import InductionHeads
from memnets_tasks.recall.mqar import MQAR
from memnets_tasks.recall.noisy_recall import NoisyRecall
from memnets_tasks.recall.selective_copying import SelectiveCopying
from memnets_tasks.scored_steps import StepTask
from memnets_tasks.seeding import generator
from memnets_tasks.token_task import TokenTask
from memnets_tasks.working_memory.distraction import Distraction
from memnets_tasks.working_memory.equality import SequenceEquality
from memnets_tasks.working_memory.interruption import Interruption, OperationSpan
from memnets_tasks.working_memory.reading_span import ReadingSpan
from memnets_tasks.working_memory.recall import ReverseRecall, SerialRecall, SkipRecall

if TYPE_CHECKING:
    from memnets_tasks.few_shot import DigitEpisodes, GlyphEpisodes, OmniglotEpisodes
    from memnets_tasks.images import CaptionFiles, DigitLines, PageLines, Scenes, TextLineFiles, TextLines
    from memnets_tasks.questions import BAbI

__all__ = [
    "MQAR",
    "Adding",
    "AssociativeRecall",
    "BAbI",
    "Batch",
    "BinaryTask",
    "CaptionFiles",
    "Copy",
    "Curriculum",
    "DigitEpisodes",
    "DigitLines",
    "Distraction",
    "DynamicNGrams",
    "FamilyRelations",
    "FiniteTask",
    "Fixed",
    "FuzzyRecall",
    "GlyphEpisodes",
    "GraphTraversal",
    "Growing",
    "ImageTask",
    "InductionHeads",
    "Interruption",
    "Items",
    "Mastery",
    "Mixture",
    "NoisyRecall",
    "OmniglotEpisodes",
    "OperationSpan",
    "PageLines",
    "PrioritySort",
    "ReadingSpan",
    "RepeatCopy",
    "ReverseRecall",
    "Scenes",
    "SelectiveCopying",
    "SequenceEquality",
    "SerialRecall",
    "ShortestPath",
    "SkipRecall",
    "Splits",
    "StepTask",
    "Task",
    "TextLineFiles",
    "TextLines",
    "TokenTask",
    "Uniform",
    "generator",
    "optimal_predictions",
]

_LATER = {
    "memnets_tasks.few_shot": ("DigitEpisodes", "GlyphEpisodes", "OmniglotEpisodes"),
    "memnets_tasks.images": ("CaptionFiles", "DigitLines", "PageLines", "Scenes", "TextLineFiles", "TextLines"),
    "memnets_tasks.questions": ("BAbI",),
}
"""The tasks of images and files, by where they are: loaded when first asked for."""


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
