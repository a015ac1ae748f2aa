"""Lightning as who runs the plain step (``memnets.training.step.Shell``)."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from .schedule import after_step
from .step import Numbers


class LightningShell:
    """What the plain step asks for, of a Lightning trainer (``memnets.training.step.Shell``)."""

    def __init__(self, learner: pl.LightningModule):
        trainer = learner.trainer
        self.learner, self.trainer = learner, trainer
        self.step = trainer.global_step
        self.rank, self.processes = trainer.global_rank, trainer.world_size
        self.scaler: Any = getattr(trainer.precision_plugin, "scaler", None)
        self.scaled = self.scaler is not None
        self.optimizer: Any = learner.optimizers()

    def zero_grad(self) -> None:
        """Let go of all gradients."""
        self.learner.zero_grad(set_to_none=True)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of ``loss``; with several processes DDP takes the mean."""
        self.learner.manual_backward(loss)

    def unscale(self) -> None:
        """Take the loss scaler's factor out of the gradients."""
        if self.scaled:
            self.scaler.unscale_(self.optimizer.optimizer)

    def take_step(self) -> None:
        """Let the optimiser change the weights, with the hooks of callbacks, and the scheduler the rate."""
        self._step()
        after_step(self.trainer)

    def _step(self) -> None:
        if not self.scaled:
            self.optimizer.step()
            return
        # Lightning's own way would take the factor out a second time.
        self.optimizer._on_before_step()
        self.trainer.precision_plugin._after_closure(self.learner, self.optimizer.optimizer)
        self.scaler.step(self.optimizer.optimizer)
        self.scaler.update()
        self.optimizer._on_after_step()

    def mean(self, numbers: Numbers) -> Numbers:
        """The mean over processes."""
        if self.processes == 1:
            return numbers
        means: Any = self.trainer.strategy.reduce(torch.stack([*numbers.values()]), reduce_op="mean")
        return dict(zip(numbers, means))
