"""Sources of randomness that are a function of (seed, stream, step) alone."""

import zlib

import numpy as np
import torch


def generator(seed: int, stream: str, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """The source of randomness of one step of one run, so that a resumed run draws what an unbroken one would.

    The arguments are mixed by NumPy's SeedSequence: neighbouring seeds and steps are as unrelated as distant
    ones. Numbers differ from one type of device to another.

    Args:
        seed: the run's seed, at least 0.
        stream: what the numbers are for ("train", "validate"), so that uses do not share them.
        step: steps already taken, at least 0.
        device: where the numbers are drawn.

    Returns:
        A new generator on ``device``, seeded.

    Raises:
        ValueError: ``seed`` or ``step`` is negative.
    """
    for name, value in (("seed", seed), ("step", step)):
        if value < 0:
            raise ValueError(f"{name} is {value}; give a whole number of at least 0")
    # crc32, as Python's own hash of a string changes from one process to the next.
    mixed = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(stream.encode()), step))
    return torch.Generator(device=device).manual_seed(int(mixed.generate_state(1, np.uint64)[0]))
