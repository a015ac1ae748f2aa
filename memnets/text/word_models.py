"""Models that write words: their vocabulary, how it is saved, and how it is exchanged."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..base.task import Task
from .charset import SymbolChange, Vocabulary
from .symbol_tables import WithSymbols


class WithVocabulary(WithSymbols[Vocabulary]):
    """A module that writes words; a subclass calls :meth:`set_vocabulary` and defines ``table_names``.

    Attributes:
        beam_size: sentences kept while ``predict`` searches; 1 is greedy.
    """

    config: dict[str, Any]
    beam_size: int = 1

    def set_vocabulary(self, vocabulary: Sequence[str]) -> None:
        """Take the words it is made with; see :class:`Vocabulary` for what is refused."""
        self.symbols = Vocabulary(vocabulary)
        self.config["vocabulary"] = list(self.symbols.words)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words it can write."""
        return self.symbols.words

    def change_vocabulary(self, vocabulary: Sequence[str]) -> SymbolChange:
        """Use other words from now on; those shared keep what was learnt. Make the optimiser afterwards.

        Returns:
            Which words were kept, which are new and untrained, and which were dropped.
        """
        change = self.exchange(Vocabulary(vocabulary))
        self.config["vocabulary"] = list(vocabulary)
        return change

    def check_task(self, task: Task) -> None:
        """Raise ValueError unless the task is answered in words, all of which the model has."""
        self.check_symbols("vocabulary", task.vocabulary, task)

    @classmethod
    def symbols_of(cls, codes: Tensor) -> dict[str, Any]:
        """``vocabulary`` of a checkpoint."""
        return {"vocabulary": list(Vocabulary.from_tensor(codes).words)}


def words_of(sentence: str | Sequence[str]) -> Sequence[str]:
    """A sentence as its words; a text is split at white space."""
    return sentence.split() if isinstance(sentence, str) else sentence
