"""What a language must be able to do to be recognised: draw strings, and tell whether a string is one of its own."""

import abc

import torch
from torch import Tensor

from memnets_tasks.algorithmic._layout import steps


class Language(abc.ABC):
    """A set of strings of symbols, and a distribution over those of each length.

    Strings are ``(B, S)``, int64, with anything past each one's length. Abstract: a subclass sets the attributes and
    defines the methods.

    Attributes:
        symbols: what is shown for each symbol, for people.
        shortest: symbols of the shortest string.
        stride: there are strings of each length ``shortest + k * stride``, and of no other.
    """

    symbols: tuple[str, ...]
    shortest: int
    stride: int = 1

    @abc.abstractmethod
    def draw(self, length: Tensor, generator: torch.Generator) -> Tensor:
        """Draw strings of the language: ``(B, S)`` for lengths ``(B,)`` that there are."""

    @abc.abstractmethod
    def contains(self, string: Tensor, length: Tensor) -> Tensor:
        """Which of any strings ``(B, S)`` of lengths ``(B,)`` are in the language: ``(B,)``, bool."""

    def nearest_length(self, limit: Tensor) -> Tensor:
        """The greatest length of a string that is not above ``limit (B,)``, or the shortest."""
        above = (limit - self.shortest).clamp_min(0)
        return self.shortest + above // self.stride * self.stride


def within(string: Tensor, length: Tensor) -> Tensor:
    """Which places of strings are within their lengths: ``(B, S)``, bool."""
    return steps(string.shape[1], string.device) < length.unsqueeze(1)
