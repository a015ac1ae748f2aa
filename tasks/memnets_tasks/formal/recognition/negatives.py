"""Strings that are not in a language: random ones, and strings of the language with a few edits."""

import torch
from torch import Tensor

from memnets_tasks.formal._strings import random_below, random_symbols, reject_until
from memnets_tasks.formal.recognition.language import Language

_INSERT, _REPLACE, _DELETE = range(3)


def draw_positives(language: Language, limit: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw strings of a language, of the greatest lengths up to ``limit (B,)``: ``(B, S)``, and these lengths."""
    length = language.nearest_length(limit)
    return language.draw(length, generator), length


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
        length = limit[rows]
        string = random_symbols(kinds, (len(rows), longest), generator)
        perturbed = random_symbols(2, (len(rows),), generator).nonzero().squeeze(1)
        if len(perturbed):
            most = length[perturbed]
            positive, own = draw_positives(language, most, generator)
            positive = torch.nn.functional.pad(positive, (0, longest - positive.shape[1]))
            edits = draw_edit_counts(len(perturbed), generator)
            edited, left = edit(positive, own, most, edits, kinds, generator)
            string.index_copy_(0, perturbed, edited)
            length = length.index_copy(0, perturbed, left)
        return [string, length], ~language.contains(string, length)

    string, length = reject_until(draw, len(limit), limit.device)
    return string, length


def draw_edit_counts(count: int, generator: torch.Generator) -> Tensor:
    """How many edits to make, 1 with a chance of 1/2, 2 of 1/4 and so on: ``(count,)``, int64."""
    draws = torch.rand(count, generator=generator, device=generator.device, dtype=torch.float64)
    return 1 - torch.log2(1 - draws).ceil().long()


def edit(
    string: Tensor, length: Tensor, limit: Tensor, edits: Tensor, kinds: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Insert, replace or delete symbols at random places, each as likely where it can be done.

    Args:
        string: ``(B, S)``.
        length: ``(B,)``, symbols of each.
        limit: ``(B,)``, up to which symbols may be inserted, 1 to S.
        edits: ``(B,)``, how many edits to make, one after the other.
        kinds: Symbols that there are, at least 2; a symbol is replaced by another.
        generator: Source of randomness.

    Returns:
        The strings ``(B, S)`` and their lengths ``(B,)``.
    """
    order = edits.argsort(descending=True)  # strings that are done with stand at the end
    string, size, edits = string[order], length[order], edits[order]
    kind, sizes, size = _choose(edits, size, limit[order], generator)  # (R, B) twice, (B,)
    due = _due(edits, len(kind))
    counts = due.sum(1).tolist()
    kind, sizes = kind[due], sizes[due]  # (E,) each: the edits of all strings, round by round
    insert, shift = kind == _INSERT, kind - _REPLACE  # what stands after the place comes from a symbol before or after
    place = random_below(sizes + insert, generator)
    symbol = random_symbols(kinds, tuple(kind.shape), generator)
    change = (1 + random_symbols(kinds - 1, tuple(kind.shape), generator)) * (kind == _REPLACE)

    # What is inserted is taken from columns past the string, which hold each symbol once.
    columns = string.shape[1]
    places, place = torch.arange(columns, device=length.device), place.unsqueeze(1)
    source = torch.where(places < place, places, places + shift.unsqueeze(1))  # (E, S)
    source.scatter_(1, place, torch.where(insert, columns + symbol, place.squeeze(1) + shift).unsqueeze(1))
    string = torch.cat([string, torch.arange(kinds, device=length.device).expand(len(string), -1)], dim=1)
    for origin, at, step in zip(source.split(counts), place.split(counts), change.unsqueeze(1).split(counts)):
        string[: len(origin), :columns] = string[: len(origin)].gather(1, origin)
        string[: len(origin)].scatter_add_(1, at, step)
    return _unsorted(string[:, :columns] % kinds, order), _unsorted(size, order)


def _unsorted(rows: Tensor, order: Tensor) -> Tensor:
    """Rows taken in an order, in their first order again."""
    return torch.empty_like(rows).index_copy_(0, order, rows)


def _due(edits: Tensor, rounds: int) -> Tensor:
    """Which strings have an edit in each round: ``(R, B)``, bool."""
    return torch.arange(rounds, device=edits.device).unsqueeze(1) < edits


def _choose(edits: Tensor, length: Tensor, limit: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """What each edit does, of what can be done to a string of so many symbols; how many these are before, and at last.

    Edits past a string's last are replacements, which change no length.
    """
    rounds = int(edits.max())
    draws = torch.rand((rounds, len(length)), generator=generator, device=length.device)
    due = _due(edits, rounds)
    if_short = torch.where(due, (3 * draws).long(), _REPLACE)
    if_full = torch.where(due, 1 + (2 * draws).long(), _REPLACE)
    if_empty = torch.where(due, _INSERT, _REPLACE)
    kinds, sizes = [], []
    for short, full, empty in zip(if_short, if_full, if_empty):
        kinds.append(torch.where(length < limit, torch.where(length > 0, short, empty), full))
        sizes.append(length)
        length = length + (1 - kinds[-1])
    return torch.stack(kinds), torch.stack(sizes), length
