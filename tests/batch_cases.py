"""What tests ask of batches."""

import dataclasses

import torch


def parts(batch) -> list:
    """The values of a batch's fields."""
    return [getattr(batch, field.name) for field in dataclasses.fields(batch)]


def alike(one, other) -> bool:
    """Whether two batches hold the same."""
    return all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
        for a, b in zip(parts(one), parts(other), strict=True)
    )
