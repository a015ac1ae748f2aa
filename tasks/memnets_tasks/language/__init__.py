"""Tasks of language: characters of a text, one after another."""

from memnets_tasks.language.characters import Characters
from memnets_tasks.language.ngrams import InterpolatedNGrams

__all__ = ["Characters", "InterpolatedNGrams"]
