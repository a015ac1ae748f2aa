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
from memnets_tasks.algorithmic.vector_parity import VectorParity
from memnets_tasks.base import AnswerTask, Batch, Curriculum, FiniteTask, ImageTask, Items, Splits, StreamTask, Task
from memnets_tasks.curriculum import Fixed, Growing, Mastery, Mixture, Uniform
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
from memnets_tasks.graphs.family import FamilyRelations
from memnets_tasks.graphs.shortest_path import ShortestPath
from memnets_tasks.graphs.traversal import GraphTraversal
from memnets_tasks.language.characters import Characters
from memnets_tasks.language.conllu import ConlluTagging
from memnets_tasks.language.labelled_csv import LabelledCSV
from memnets_tasks.language.names import Names
from memnets_tasks.language.number_words import NumbersToWords
from memnets_tasks.language.pair_files import TranslationFiles
from memnets_tasks.language.reordered import ReorderedLanguage
from memnets_tasks.language.sentiment import Sentiment
from memnets_tasks.language.summaries import Summaries
from memnets_tasks.language.tagging import AgreementTagging
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
    from memnets_tasks.images import (
        BinaryDigits,
        CaptionFiles,
        ClutteredDigits,
        DigitClasses,
        DigitLines,
        PageLines,
        Scenes,
        Stories,
        TextLineFiles,
        TextLines,
    )
    from memnets_tasks.questions import BAbI
    from memnets_tasks.tables import TableQuestions
    from memnets_tasks.video import FrameFolders, Gestures, MovingShapes

__all__ = [
    "LANGUAGES",
    "MQAR",
    "PAPER_LENGTHS",
    "Adding",
    "AgreementTagging",
    "AnswerTask",
    "AssociativeRecall",
    "BAbI",
    "Batch",
    "BinaryAddition",
    "BinaryDigits",
    "BinaryMultiplication",
    "BinaryTask",
    "BucketSort",
    "CaptionFiles",
    "Characters",
    "ClutteredDigits",
    "ComputeSqrt",
    "ConlluTagging",
    "Copy",
    "Curriculum",
    "CycleNavigation",
    "DigitClasses",
    "DigitEpisodes",
    "DigitLines",
    "Distraction",
    "DuplicateString",
    "DynamicNGrams",
    "EvenPairs",
    "Exercise",
    "FamilyRelations",
    "FiniteTask",
    "Fixed",
    "FrameFolders",
    "FuzzyRecall",
    "Gestures",
    "GlyphEpisodes",
    "GraphTraversal",
    "Growing",
    "ImageTask",
    "InductionHeads",
    "Interruption",
    "Items",
    "LabelledCSV",
    "Language",
    "LengthScore",
    "Mastery",
    "MissingDuplicate",
    "Mixture",
    "ModularArithmetic",
    "ModularArithmeticBrackets",
    "MovingShapes",
    "Names",
    "NoisyRecall",
    "NumbersToWords",
    "OddsFirst",
    "OmniglotEpisodes",
    "OperationSpan",
    "PageLines",
    "ParityCheck",
    "PrioritySort",
    "ReadingSpan",
    "Recognition",
    "ReorderedLanguage",
    "RepeatCopy",
    "ReverseRecall",
    "ReverseString",
    "Scenes",
    "SelectiveCopying",
    "Sentiment",
    "SequenceEquality",
    "SerialRecall",
    "ShortestPath",
    "SkipRecall",
    "SolveEquation",
    "Splits",
    "StackManipulation",
    "StepTask",
    "Stories",
    "StreamTask",
    "StringTask",
    "Summaries",
    "SymbolTask",
    "TableQuestions",
    "Task",
    "TextLineFiles",
    "TextLines",
    "TokenTask",
    "TranslationFiles",
    "Uniform",
    "VectorParity",
    "WordProblem",
    "generator",
    "length_score",
    "optimal_predictions",
]

_LATER = {
    "memnets_tasks.few_shot": ("DigitEpisodes", "GlyphEpisodes", "OmniglotEpisodes"),
    "memnets_tasks.images": (
        "BinaryDigits",
        "CaptionFiles",
        "ClutteredDigits",
        "DigitClasses",
        "DigitLines",
        "PageLines",
        "Scenes",
        "Stories",
        "TextLineFiles",
        "TextLines",
    ),
    "memnets_tasks.questions": ("BAbI",),
    "memnets_tasks.tables": ("TableQuestions",),
    "memnets_tasks.video": ("FrameFolders", "Gestures", "MovingShapes"),
}
"""The tasks of images and files, by where they are: loaded when first asked for."""


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
