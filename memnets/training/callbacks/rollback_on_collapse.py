"""Rolling back to the best weights after a collapse."""

import copy
import math
from typing import Any

import lightning.pytorch as pl

from ...base.kinds import NUMBER, find_wrong, taken_back
from ..learner import SequenceLearner
from ..parameter_order import in_order
from ..saved_state import optimizer_fault
from .solved import StopWhenSolved

SAVED = {"best": dict, "rates": [NUMBER], **dict.fromkeys(("high", "times", "in_vain", "went_on", "last_step"), int)}
"""What a checkpoint holds of it, and of which kind."""


class RollbackOnCollapse(pl.Callback):
    """Takes training back to its best weights, at half the learning rate, once its errors have risen and stay so.

    A recurrent network that has learnt something may lose it within a few steps, when gradients grow over a long
    sequence, and may then be saturated for good. As such steps are the rarer the lower the rate, training goes on from
    the weights and the optimiser's state of the best validation, with batches that are new, at half the rate at which
    errors rose. A run that would end as diverged goes back as well, unless it has done so ``checks`` times in a row
    without a sound step from the best weights. ``times`` counts how often. Checkpoints hold the best weights and
    state too, and so twice as much.

    Args:
        rise: errors per sequence above the best validation that are a collapse, in the task's unit, above 0. More than
            the noise of validations and of the rate.
        solved: what counts the validations that make a run solved, and anneals; both begin again.
        checks: validations in a row with such errors, at least 1; and the most times to go back in vain.

    Raises:
        ValueError: a number is below its minimum.
    """

    def __init__(self, rise: float, solved: StopWhenSolved, checks: int = 3):
        if not 0 < rise < math.inf:
            raise ValueError(f"collapse_rise is {rise}, but must be above 0 and finite; null never goes back")
        if checks < 1:
            raise ValueError(f"checks is {checks}, but must be at least 1")
        self.rise = rise
        self.solved = solved
        self.checks = checks
        self.best: dict[str, Any] = {}
        """Of the best validation: error, step, weights, optimizer (its state)."""
        self.high = 0
        """Validations in a row that were too high, up to the last."""
        self.rates: list[float] = []
        """The whole rates at the first of them, of which annealing may take half for the same collapse."""
        self.times = 0
        self.in_vain = 0
        """Times in a row that not one step from the best weights had a finite gradient."""
        self.went_on = 0
        """The step from which training went on when it last went back."""
        self.last_step = -1

    @property
    def state_key(self) -> str:
        """Its name in checkpoints, those of 0.1.0 among them."""
        return "GoBack"

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Roll back as well where a loss or gradient is not finite."""
        assert isinstance(pl_module, SequenceLearner)
        if self.best and self._is_usable(trainer, pl_module):
            names = [name for name, _ in pl_module.model.named_parameters()]
            self.best["optimizer"] = in_order(self.best["optimizer"], self.best["weights"], names)
        else:
            self.best = {}
        pl_module.train_on_batch.recover = lambda: self._recover(trainer, pl_module)

    def _is_usable(self, trainer: pl.Trainer, learner: SequenceLearner) -> bool:
        """Whether what a checkpoint brought along is a state that training can go back to."""
        if find_wrong(self.best, {"error": NUMBER, "step": int, "weights": dict, "optimizer": dict}) is not None:
            return False
        own, weights = learner.model.state_dict(), self.best["weights"]
        shapes = [{name: getattr(t, "shape", None) for name, t in part.items()} for part in (own, weights)]
        names = [name for name, _ in learner.model.named_parameters()]
        state = self.best["optimizer"]
        return (
            shapes[0] == shapes[1]
            and optimizer_fault(state, trainer.optimizers[0], self.best["weights"], names) is None
        )

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """No longer: the learner may be trained again without this, or with another optimiser."""
        assert isinstance(pl_module, SequenceLearner)
        pl_module.train_on_batch.recover = None

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """The same when training is broken off."""
        self.on_train_end(trainer, pl_module)

    def _recover(self, trainer: pl.Trainer, learner: SequenceLearner) -> bool:
        """Whether there was something to go back to, from where not every step diverges at once."""
        at_once = self.times and trainer.global_step - self.went_on <= learner.train_on_batch.skip_nonfinite
        self.in_vain = self.in_vain + 1 if at_once else 0
        if not self.best or self.in_vain >= self.checks:
            return False
        if not self.high:
            self.rates = _whole_rates(trainer)
        self._roll_back(trainer, learner, "the loss or a gradient became NaN or Inf")
        self.went_on = trainer.global_step + 1  # the step at hand counts, though it changes nothing
        return True

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the best weights, or count the check, once a step."""
        assert isinstance(pl_module, SequenceLearner)
        if trainer.sanity_checking or trainer.state.fn != "fit" or trainer.global_step == self.last_step:
            return
        self.last_step = trainer.global_step
        error = pl_module.validation_error
        if not self.best or error <= self.best["error"]:
            self.high = 0
            if math.isfinite(error):
                self._keep(trainer, pl_module, error)
            return
        if error < self.best["error"] + self.rise:  # NaN is too high
            self.high = 0
            return
        if not self.high:
            self.rates = _whole_rates(trainer)
        self.high += 1
        if self.high >= self.checks:
            best, error = self.best["error"], pl_module.validation_error
            self._roll_back(trainer, pl_module, f"errors rose from {best:.4g} to {error:.4g} a sequence")

    def _keep(self, trainer: pl.Trainer, learner: SequenceLearner, error: float) -> None:
        self.best = {
            "error": error,
            "step": trainer.global_step,
            "weights": copy.deepcopy(learner.model.state_dict()),
            "optimizer": copy.deepcopy(trainer.optimizers[0].state_dict()),
        }

    def _roll_back(self, trainer: pl.Trainer, learner: SequenceLearner, why: str) -> None:
        if trainer.is_global_zero:
            at, best = trainer.global_step, self.best["step"]
            print(f"step {at:,}: {why}; back to the weights of step {best:,}, at half the rate")
        optimizer = trainer.optimizers[0]
        learner.model.load_state_dict(self.best["weights"])
        optimizer.load_state_dict(copy.deepcopy(self.best["optimizer"]))
        for group, rate in zip(optimizer.param_groups, self.rates, strict=True):
            group["full_lr"] = group["lr"] = rate / 2
        step = learner.train_on_batch
        if step.clipping.spikes is not None:
            step.clipping.spikes.norms.clear()
        step.skipped_in_row = 0
        step.carried.forget()
        self.went_on = trainer.global_step
        self.solved.begin_again(trainer)
        self.high = 0
        self.times += 1

    def state_dict(self) -> dict[str, Any]:
        """The best weights and the counts."""
        return {name: getattr(self, name) for name in SAVED}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them back."""
        for name, value in taken_back(state_dict, SAVED, self.state_dict()).items():
            setattr(self, name, value)


def _whole_rates(trainer: pl.Trainer) -> list[float]:
    """The learning rate of each group of parameters, as it is where it is not annealed."""
    return [group.get("full_lr", group["lr"]) for group in trainer.optimizers[0].param_groups]
