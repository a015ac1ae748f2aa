"""What a decoder can write: the characters of a reader, the words of a captioner, each with its class."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .direction import has_right_to_left, turned, visual_order


class SymbolChange(NamedTuple):
    """What became of the symbols when one set was exchanged for another.

    Attributes:
        kept: in both; their rows were taken over.
        added: new; their rows are fresh and need training.
        dropped: no longer there; their rows are gone.
    """

    kept: tuple[str, ...]
    added: tuple[str, ...]
    dropped: tuple[str, ...]

    def __str__(self) -> str:
        """One line, naming at most ten symbols of each kind."""
        parts = [f"{len(self.kept)} kept"]
        parts += [
            f"{len(names)} {kind} ({', '.join(map(repr, names[:10]))}{', ...' if len(names) > 10 else ''})"
            for kind, names in (("added, untrained", self.added), ("dropped", self.dropped))
            if names
        ]
        return "; ".join(parts)


class Charset:
    """The characters of a reader; character n (from 0) is class n + 1, and 0 is start, end and CTC's blank.

    Characters are code points in Unicode's composed form (NFC). Nothing is folded and nothing is dropped: case,
    spaces, backslashes and combining marks stay as they are.

    Args:
        characters: each once, in any order.

    Raises:
        ValueError: no character, one twice, or one that is not in NFC.
    """

    reserved = 1

    def __init__(self, characters: str):
        if not isinstance(characters, str):
            raise ValueError(f"charset is {characters!r}, but must be one text (in a YAML file: put quotes around it)")
        if not characters:
            raise ValueError("charset is empty, but needs at least one character")
        for character in characters:
            composed = unicodedata.normalize("NFC", character)
            if composed != character:
                raise ValueError(f"charset holds {_named(character)}, which is not in NFC: write {composed!r} instead")
        twice = _first_repeat(characters)
        if twice is not None:
            raise ValueError(f"charset holds {_named(twice)} twice: give each character once")
        self.characters = characters
        self.classes = {character: n + 1 for n, character in enumerate(characters)}

    @property
    def symbols(self) -> tuple[str, ...]:
        """The characters, in the order of their classes."""
        return tuple(self.characters)

    def __len__(self) -> int:
        """Classes, the reserved one included."""
        return len(self.characters) + 1

    def encode(self, text: str) -> list[int]:
        """The classes of a text, after NFC, in the order in which they stand on the page from the left.

        Raises:
            ValueError: a character is not in the charset; the message names it.
        """
        text = unicodedata.normalize("NFC", text)
        for character in text:
            if character not in self.classes:
                raise ValueError(
                    f"{text!r} holds {_named(character)}, which is not among the charset's {len(self.characters)} "
                    "characters: add it (change_charset keeps what was learnt), or leave the text out"
                )
        return [self.classes[character] for character in self._turned(text)]

    def decode(self, classes: Iterable[int]) -> str:
        """The text in NFC and logical order of classes 1 and above, from the left."""
        return unicodedata.normalize("NFC", self._turned("".join(self.characters[n - 1] for n in classes)))

    def decoded_places(self, classes: Sequence[int]) -> list[list[int]]:
        """For each character of :meth:`decode`'s text the places of the classes that it was made of."""
        shown = "".join(self.characters[n - 1] for n in classes)
        order, text = visual_order(shown), self._turned(shown)
        places: list[list[int]] = []
        for n, place in enumerate(order):
            composed = len(unicodedata.normalize("NFC", text[: n + 1]))
            if composed > len(places):
                places.append([place])
            else:
                places[-1].append(place)
        return places

    def _turned(self, text: str) -> str:
        """A text as it stands on the page, or back; a bracket whose mirror image is unknown stays as it is."""
        if not has_right_to_left(text):
            return text
        return "".join(new if new in self.classes else text[old] for new, old in zip(turned(text), visual_order(text)))

    def to_tensor(self) -> Tensor:
        """The characters as code points, int64: a tensor, so that checkpoints load without pickle."""
        return torch.tensor([ord(character) for character in self.characters])

    @classmethod
    def from_tensor(cls, codes: Tensor) -> "Charset":
        """What :meth:`to_tensor` gave."""
        return cls("".join(map(chr, codes.tolist())))


