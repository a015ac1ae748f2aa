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

from typing import TYPE_CHECKING, Any

from memnets_tasks.algorithmic.associative_recall import AssociativeRecall
from memnets_tasks.algorithmic.binary import BinaryTask
from memnets_tasks.algorithmic.copy import Copy
from memnets_tasks.algorithmic.dynamic_ngrams import DynamicNGrams
from memnets_tasks.algorithmic.optimal import optimal_predictions
from memnets_tasks.algorithmic.priority_sort import PrioritySort
from memnets_tasks.algorithmic.repeat_copy import RepeatCopy
from memnets_tasks.base import Batch, Curriculum, FiniteTask, ImageTask, Items, Splits, Task
from memnets_tasks.curriculum import Growing, Uniform
from memnets_tasks.formal.binary_arithmetic import BinaryAddition, BinaryMultiplication, ComputeSqrt
from memnets_tasks.formal.brackets import ModularArithmeticBrackets, SolveEquation
from memnets_tasks.formal.recognition.language import Language
from memnets_tasks.formal.recognition.task import LANGUAGES, Recognition
from memnets_tasks.formal.regular import CycleNavigation, EvenPairs, ModularArithmetic, ParityCheck
from memnets_tasks.formal.scoring import PAPER_LENGTHS, LengthScore, length_score
from memnets_tasks.formal.stack_manipulation import StackManipulation
from memnets_tasks.formal.strings import BucketSort, DuplicateString, MissingDuplicate, OddsFirst, ReverseString
from memnets_tasks.formal.symbols import Exercise, StringTask, SymbolTask
from memnets_tasks.formal.word_problem import WordProblem
from memnets_tasks.seeding import generator

if TYPE_CHECKING:
    from memnets_tasks.images import CaptionFiles, DigitLines, PageLines, Scenes, TextLineFiles, TextLines

__all__ = [
    "LANGUAGES",
    "PAPER_LENGTHS",
    "AssociativeRecall",
    "Batch",
    "BinaryAddition",
    "BinaryMultiplication",
    "BinaryTask",
    "BucketSort",
    "CaptionFiles",
    "ComputeSqrt",
    "Copy",
    "Curriculum",
    "CycleNavigation",
    "DigitLines",
    "DuplicateString",
    "DynamicNGrams",
    "EvenPairs",
    "Exercise",
    "FiniteTask",
    "Growing",
    "ImageTask",
    "Items",
    "Language",
    "LengthScore",
    "MissingDuplicate",
    "ModularArithmetic",
    "ModularArithmeticBrackets",
    "OddsFirst",
    "PageLines",
    "ParityCheck",
    "PrioritySort",
    "Recognition",
    "RepeatCopy",
    "ReverseString",
    "Scenes",
    "SolveEquation",
    "Splits",
    "StackManipulation",
    "StringTask",
    "SymbolTask",
    "Task",
    "TextLineFiles",
    "TextLines",
    "Uniform",
    "WordProblem",
    "generator",
    "length_score",
    "optimal_predictions",
]

_IMAGES = {"CaptionFiles", "DigitLines", "PageLines", "Scenes", "TextLineFiles", "TextLines"}


def __getattr__(name: str) -> Any:
    """The tasks of images, loaded when first asked for: see ``memnets_tasks.images``."""
    if name not in _IMAGES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import memnets_tasks.images

    return getattr(memnets_tasks.images, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_IMAGES})
