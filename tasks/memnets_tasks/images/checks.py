"""Checks and random numbers shared by the tasks of images."""

import functools
import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import ParamSpec, TypeVar

import numpy as np
import torch

P = ParamSpec("P")
R = TypeVar("R")


def check_not_negative(name: str, value: float) -> None:
    """Raise ValueError unless the argument ``name`` is a finite number of at least 0."""
    if not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} is {value!r}; give a number of at least 0")


def check_split(split: str, splits: Sequence[str]) -> None:
    """Raise ValueError unless ``split`` is one of ``splits``."""
    if split not in splits:
        raise ValueError(f"split is {split!r}; give one of {', '.join(map(repr, splits))}")


def numpy_generator(generator: torch.Generator) -> np.random.Generator:
    """NumPy's random numbers, a function of the state of ``generator``, which moves on by one draw."""
    seed = torch.randint(2**63 - 1, (), generator=generator, device=generator.device)
    return np.random.default_rng(int(seed))


def in_single_precision(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw the same images in float32 where a trainer has set another default, as it does for "64-true"."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            return draw(*args, **kwargs)
        finally:
            torch.set_default_dtype(default)

    return drawn
