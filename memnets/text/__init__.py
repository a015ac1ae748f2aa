"""Text: character sets, vocabularies, and models that hold a row a symbol."""

from .charset import Charset, SymbolChange, Vocabulary
from .symbol_tables import WithSymbols

__all__ = ["Charset", "SymbolChange", "Vocabulary", "WithSymbols"]
