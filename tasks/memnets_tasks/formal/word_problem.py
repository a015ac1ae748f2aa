"""Word problems of finite groups: the product of all elements so far, at each step."""

import functools
import itertools
import math
from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.base import Batch
from memnets_tasks.formal._strings import one_hot, random_symbols
from memnets_tasks.formal.symbols import SymbolTask

_MOST = 720
"""Elements of the largest group."""


@final
class WordProblem(SymbolTask):
    """State tracking: given elements of a group, output the product of all so far at each step.

    Merrill et al. 2024, "The Illusion of State in State-Space Models" (arXiv:2404.08819); trained on 128 elements and
    tested on up to 512 as in Siems et al. 2025, "DeltaProduct" (arXiv:2502.10297). A sequence of ``length`` n has T = n
    steps:

    | step | inputs    | targets                      | scored |
    |------|-----------|------------------------------|--------|
    | t    | element t | element 0 and so on to t, one after the other | yes |

    Elements of S and A are permutations, written as what they put at each place; the product of two puts the second's
    after the first's: place i holds ``second[first[i]]``. Elements of Z are numbers, added modulo their count. To know
    the product so far is all that is needed; of S3, S5, A5 and Z60, those of five are not solvable groups, whose word
    problems are complete for NC1 (Barrington 1989). ``input_size`` and ``output_size`` are the
    number of elements; chance is 1 of as many.

    Args:
        group: S, A or Z with a number: "S3", "S5" (all permutations of 5), "A5" (the even ones), "Z60" (cyclic).
        min_length: Fewest elements in training.
        max_length: Most elements in training.
        evaluation_lengths: Elements at which generalisation is measured.

    Raises:
        ValueError: If there is no such group, or one of more than 720 elements; a length is below 1, or ``max_length``
            below ``min_length``.
    """

    def __init__(
        self,
        *,
        group: str = "S5",
        min_length: int = 128,
        max_length: int = 128,
        evaluation_lengths: tuple[int, ...] = (128, 256, 512),
    ) -> None:
        self.group = group
        names, table = group_table(group)
        self.symbols = self.answers = names
        self._table = torch.tensor(table)  # (G, G)
        self.input_size = self.output_size = len(names)
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="elements")

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of uniform elements, and their products.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Elements: one number for all sequences, or ``(B,)``, int64. At least 1.
            generator: Source of randomness; the tensors are made on its device.

        Returns:
            The batch; its ``lengths`` are ``length`` steps.

        Raises:
            ValueError: If ``batch_size`` or a length is below 1, or ``length`` has another shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=1, unit=self.length_unit)
        longest = int(length.max())
        elements = random_symbols(self.input_size, (batch_size, longest), generator)
        table, products, reach = self._table.to(device), elements, 1
        while reach < longest:  # each product is of so many elements, or of all up to its step
            joined = table[products[:, :-reach], products[:, reach:]]
            products = torch.cat([products[:, :reach], joined], dim=1)
            reach *= 2
        mask = steps(longest, device) < length.unsqueeze(1)
        return Batch(one_hot(elements, self.input_size, mask), one_hot(products, self.output_size, mask), mask, length)


@functools.lru_cache(maxsize=8)
def group_table(group: str) -> tuple[tuple[str, ...], list[list[int]]]:
    """The names of a group's elements, the identity first, and the product of each two as its index.

    Raises:
        ValueError: If there is no such group, or one of more than 720 elements.
    """
    kind, digits = group[:1], group[1:]
    count = int(digits) if digits.isdecimal() and len(digits) < 4 else 0
    order = {"S": math.factorial(min(count, 7)), "A": math.factorial(min(count, 7)) // 2, "Z": count}.get(kind, 0)
    if not 1 < order <= _MOST or not count > 1:
        raise ValueError(
            f"group is {group!r}; give S, A or Z with a number, 2 to {_MOST} elements in all: S3, A5, S5, Z60"
        )
    if kind == "Z":
        return tuple(map(str, range(count))), [[(a + b) % count for b in range(count)] for a in range(count)]
    elements = [p for p in itertools.permutations(range(count)) if kind == "S" or _even(p)]
    index = {p: i for i, p in enumerate(elements)}
    table = [[index[tuple(second[i] for i in first)] for second in elements] for first in elements]
    return tuple("".join(map(str, p)) for p in elements), table


def _even(permutation: tuple[int, ...]) -> bool:
    """Whether an even number of swaps makes a permutation."""
    return sum(a > b for a, b in itertools.combinations(permutation, 2)) % 2 == 0
