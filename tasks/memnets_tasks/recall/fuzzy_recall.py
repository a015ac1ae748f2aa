"""Fuzzy recall: keys and values are one to three tokens long, and nothing says where they end."""

import copy
import itertools
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._draw import one_of, up_to
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.base import Batch, Splits
from memnets_tasks.token_task import TokenTask


class Motifs:
    """The motifs of some tokens: one to ``longest`` of them, no token twice.

    Attributes:
        tokens: ``(m, longest)``, int64; zero past a motif's end.
        sizes: ``(m,)``, int64; ascending.
    """

    def __init__(self, first: int, end: int, longest: int) -> None:
        motifs = [m for size in range(1, longest + 1) for m in itertools.permutations(range(first, end), size)]
        self.sizes = torch.tensor([len(motif) for motif in motifs])
        self.tokens = torch.tensor([[*motif, *[0] * (longest - len(motif))] for motif in motifs])

    def draw(self, shape: tuple[int, ...], sizes: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Numbers of motifs: first a size, each from ``sizes[0]`` to ``sizes[1]`` alike, then one of that size."""
        device = generator.device
        size = torch.randint(sizes[0], sizes[1] + 1, shape, generator=generator, device=device)
        ends = torch.searchsorted(self.sizes.to(device), torch.arange(sizes[1] + 1, device=device), right=True)
        return ends[size - 1] + up_to(ends[size] - ends[size - 1], generator)


@final
class FuzzyRecall(TokenTask):
    """Fuzzy in-context recall: pairs whose keys and values are several tokens long, of each key its value.

    Poli et al. 2024, "Mechanistic Design and Scaling of Hybrid Architectures" (MAD, arXiv:2403.17844), in the format of
    its code with many queries. A sequence of ``length`` L has T = L steps: padding (the token V - 1), then pairs of a
    key and its value, the same value each time, without the last token. Keys and values are motifs of 1 to
    ``key_size`` and ``value_size`` tokens, all sizes alike, of the first and the second half of the other V - 1 tokens.
    The last pair has the key of one of the pairs before it. At the step before each token of the value of a key that
    came before, that token is wanted. The test has keys of the full size alone, as in the code.

    Unlike in the code, only these steps are scored in training too, and room for the longest last pair is always kept.

    Args:
        vocabulary: V, tokens in all.
        key_size: Most tokens of a key.
        value_size: Most tokens of a value.
        full_keys: Whether all keys have ``key_size`` tokens.
        min_length: Shortest sequence in training.
        max_length: Longest sequence in training.
        evaluation_lengths: Lengths at which generalisation is measured.

    Raises:
        ValueError: If a size is below 1 or above the tokens there are, or a length is not above twice the longest pair.
    """

    def __init__(
        self,
        *,
        vocabulary: int = 16,
        key_size: int = 3,
        value_size: int = 3,
        full_keys: bool = False,
        min_length: int = 32,
        max_length: int = 128,
        evaluation_lengths: tuple[int, ...] = (128, 256, 512),
    ) -> None:
        check_at_least("key_size", key_size, 1)
        check_at_least("value_size", value_size, 1)
        check_at_least("vocabulary", vocabulary, 2 * max(key_size, value_size) + 1)
        self.vocabulary = self.output_size = vocabulary
        self.key_size, self.value_size, self.full_keys = key_size, value_size, full_keys
        self.pair_size = key_size + value_size
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="tokens", least=2 * self.pair_size + 1)

    @cached_property
    def _motifs(self) -> tuple[Motifs, Motifs]:
        half = (self.vocabulary - 1) // 2
        return Motifs(0, half, self.key_size), Motifs(half, self.vocabulary - 1, self.value_size)

    def splits(self) -> Splits:
        """Validation is of keys of all sizes, and the test of keys of the full size."""
        test = copy.copy(self)
        test.full_keys = True
        return Splits(validation=self, test=test)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of sequences.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Tokens of a sequence: one number for all, or ``(B,)``, int64. Above twice the longest pair.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` is below 1, a length too small, or ``length`` has another shape or dtype.
        """
        device = generator.device
        least = 2 * self.pair_size + 1
        length = expand_counts("length", length, batch_size, device, minimum=least, unit=self.length_unit)
        keys, values = self._motifs
        smallest = (self.key_size if self.full_keys else 1) + 1
        count = int(length.max()) // smallest + 1  # U, more pairs than there is room for
        key = keys.draw((batch_size, count), (self.key_size if self.full_keys else 1, self.key_size), generator)
        values_of = values.draw((batch_size, len(keys.sizes)), (1, self.value_size), generator)  # (B, m)

        sizes = keys.sizes.to(device)[key] + values.sizes.to(device)[values_of.gather(1, key)]  # (B, U)
        starts = sizes.cumsum(1) - sizes
        before = starts < (length - 2 * self.pair_size).unsqueeze(1)  # (B, U), the pairs before the last
        last = before.sum(1, keepdim=True)  # (B, 1)
        key = torch.where(steps(count, device) == last, key.gather(1, one_of(before, generator).unsqueeze(1)), key)
        value = values_of.gather(1, key)
        key_sizes, value_sizes = keys.sizes.to(device)[key], values.sizes.to(device)[value]
        ends = (key_sizes + value_sizes).cumsum(1)  # (B, U)

        body = ends.gather(1, last)  # (B, 1), tokens without the padding
        t = steps(length.max() + 1, device)  # (1, T + 1)
        place = t - (length.unsqueeze(1) + 1 - body)  # (B, T + 1), below 0 in the padding
        pair = torch.searchsorted(ends, place.clamp_min(0), right=True).clamp_max(count - 1)
        offset = place - (ends - key_sizes - value_sizes).gather(1, pair)
        of_value = offset - key_sizes.gather(1, pair)  # at least 0 in a value
        tokens = torch.where(
            of_value < 0,
            _token(keys, key.gather(1, pair), offset),
            _token(values, value.gather(1, pair), of_value),
        )
        inside = t <= length.unsqueeze(1)
        tokens = torch.where(place < 0, self.vocabulary - 1, tokens) * inside
        repeated = (key.unsqueeze(2) == key.unsqueeze(1)).tril(-1).any(2)  # (B, U), whether the key came before
        asked = repeated.gather(1, pair) & (of_value >= 0) & (place >= 0) & inside
        mask = asked[:, 1:]
        return Batch(tokens[:, :-1] * (t[:, :-1] < length.unsqueeze(1)), tokens[:, 1:] * mask, mask, length)

    def text(self, batch: Batch, index: int) -> str:
        """One sequence without its padding, the tokens that are wanted in brackets."""
        length = int(batch.lengths[index])
        inputs = batch.inputs[index, :length].tolist()
        wanted = [None, *batch.targets[index, :length].masked_fill(~batch.mask[index, :length], -1).tolist()]
        shown = [
            str(token) if w in (None, -1) else f"[{w}]"
            for token, w in zip([*inputs, None], wanted)
            if token != self.vocabulary - 1
        ]
        return " ".join(shown)


def _token(motifs: Motifs, number: Tensor, place: Tensor) -> Tensor:
    """The tokens at some places of motifs; of places that a motif has not, any."""
    tokens = motifs.tokens.to(number.device)
    return tokens[number, place.clamp(0, tokens.shape[1] - 1)]
