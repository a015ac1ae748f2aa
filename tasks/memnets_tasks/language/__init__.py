"""Tasks of language: characters of a text, one after another, and sentences to be turned into others."""

from memnets_tasks.language.characters import Characters
from memnets_tasks.language.ngrams import InterpolatedNGrams
from memnets_tasks.language.number_words import NumbersToWords, english_words, german_words
from memnets_tasks.language.pair_files import TranslationFiles
from memnets_tasks.language.pairs import GeneratedPairs, PairBatch, TranslationTask
from memnets_tasks.language.reordered import ReorderedLanguage
from memnets_tasks.language.summaries import Summaries

__all__ = [
    "Characters",
    "GeneratedPairs",
    "InterpolatedNGrams",
    "NumbersToWords",
    "PairBatch",
    "ReorderedLanguage",
    "Summaries",
    "TranslationFiles",
    "TranslationTask",
    "english_words",
    "german_words",
]
