"""Tasks of language: the next character, a sentence in other words, a label of a text, a tag for each word."""

from memnets_tasks.language.characters import Characters
from memnets_tasks.language.conllu import ConlluTagging, read_conllu
from memnets_tasks.language.labelled_csv import LabelledCSV
from memnets_tasks.language.names import Names
from memnets_tasks.language.ngrams import InterpolatedNGrams
from memnets_tasks.language.number_words import NumbersToWords, english_words, german_words
from memnets_tasks.language.pair_files import TranslationFiles
from memnets_tasks.language.pairs import GeneratedPairs, PairBatch, TranslationTask
from memnets_tasks.language.reordered import ReorderedLanguage
from memnets_tasks.language.sentiment import Sentiment
from memnets_tasks.language.summaries import Summaries
from memnets_tasks.language.tagging import AgreementTagging

__all__ = [
    "AgreementTagging",
    "Characters",
    "ConlluTagging",
    "GeneratedPairs",
    "InterpolatedNGrams",
    "LabelledCSV",
    "Names",
    "NumbersToWords",
    "PairBatch",
    "ReorderedLanguage",
    "Sentiment",
    "Summaries",
    "TranslationFiles",
    "TranslationTask",
    "english_words",
    "german_words",
    "read_conllu",
]
