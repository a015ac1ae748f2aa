"""Text: character sets, vocabularies, and models that hold a row a symbol."""

from .charset import Charset, SymbolChange, Vocabulary
from .code_features import FEATURES, code_features
from .symbol_tables import WithSymbols

__all__ = ["FEATURES", "Charset", "SymbolChange", "Vocabulary", "WithSymbols", "code_features"]