class Vocabulary:
    """The words of a captioner; 0 is start and end, 1 stands for any unknown word, word n (from 0) is n + 2.

    Args:
        words: each once, in any order, none of them empty; kept in Unicode's composed form (NFC).

    Raises:
        ValueError: no word, an empty one, or one twice.
    """

    reserved = 2
    unknown = "<unknown>"

    def __init__(self, words: Sequence[str]):
        if isinstance(words, str):
            raise ValueError(f"vocabulary is the text {words[:20]!r}, but must be a list of words")
        self.words = tuple(words)
        if not self.words:
            raise ValueError("vocabulary is empty, but needs at least one word")
        for word in self.words:
            if not isinstance(word, str) or not word or "\0" in word or word == self.unknown:
                raise ValueError(f"vocabulary holds {word!r}, which is no word: leave it out")
        self.words = tuple(unicodedata.normalize("NFC", word) for word in self.words)
        twice = _first_repeat(self.words)
        if twice is not None:
            raise ValueError(f"vocabulary holds {twice!r} twice: give each word once")
        self.classes = {word: n + 2 for n, word in enumerate(self.words)}

    @property
    def symbols(self) -> tuple[str, ...]:
        """The words, in the order of their classes."""
        return self.words

    def __len__(self) -> int:
        """Classes, the reserved ones included."""
        return len(self.words) + 2

    def encode(self, words: Iterable[str]) -> list[int]:
        """The classes of words, after NFC; 1 for those that are unknown."""
        return [self.classes.get(unicodedata.normalize("NFC", word), 1) for word in words]

    def decode(self, classes: Iterable[int]) -> tuple[str, ...]:
        """The words of classes 1 and above; :attr:`unknown` for 1."""
        return tuple(self.unknown if n == 1 else self.words[n - 2] for n in classes)

    def to_tensor(self) -> Tensor:
        """The words in UTF-8 with zeros between, uint8: a tensor, so that checkpoints load without pickle."""
        return torch.tensor(list("\0".join(self.words).encode()), dtype=torch.uint8)

    @classmethod
    def from_tensor(cls, codes: Tensor) -> "Vocabulary":
        """What :meth:`to_tensor` gave."""
        return cls(bytes(codes.tolist()).decode().split("\0"))


Symbols = Charset | Vocabulary


def compare(old: Symbols, new: Symbols) -> SymbolChange:
    """What is shared by two sets of symbols."""
    return SymbolChange(
        tuple(symbol for symbol in new.symbols if symbol in old.classes),
        tuple(symbol for symbol in new.symbols if symbol not in old.classes),
        tuple(symbol for symbol in old.symbols if symbol not in new.classes),
    )


def remap_rows(rows: Tensor, old: Symbols, fresh: Tensor, new: Symbols) -> Tensor:
    """``fresh`` (new classes, ...) with the rows (old classes, ...) of shared symbols and of the reserved classes."""
    kept = [(old.classes[symbol], new.classes[symbol]) for symbol in new.symbols if symbol in old.classes]
    kept += [(n, n) for n in range(new.reserved)]
    source, target = (torch.tensor(places, device=rows.device) for places in zip(*kept))
    return fresh.to(rows).index_copy(0, target, rows[source])


def exchange_tables(tables: Iterable[nn.Module], old: Symbols, new: Symbols) -> None:
    """Give embeddings and linear layers, one row a class, the rows of ``new``; shared symbols keep theirs."""
    for table in tables:
        size = len(new)
        if isinstance(table, nn.Embedding):
            fresh = nn.Embedding(size, table.embedding_dim)
            table.num_embeddings = size
        else:
            assert isinstance(table, nn.Linear)
            fresh = nn.Linear(table.in_features, size, bias=table.bias is not None)
            table.out_features = size
        for name, parameter in list(table.named_parameters(recurse=False)):
            rows = remap_rows(parameter.detach(), old, getattr(fresh, name).detach(), new)
            setattr(table, name, nn.Parameter(rows, requires_grad=parameter.requires_grad))


def _first_repeat(symbols: Sequence[str]) -> str | None:
    seen: set[str] = set()
    for symbol in symbols:
        if symbol in seen:
            return symbol
        seen.add(symbol)
    return None


def _named(character: str) -> str:
    """A character, and its code point and name, as some look alike or like nothing."""
    return f"{character!r} (U+{ord(character):04X} {unicodedata.name(character, 'without a name')})"
