"""Interpolated n-grams of characters: the baseline that a network has to beat."""

import math

import numpy as np
import torch
from torch import Tensor


class InterpolatedNGrams:
    """How often each character followed the ``order - 1`` before it, mixed with shorter contexts (Witten and Bell).

    ``p(c | h) = (count(h c) + kinds(h) p(c | h')) / (count(h) + kinds(h))``, where ``kinds(h)`` is the number of
    different characters that followed ``h``, and ``h'`` is ``h`` without its first; below all is ``1 / vocabulary``. A
    context that was never seen leaves the shorter one as it is.

    Args:
        tokens: what is counted, int64 ``(N,)``, each below ``vocabulary``.
        vocabulary: V, number of tokens.
        order: n, the characters of the longest n-gram.

    Raises:
        ValueError: ``order`` is below 1, or so large that an n-gram no longer fits into 63 bits.

    Source:
        Witten & Bell 1991, "The zero-frequency problem", method C; interpolated as in Chen & Goodman 1999, equation 15.
    """

    def __init__(self, tokens: Tensor, vocabulary: int, order: int):
        most = longest_order(vocabulary)
        if not 1 <= order <= most:
            raise ValueError(f"order is {order}, but must lie within 1..{most} for {vocabulary} characters")
        self.vocabulary, self.order = vocabulary, order
        text = tokens.cpu().numpy()
        self._grams: list[tuple[np.ndarray, np.ndarray]] = []
        """Of each order from 1 on: its n-grams as numbers, sorted, and how often each was seen."""
        self._contexts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        """The contexts of these, sorted: how often anything followed each, and how many different characters."""
        for n in range(1, order + 1):
            grams, counts = np.unique(self._numbers(text, n)[n - 1 :], return_counts=True)
            contexts, first = np.unique(grams // vocabulary, return_index=True)
            kinds = np.diff(np.append(first, len(grams)))
            self._grams.append((grams, counts))
            self._contexts.append((contexts, np.add.reduceat(counts, first) if len(first) else counts, kinds))

    def _numbers(self, text: np.ndarray, n: int) -> np.ndarray:
        """For each place of ``text (..., T)`` the n characters up to it as a number; of fewer, as if zeros were before.

        Only places from n - 1 on have a whole one.
        """
        numbers = np.zeros_like(text)
        for back in range(min(n, text.shape[-1])):
            numbers[..., back:] += text[..., : text.shape[-1] - back] * self.vocabulary**back
        return numbers

    def bits(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """What each target costs after the inputs up to its step, in bits.

        Args:
            inputs: ``(B, T)`` tokens; where a sequence begins, shorter contexts are all there are.
            targets: ``(B, T)``, the token after each.

        Returns:
            ``(B, T)``, float64.
        """
        shown, wanted = inputs.cpu().numpy(), targets.cpu().numpy()
        chance = np.full(shown.shape, 1.0 / self.vocabulary)
        for n in range(1, min(self.order, shown.shape[1] + 1) + 1):
            context = self._numbers(shown, n - 1) if n > 1 else np.zeros_like(shown)
            known, followed, kinds = self._contexts[n - 1]
            place, there = _find(known, context)
            there[:, : max(n - 2, 0)] = False  # the context would begin before the sequence
            grams, counts = self._grams[n - 1]
            gram, seen = _find(grams, context * self.vocabulary + wanted)
            count = np.where(seen, counts[gram], 0)
            mixed = (count + kinds[place] * chance) / (followed[place] + kinds[place])
            chance = np.where(there, mixed, chance)
        return torch.from_numpy(-np.log2(chance))


def longest_order(vocabulary: int) -> int:
    """The largest n of which an n-gram of so many tokens fits into 63 bits."""
    return int(63 / math.log2(max(vocabulary, 2)))


def _find(sorted_numbers: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each number stands, and whether it does."""
    place = np.searchsorted(sorted_numbers, wanted).clip(max=len(sorted_numbers) - 1)
    return place, sorted_numbers[place] == wanted
