"""Associative recall: shown one item of a list, output the item that followed it."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import bit_text, random_bits, steps
from memnets_tasks.algorithmic.binary import BinaryTask
from memnets_tasks.base import Batch


@final
class AssociativeRecall(BinaryTask):
    """The associative recall task: a list of items, a query with one of them, the answer is the next.

    Graves et al. 2014, section 4.3 (arXiv:1410.5401). An item is ``item_length`` K random vectors. A sequence
    of ``length`` n items is n + 2 blocks of K + 1 steps each, T = (n + 2) (K + 1):

    | block      | first step: channel that is 1 | then K steps: bit channels | targets           | scored |
    |------------|-------------------------------|----------------------------|-------------------|--------|
    | 0 to n - 1 | item delimiter                | item                       | 0                 | no     |
    | n          | query delimiter               | queried item q             | 0                 | no     |
    | n + 1      | query delimiter               | 0                          | item q + 1        | K steps |

    The query q is uniform over the items but the last, which none follows. ``input_size`` is bits + 2 (item
    delimiter, then query delimiter, are the last channels), ``output_size`` is bits.

    Items are drawn independently, as in the paper, so two items of a list may be equal and the query
    ambiguous: at 20 items of 18 bits, fewer than one sequence in a thousand.

    Args:
        bits: Bits of each vector.
        item_length: Vectors of each item.
        min_items: Fewest items in training.
        max_items: Most items in training.
        evaluation_lengths: Items at which generalisation is measured; the paper goes to 20.

    Raises:
        ValueError: If ``bits`` or ``item_length`` is below 1, a number of items below 2, or ``max_items`` below
            ``min_items``.
    """

    def __init__(
        self,
        *,
        bits: int = 6,
        item_length: int = 3,
        min_items: int = 2,
        max_items: int = 6,
        evaluation_lengths: tuple[int, ...] = (6, 8, 10, 12, 15, 20),
    ) -> None:
        check_at_least("bits", bits, 1)
        check_at_least("item_length", item_length, 1)
        self.bits = bits
        self.item_length = item_length
        self.input_size = bits + 2
        self.output_size = bits
        names = ("min_items", "max_items")
        set_lengths(self, min_items, max_items, evaluation_lengths, unit="items", least=2, names=names)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of lists and queries.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Items of a list: one number for all sequences, or ``(B,)``, int64. At least 2.
            generator: Source of randomness; the tensors are made on its device.

        Returns:
            The batch; its ``lengths`` are ``(length + 2) * (item_length + 1)`` steps.

        Raises:
            ValueError: If ``batch_size`` is below 1 or a length below 2 (one item to query, one to answer), or
                ``length`` has another shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=2, unit=self.length_unit)
        n = length.unsqueeze(1)  # (B, 1)
        blocks = int(length.max()) + 2  # P
        k = self.item_length

        items = random_bits((batch_size, blocks - 2, k, self.bits), generator)  # (B, P - 2, K, bits)
        # The largest draw is 1 - 2**-24; times n - 1 it rounds to a float32 below n - 1, never to n - 1.
        draws = torch.rand((batch_size, 1), generator=generator, device=device, dtype=torch.float32)
        query = (draws * (n - 1)).long()  # (B, 1)

        p = steps(blocks, device)  # (1, P)
        listed, asked, answered = p < n, p == n, p == n + 1  # (B, P) each
        source = torch.where(listed, p, torch.where(answered, query + 1, query))  # (B, P)
        sequence = torch.arange(batch_size, device=device).unsqueeze(1)  # (B, 1)
        vectors = items[sequence, source]  # (B, P, K, bits)

        inputs = vectors.new_zeros(batch_size, blocks, 1 + k, self.input_size)
        inputs[:, :, 1:, : self.bits] = vectors * (listed | asked)[:, :, None, None]
        inputs[:, :, 0, self.bits] = listed.float()
        inputs[:, :, 0, self.bits + 1] = (asked | answered).float()
        targets = vectors.new_zeros(batch_size, blocks, 1 + k, self.bits)
        targets[:, :, 1:] = vectors * answered[:, :, None, None]
        mask = torch.zeros(batch_size, blocks, 1 + k, dtype=torch.bool, device=device)
        mask[:, :, 1:] = answered.unsqueeze(-1)
        return Batch(
            inputs.flatten(1, 2),  # (B, T, bits + 2)
            targets.flatten(1, 2),  # (B, T, bits)
            mask.flatten(1, 2),  # (B, T)
            (length + 2) * (k + 1),
        )

    def text(self, batch: Batch, index: int) -> str:
        """The items of one sequence, the one that is queried, and the one that is wanted."""
        blocks = batch.inputs[index, : batch.lengths[index], : self.bits].unflatten(0, (-1, 1 + self.item_length))
        *items, query, _ = [bit_text(block[1:]) for block in blocks]  # without the delimiter of each
        wanted = bit_text(batch.targets[index][batch.mask[index]])
        return f"given {', '.join(items)}; query {query}; wanted {wanted}"
