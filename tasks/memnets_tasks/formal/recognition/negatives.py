"""Strings that are not in a language: random ones, and strings of the language with a few edits."""

import torch
from torch import Tensor

from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.formal._strings import random_symbols, reject_until, take_symbols
from memnets_tasks.formal.recognition.language import Language

_INSERT, _REPLACE, _DELETE = range(3)


def draw_negatives(language: Language, limit: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw strings that are not in a language.

    Butoi et al. 2025, section 4: half of the candidates are uniform strings, the others strings of the language after
    as many edits as a geometric distribution of 1/2 gives; those that are in the language are drawn again.

    Args:
        language: The language.
        limit: ``(B,)``, int64, how many symbols uniform strings have, and edited ones at most.
        generator: Source of randomness.

    Returns:
        The strings ``(B, S)`` and their lengths ``(B,)``.

    Raises:
        ValueError: If no such string is found.
    """
    longest, kinds = int(limit.max()), len(language.symbols)

    def draw(rows: Tensor) -> tuple[list[Tensor], Tensor]:
        most = limit[rows]
        uniform = random_symbols(kinds, (len(rows), longest), generator)
        length = language.nearest_length(most)
        positive = language.draw(length, generator)
        positive = torch.nn.functional.pad(positive, (0, longest - positive.shape[1]))
        edited, left = edit(positive, length, most, kinds, generator)
        perturbed = random_symbols(2, (len(rows),), generator).bool()
        string = torch.where(perturbed.unsqueeze(1), edited, uniform)
        length = torch.where(perturbed, left, most)
        return [string, length], ~language.contains(string, length)

    string, length = reject_until(draw, len(limit), limit.device, tries=4)
    return string, length


def edit(
    string: Tensor, length: Tensor, limit: Tensor, kinds: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Insert, replace or delete symbols at random places, each as likely where it can be done.

    Args:
        string: ``(B, S)``.
        length: ``(B,)``, symbols of each.
        limit: ``(B,)``, up to which symbols may be inserted, at most S.
        kinds: Symbols that there are, at least 2; a symbol is replaced by another.
        generator: Source of randomness.

    Returns:
        The strings ``(B, S)`` and their lengths ``(B,)``.
    """
    draws = torch.rand((3, len(length)), generator=generator, device=length.device, dtype=torch.float64)
    edits = 1 + (-torch.log2(1 - draws[0])).long()  # geometric
    rounds = int(edits.max())
    draws = torch.rand((2, rounds, len(length), 1), generator=generator, device=length.device, dtype=torch.float64)
    symbols = random_symbols(kinds, (rounds, len(length), 1), generator)
    others = 1 + random_symbols(kinds - 1, (rounds, len(length), 1), generator)
    places = steps(string.shape[1], string.device)
    size, most, edits = length.unsqueeze(1), limit.unsqueeze(1), edits.unsqueeze(1)
    for number in range(rounds):
        kind = _choose(draws[0, number], size, most)
        kind = torch.where(edits > number, kind, -1)
        insert, delete = kind == _INSERT, kind == _DELETE
        place = (draws[1, number] * (size + insert.long())).long()
        symbol = torch.where(insert, symbols[number], (take_symbols(string, place) + others[number]) % kinds)
        source = places - (insert & (places > place)).long() + (delete & (places >= place)).long()
        written = (insert | (kind == _REPLACE)) & (places == place)
        string = torch.where(written, symbol, take_symbols(string, source))
        size = size + insert.long() - delete.long()
    return string, size.squeeze(1)


def _choose(draw: Tensor, size: Tensor, limit: Tensor) -> Tensor:
    """One of the edits that can be done to strings of so many symbols, by a uniform draw: ``(B, 1)``; -1 if none."""
    insert, rest = (size < limit).long(), (size > 0).long()
    chosen = (draw * (insert + 2 * rest)).long() + 1 - insert  # replacing and deleting need a symbol
    return torch.where(insert + rest > 0, chosen, -1)
