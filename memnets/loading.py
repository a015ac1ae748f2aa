"""From a run's directory to its trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


def load(run_dir: str | Path, checkpoint: str = "last", *, trust: bool = False) -> nn.Module:
    """The trained model of a run, on the CPU and in evaluation mode.

    >>> model = memnets.load("runs/copy-ntm/20260101-120000-seed0")
    >>> outputs, state = model(inputs, lengths=lengths)

    The model is that of the run's ``config.yaml``, whatever its kind, with the sizes that the run's task gives it; of a
    reader or captioner the symbols are those of the checkpoint. Nothing that trains is made: no optimiser, callback or
    logger. A run of someone else executes nothing (``docs/security.md``).

    Args:
        run_dir: what ``memnets fit`` wrote.
        checkpoint: "last", or "best", that of the validation with the fewest errors.
        trust: import classes of its own that the directory names, where your own ``memnets fit`` did not write it.

    Raises:
        ValueError: there is no such ``checkpoint``.
        RunError: it is no run directory, or its checkpoint is missing, damaged or of other shapes.
        UsageError: its classes cannot be made, as where data are no longer in their place, or are not trusted.
        ImportError: what ``pip install "memnets[train]"`` brings is not there.
    """
    if checkpoint not in ("last", "best"):
        raise ValueError(f"checkpoint is {checkpoint!r}, but must be last or best")
    import torch

    from .base.extras import naming_extras

    with naming_extras("memnets.load"):
        from .experiments.load import load_reader
    with torch.random.fork_rng(devices=[]):  # making the model draws weights that are then replaced
        _, model, _ = load_reader(str(run_dir), which=checkpoint, vouched=trust)
    return model.eval()
