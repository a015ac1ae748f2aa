"""Multi-query associative recall: pairs of a key and a value, then the keys again among other tokens."""

import copy
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from memnets.base.task import check_batch_size
from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._draw import distinct
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.base import Batch, Splits
from memnets_tasks.token_task import TokenTask

TRAINING = ((64, 4), (128, 8), (256, 16), (256, 32), (256, 64))
SHARES = (100, 20, 20, 20, 20)
TEST = ((64, 4), (64, 8), (64, 16), (128, 32), (256, 64), (512, 64), (512, 128), (1024, 256))


@final
class MQAR(TokenTask):
    """Multi-query associative recall (MQAR): pairs of key and value, then each key, whose value is wanted.

    Arora, Eyuboglu et al. 2023, "Zoology" (arXiv:2312.04927), in the format of its code. A sequence of ``length`` T
    tokens with P pairs of V tokens in all:

    | steps          | inputs                                       | targets            | scored      |
    |----------------|----------------------------------------------|--------------------|-------------|
    | 0 to 2 P - 1   | key, value, key, value, ...                  | 0                  | no          |
    | 2 P to T - 1   | each key once more, at an even step; between | the key's value    | at each key |
    |                | them any tokens                              |                    |             |

    Keys are different tokens of 1 to V / 2 - 1, values different tokens of V / 2 to V - 1. A query is n token pairs
    after the list with a probability that falls with n as n^(power - 1), and the keys that were listed first are drawn
    first. A slice is a length and a number of pairs; its score is ``accuracy_length<T>_pairs<P>``. Training draws a
    slice of ``slices`` by ``shares``; ``splits().test`` has ``test_slices``. Of a length that no slice has, the pairs
    are those of the next shorter slice, as far as they fit in.

    Args:
        vocabulary: V, tokens in all.
        slices: Length and pairs of each kind of training sequence.
        shares: How often each is drawn, beside the others; the code has these thousands of examples of each.
        test_slices: Length and pairs of each kind of test sequence, all drawn alike.
        power: Exponent of the distances; 1 has them uniform.
        random_fill: Whether the steps between queries hold random tokens, and not 0.
        evaluation_lengths: Lengths at which generalisation is measured; None for those of ``test_slices``.

    Raises:
        ValueError: If a length is odd, below four times its pairs or not below ``vocabulary``, a number of pairs or a
            share is below 1, or there are not as many shares as slices.
    """

    def __init__(
        self,
        *,
        vocabulary: int = 8192,
        slices: Sequence[tuple[int, int]] = TRAINING,
        shares: Sequence[int] = SHARES,
        test_slices: Sequence[tuple[int, int]] = TEST,
        power: float = 0.01,
        random_fill: bool = True,
        evaluation_lengths: Sequence[int] | None = None,
    ) -> None:
        self.slices = tuple((length, pairs) for length, pairs in slices)
        self.test_slices = tuple((length, pairs) for length, pairs in test_slices)
        self.shares = tuple(shares)
        for length, pairs in self.slices + self.test_slices:
            check_at_least(f"slice {(length, pairs)}: pairs", pairs, 1)
            if length % 2 or length < 4 * pairs or length >= vocabulary:
                raise ValueError(
                    f"slice {(length, pairs)} has length {length}; give an even one from 4 * pairs = {4 * pairs} to "
                    f"below the vocabulary of {vocabulary}"
                )
        if len(self.shares) != len(self.slices) or not self.slices or min(self.shares) < 1:
            raise ValueError(f"shares is {self.shares}; give a share of at least 1 for each of {self.slices}")
        if not self.test_slices:
            raise ValueError("test_slices is empty; give at least one, such as (64, 4)")
        if not 0 < power <= 1:
            raise ValueError(f"power is {power}; give more than 0, and 1 at most")
        self.vocabulary = self.output_size = vocabulary
        self.power, self.random_fill = power, random_fill
        lengths = [length for length, _ in self.slices]
        tested = evaluation_lengths or sorted({length for length, _ in self.test_slices})
        set_lengths(self, min(lengths), max(lengths), tested, unit="tokens", least=4)

    def splits(self) -> Splits:
        """Validation is of the training slices, and the test of ``test_slices``."""
        test = copy.copy(self)
        test.slices, test.shares = self.test_slices, (1,) * len(self.test_slices)
        return Splits(validation=self, test=test)

    def sample_lengths(self, batch_size: int, generator: torch.Generator, max_length: int | None = None) -> Tensor:
        """Draw the lengths of slices: ``(B,)``, int64.

        Args:
            batch_size: Number of lengths, ``B``.
            generator: Source of randomness; the lengths are made on its device.
            max_length: Cap on the length; slices above it are not drawn.

        Raises:
            ValueError: If ``batch_size`` is below 1, or the cap is below every slice.
        """
        check_batch_size(batch_size)
        cap = self.max_length if max_length is None else min(max_length, self.max_length)
        weights = torch.tensor([share * (length <= cap) for share, (length, _) in zip(self.shares, self.slices)])
        if not weights.any():
            raise ValueError(f"max_length is {max_length}, below every slice; give at least {self.min_length} tokens")
        drawn = weights.float().to(generator.device).multinomial(batch_size, replacement=True, generator=generator)
        return torch.tensor([length for length, _ in self.slices], device=generator.device)[drawn]

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of lists and queries.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Tokens: one number for all sequences, or ``(B,)``, int64. Even, and at least 4.
            generator: Source of randomness; the tensors are made on its device.

        Returns:
            The batch, tokens and classes int64.

        Raises:
            ValueError: If ``batch_size`` is below 1, a length is odd, below 4 or not below the vocabulary, or
                ``length`` has another shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=4, unit=self.length_unit)
        if (length % 2).any() or int(length.max()) >= self.vocabulary:
            raise ValueError(f"length is {length.tolist()}; give even lengths below the vocabulary {self.vocabulary}")
        pairs = self._draw_pairs(length, generator)  # (B,)
        most, half = int(pairs.max()), self.vocabulary // 2
        keys = 1 + distinct((batch_size,), most, half - 1, generator)  # (B, P)
        values = half + distinct((batch_size,), most, self.vocabulary - half, generator)  # (B, P)
        listed = torch.stack([keys, values], dim=-1).flatten(1)  # (B, 2 P)

        t = steps(length.max(), device)  # (1, T)
        context, inside = 2 * pairs.unsqueeze(1), t < length.unsqueeze(1)  # (B, 1), (B, T)
        fill = torch.randint(self.vocabulary, inside.shape, generator=generator, device=device)
        head = listed.gather(1, t.clamp_max(2 * most - 1).expand(batch_size, -1))
        inputs = torch.where(t < context, head, fill * inside * self.random_fill)  # (B, T)

        queries = context + 2 * self._draw_gaps(length, pairs, most, generator)  # (B, P), the steps of the keys
        asked = steps(most, device) < pairs.unsqueeze(1)  # (B, P)
        queries = torch.where(asked, queries, t.shape[1])  # pairs that a sequence has not go past the end
        inputs = _placed(inputs, queries, keys)
        targets = _placed(torch.zeros_like(inputs), queries, values)
        mask = _placed(torch.zeros_like(inputs), queries, torch.ones_like(keys)).bool()
        return Batch(inputs, targets, mask, length)

    def _draw_pairs(self, length: Tensor, generator: torch.Generator) -> Tensor:
        """Pairs of each sequence ``(B,)``: those of a slice of its length, or of the next shorter one that there is."""
        table = torch.tensor(self.slices, device=length.device)  # (S, 2)
        shares = torch.tensor(self.shares, device=length.device, dtype=torch.float32)
        known = table[:, 0].unique()  # sorted
        place = torch.searchsorted(known, length, right=True) - 1
        weights = shares * (table[:, 0] == known[place.clamp_min(0)].unsqueeze(1))  # (B, S)
        drawn = weights.multinomial(1, generator=generator).squeeze(1)
        return table[drawn, 1].minimum(length // 4)

    def _draw_gaps(self, length: Tensor, pairs: Tensor, most: int, generator: torch.Generator) -> Tensor:
        """Token pairs between the list and each query ``(B, P)``, drawn by the power law one after the other."""
        space = (length // 2 - pairs).unsqueeze(1)  # (B, 1)
        n = steps(space.max(), length.device) + 1  # (1, n)
        draws = torch.rand((len(length), n.shape[1]), generator=generator, device=length.device)
        gumbel = -(-draws.clamp_min(1e-30).log()).log()  # the largest of log p + Gumbel are drawn without replacement
        ranked = ((self.power - 1) * n.log() + gumbel).masked_fill(n > space, -torch.inf)
        return ranked.topk(most, dim=1).indices

    def slice_masks(self, batch: Batch) -> dict[str, Tensor]:
        """The sequences ``(B, 1)`` of each length and number of pairs."""
        pairs = batch.mask.sum(1, keepdim=True)
        length = batch.lengths.unsqueeze(1)
        return {f"length{t}_pairs{p}": (length == t) & (pairs == p) for t, p in dict.fromkeys(self.slices)}

    def text(self, batch: Batch, index: int) -> str:
        """The pairs of one sequence, and the keys that are asked for with the values that are wanted."""
        inputs, targets, mask = batch.inputs[index], batch.targets[index], batch.mask[index]
        listed = inputs[: 2 * int(mask.sum())].view(-1, 2).tolist()
        wanted = zip(inputs[mask].tolist(), targets[mask].tolist())
        return f"given {_pairs_text(listed)}; wanted {_pairs_text(wanted)}"


def _placed(rows: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """Rows ``(B, T)`` with ``values (B, P)`` at their places; what is put at place T is dropped."""
    room = torch.cat([rows, rows[:, :1]], dim=1)
    return room.scatter(1, places, values)[:, :-1]


def _pairs_text(pairs) -> str:
    return " ".join(f"{key}:{value}" for key, value in pairs)
