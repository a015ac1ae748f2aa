"""Holding a module still."""

from typing import Any, Self

from torch import nn


class Frozen(nn.Module):
    """A module whose parameters get no gradient and whose statistics and dropout stay in evaluation mode.

    Setting ``requires_grad`` alone leaves the running statistics of batch normalisation drifting; calling
    ``eval()`` alone is undone by the next ``train()`` of the whole model. This holds through both.

    Args:
        module: what to hold.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module.requires_grad_(False).eval()
        for name in ("output_size", "pixels_per_column"):
            if hasattr(module, name):
                setattr(self, name, getattr(module, name))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        return self.module(*args, **kwargs)

    def train(self, mode: bool = True) -> Self:
        """Take the mode, and leave the module in evaluation."""
        super().train(mode)
        self.module.eval()
        return self


def freeze(module: nn.Module) -> Frozen:
    """``module`` held still: no gradients, and statistics of batch normalisation that never change again."""
    return module if isinstance(module, Frozen) else Frozen(module)
