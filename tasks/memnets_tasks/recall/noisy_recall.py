"""Noisy recall: give the value of each key that came before, whatever noise comes between."""

from typing import final

import torch
from torch import Tensor

from memnets_tasks._checks import check_at_least, expand_counts
from memnets_tasks._draw import one_of, up_to
from memnets_tasks._lengths import set_lengths
from memnets_tasks.algorithmic._layout import steps
from memnets_tasks.base import Batch
from memnets_tasks.token_task import TokenTask


@final
class NoisyRecall(TokenTask):
    """Noisy in-context recall: of each key that came before, its value; noise between the pairs, or none.

    Poli et al. 2024, "Mechanistic Design and Scaling of Hybrid Architectures" (MAD, arXiv:2403.17844), in the format of
    its code with many queries. A sequence of ``length`` L is L / 2 pairs without the last token, T = L - 1 steps. A
    pair is a key and its value, the same each time, or, with probability ``noise``, two tokens of noise; at least one
    of the pairs before the last is no noise, and the last has a key of one of them. At each key that came before, its
    value is wanted.

    With V tokens, N of them of noise, keys are the first half of the other V - N, values the second half, and noise
    comes last. Only queries are scored, in training too, where the code trains on every next token.

    Args:
        vocabulary: V, tokens in all.
        noise_vocabulary: N, tokens of noise.
        noise: Probability that a pair is noise.
        min_length: Shortest sequence in training.
        max_length: Longest sequence in training.
        evaluation_lengths: Lengths at which generalisation is measured.

    Raises:
        ValueError: If ``noise`` is not from 0 to below 1, N is below 1 with noise, fewer than 2 tokens are left, or a
            length is below 4.
    """

    def __init__(
        self,
        *,
        vocabulary: int = 32,
        noise_vocabulary: int = 16,
        noise: float = 0.2,
        min_length: int = 32,
        max_length: int = 128,
        evaluation_lengths: tuple[int, ...] = (128, 256, 512),
    ) -> None:
        if not 0 <= noise < 1:
            raise ValueError(f"noise is {noise}; give a probability from 0 to below 1")
        check_at_least("noise_vocabulary", noise_vocabulary, 1 if noise else 0)
        check_at_least("vocabulary", vocabulary, noise_vocabulary + 2)
        self.vocabulary = self.output_size = vocabulary
        self.noise_vocabulary, self.noise = noise_vocabulary, noise
        self.symbols = vocabulary - noise_vocabulary
        """Tokens that are keys or values."""
        self.keys = self.symbols // 2
        set_lengths(self, min_length, max_length, evaluation_lengths, unit="tokens", least=4)

    def sample(self, batch_size: int, length: int | Tensor, generator: torch.Generator) -> Batch:
        """Draw a batch of sequences.

        Args:
            batch_size: Number of sequences, ``B``.
            length: Tokens of a sequence, the last value included: one number for all, or ``(B,)``, int64. At least 4;
                an odd one is rounded down.
            generator: Source of randomness; the tensors are made on its device.

        Raises:
            ValueError: If ``batch_size`` is below 1, a length below 4, or ``length`` has another shape or dtype.
        """
        device = generator.device
        length = expand_counts("length", length, batch_size, device, minimum=4, unit=self.length_unit)
        last = (length // 2).unsqueeze(1) - 1  # (B, 1), the last pair
        pair = steps(int(last.max()) + 1, device)  # (1, P)
        shape = (batch_size, pair.shape[1])

        def draw(low: int, high: int, *more: int) -> Tensor:
            return torch.randint(low, high, (*more,), generator=generator, device=device)

        values_of = draw(self.keys, self.symbols, batch_size, self.keys)  # (B, K)
        keys = draw(0, self.keys, *shape)
        spared = up_to(last, generator)  # (B, 1), a pair that is no noise in any case
        noisy = torch.rand(shape, generator=generator, device=device) < self.noise
        noisy = noisy & (pair != spared) & (pair < last)
        shown = keys.unsqueeze(-1) == torch.arange(self.keys, device=device)  # (B, P, K)
        shown = shown & (~noisy & (pair < last)).unsqueeze(-1)
        keys = torch.where(pair == last, one_of(shown.any(1), generator).unsqueeze(1), keys)

        pairs = torch.stack([keys, values_of.gather(1, keys)], dim=-1)  # (B, P, 2)
        if self.noise:
            pairs = torch.where(noisy.unsqueeze(-1), draw(self.symbols, self.vocabulary, *shape, 2), pairs)
        before = shown.long().cumsum(1) - shown.long()  # (B, P, K), times that each key came before
        asked = (before.gather(2, keys.unsqueeze(-1)).squeeze(-1) > 0) & ~noisy & (pair <= last)  # (B, P)
        return _shifted(pairs, asked, 2 * last.squeeze(1) + 1)

    def text(self, batch: Batch, index: int) -> str:
        """The pairs of one sequence, noise in brackets, and the values wanted at the keys that came before."""
        tokens = [*batch.inputs[index, : int(batch.lengths[index])].tolist(), "?"]
        pairs = [f"{a}:{b}" if a < self.symbols else f"({a} {b})" for a, b in zip(tokens[::2], tokens[1::2])]
        wanted = batch.targets[index][batch.mask[index]].tolist()
        return f"given {' '.join(pairs)}; wanted {' '.join(map(str, wanted))}"


def _shifted(pairs: Tensor, asked: Tensor, lengths: Tensor) -> Batch:
    """Pairs ``(B, P, 2)`` as inputs without the last value, and the values as targets at the keys that are asked."""
    steps_in = torch.arange(2 * pairs.shape[1] - 1, device=pairs.device) < lengths.unsqueeze(1)  # (B, T)
    none = torch.zeros_like(asked)
    mask = torch.stack([asked, none], dim=-1).flatten(1)[:, :-1] & steps_in
    targets = torch.stack([pairs[..., 1], torch.zeros_like(pairs[..., 1])], dim=-1).flatten(1)[:, :-1]
    return Batch(pairs.flatten(1)[:, :-1] * steps_in, targets * mask, mask, lengths)
