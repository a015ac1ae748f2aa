"""Stopping when the task is solved, after the learning rate has been brought to zero."""

import math
from typing import Any

import lightning.pytorch as pl

from ...base.kinds import taken_back
from ..failures import Failures, count_failures
from ..learner import SequenceLearner

COLLAPSE = 10
"""Times the errors at which annealing began: from there it alone does not come back."""

RESTART = 1 / 4
"""Of the rate that an annealing began with, the share from which the next begins."""

SEARCHED = 2000
"""Sequences among which a validation of an annealing looks for some that fail, but never more than its end counts."""

SAVED = {
    **{"streak": int, "near": int, "since": dict},
    **{"anneal_from": (int, type(None)), "annealed": bool, "last_step": int},
}
"""What a checkpoint holds of it, and of which kind."""


class StopWhenSolved(pl.Callback):
    """Stops training once validation errors have stayed below a threshold, after some last, annealed steps.

    A run is solved at the first of ``checks`` or more validations in a row whose errors per sequence are below
    ``threshold``, up to the last. From then on the learning rate falls linearly to zero over ``anneal_steps``, which
    settles the weights and makes the network generalise to longer sequences, and training stops. A validation above
    the threshold meanwhile starts the count anew, though not the annealing, which is what ends such errors. Where
    errors rise above ten times those it began below, or the steps end without a new count, annealing is over: training
    goes on at half of the rate it had before, since the whole rate has been too much. (Where failures are counted, the
    steps' end counts as such if errors were not below ``anneal_below`` then.)

    Small batches may be too noisy to stay below the threshold at a whole rate: ``anneal_below`` lets annealing begin
    at larger errors, after as many validations in a row below them, or after ``anneal_checks`` of them.

    A mean below the threshold may hide sequences that fail as a whole, one in some hundred or thousand. With
    ``failure_bound`` they are counted among ``failure_sequences`` fresh ones at the end of annealing; where more than
    that share fails, another annealing follows, from a quarter of the rate that this one began with, as more undoes
    what has settled. Where the learner has a ``failure_replay``, each validation of the annealing looks for some that
    fail, and they are part of batches from then on: they are learnt while rates are high.

    Args:
        threshold: errors per sequence, in the task's unit.
        checks: validations in a row, at least 1.
        anneal_steps: training steps after that, at least 0.
        anneal_below: errors at which annealing begins, at least the threshold; None for the threshold.
            Above the threshold it needs ``anneal_steps``.
        anneal_checks: validations in a row below that, at least 1; None for ``checks``. One alone begins early, and
            where a collapse follows all the same, training goes on at half the rate.
        failure_bound: share of sequences that may fail, with errors not below the threshold; None for any. It needs
            ``anneal_steps``.
        failure_sequences: how many are counted; enough to see that share.

    Raises:
        ValueError: a number is out of range, or annealing is asked for and has no steps.
    """

    def __init__(
        self,
        threshold: float,
        checks: int = 3,
        anneal_steps: int = 0,
        anneal_below: float | None = None,
        failure_bound: float | None = None,
        failure_sequences: int = 2000,
        anneal_checks: int | None = None,
    ):
        begin = checks if anneal_checks is None else anneal_checks
        for name, value, least in (
            ("checks", checks, 1),
            ("anneal_steps", anneal_steps, 0),
            ("anneal_checks", begin, 1),
        ):
            if value < least:
                raise ValueError(f"{name} is {value}, but must be at least {least}")
        if not threshold > 0:
            raise ValueError(f"threshold is {threshold}, but must be above 0: no error count lies below it")
        if anneal_below is not None and not threshold <= anneal_below < math.inf:
            raise ValueError(f"anneal_below is {anneal_below}, but must be at least the threshold, {threshold}")
        if anneal_below is not None and anneal_below > threshold and not anneal_steps:
            raise ValueError(
                f"anneal_below is {anneal_below}, above the threshold, {threshold}, but anneal_steps is 0, so that a "
                "run would stop there unsolved: give anneal_steps, or leave anneal_below at null"
            )
        if failure_bound is not None:
            self._check_failures(failure_bound, failure_sequences, anneal_steps)
        self.failure_bound = failure_bound
        self.failure_sequences = failure_sequences
        self.failures: Failures | None = None
        """What was counted at the end of the last annealing."""
        self.threshold = threshold
        self.anneal_below = anneal_below or threshold
        self.checks = checks
        self.anneal_checks = begin
        self.anneal_steps = anneal_steps
        self.streak = 0
        """Validations in a row below the threshold, up to the last."""
        self.near = 0
        """Validations in a row below ``anneal_below``, up to the last."""
        self.since: dict[str, float] = {}
        """Where the first of them was: step, sequences, seconds."""
        self.anneal_from: int | None = None
        self.annealed = False
        """Whether an annealing ever began."""
        self.last_step = -1
        self.counted_at = -1
        """The step at which failures were counted last."""

    @staticmethod
    def _check_failures(bound: float, sequences: int, anneal_steps: int) -> None:
        if not 0 <= bound < 1:
            raise ValueError(f"failure_bound is {bound}, but must be a share within 0..1, such as 1e-3")
        if not anneal_steps:
            raise ValueError(
                f"failure_bound is {bound}, but anneal_steps is 0: give the steps of an annealing, or leave it at null"
            )
        if sequences < 1 or 0 < bound < 1 / sequences:
            raise ValueError(
                f"failure_sequences is {sequences}, too few to see a share of {bound:g}: give at least "
                f"{round(1 / bound) if bound else 1:,}"
            )

    @property
    def solved(self) -> dict[str, float] | None:
        """Where the task was solved, to stay so until now: step, sequences, seconds."""
        return self.since if self.streak >= self.checks else None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A run that is resumed after its last step has nothing left to do."""
        self._stop_when_over(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the check, once a step."""
        assert isinstance(pl_module, SequenceLearner)
        if trainer.sanity_checking or trainer.global_step == self.last_step:
            return
        self.last_step = trainer.global_step
        error = pl_module.validation_error
        if error < self.threshold:
            if not self.streak:
                self.since = {
                    "step": trainer.global_step,
                    "sequences": pl_module.sequences,
                    "seconds": pl_module.tick(),
                }
            self.streak += 1
        else:
            self.streak = 0
        self.near = self.near + 1 if error < self.anneal_below else 0
        if self.anneal_from is None:
            self.anneal_from = trainer.global_step if self.near >= self.anneal_checks else None
        elif error >= COLLAPSE * self.anneal_below or (self._over(trainer) and not self.solved):
            self._go_on_at_half(trainer)
        self.annealed = self.annealed or self.anneal_from is not None
        if self.near and self.anneal_from is not None and self.failure_bound is not None:
            self._search(trainer, pl_module)
        self._stop_when_over(trainer, pl_module)

    def _search(self, trainer: pl.Trainer, pl_module: SequenceLearner) -> None:
        """Give failing sequences to the replay, where there is one."""
        if pl_module.train_on_batch.replay is not None:
            self._find(trainer, pl_module, min(SEARCHED, self.failure_sequences), "search")

    def _go_on_at_half(self, trainer: pl.Trainer) -> None:
        self.begin_again(trainer)
        self._lower_rate(trainer, 0.5)

    def begin_again(self, trainer: pl.Trainer) -> None:
        """Forget the count, this validation's part in it, and the annealing: training goes on from elsewhere."""
        if self._over(trainer):
            trainer.should_stop = False  # only where it was this that asked for it
        self.anneal_from, self.streak, self.near = None, 0, 0
        self.last_step = trainer.global_step

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Set the learning rate of the step to come, and how far soft read weightings count in it."""
        left = 1.0
        if self.anneal_from is not None:
            left = max(1 - (trainer.global_step - self.anneal_from) / max(self.anneal_steps, 1), 0.0)
            self._set_rate(trainer, left)
        focus = pl_module.train_on_batch.focus if isinstance(pl_module, SequenceLearner) else None
        if focus is not None:
            focus.share = 0.0 if self.solved is None else 1 - left

    def _lower_rate(self, trainer: pl.Trainer, share: float) -> None:
        for group in trainer.optimizers[0].param_groups:
            group["full_lr"] = group.get("full_lr", group["lr"]) * share
        self._set_rate(trainer, 1.0)

    def _set_rate(self, trainer: pl.Trainer, share: float) -> None:
        for group in trainer.optimizers[0].param_groups:
            group.setdefault("full_lr", group["lr"])
            group["lr"] = group["full_lr"] * share

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stop at the end of the annealed steps."""
        self._stop_when_over(trainer, pl_module)

    def _stop_when_over(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if not self._over(trainer):
            return
        if self.failure_bound is None:
            trainer.should_stop = True
        elif not self.near:  # what had been learnt was lost meanwhile
            self._go_on_at_half(trainer)
        elif self._count(trainer, pl_module).rate <= self.failure_bound:
            trainer.should_stop = True
        else:
            self.anneal_from = trainer.global_step
            self._lower_rate(trainer, RESTART)
            if trainer.is_global_zero:
                failing, sequences = self._count(trainer, pl_module)
                print(f"step {trainer.global_step:,}: {failing:,} of {sequences:,} sequences fail; another annealing")

    def _count(self, trainer: pl.Trainer, pl_module: Any) -> Failures:
        """The failures at the end of an annealing, counted once; all processes have those of the first."""
        if self.failures is None or self.counted_at != trainer.global_step:
            self.failures = self._find(trainer, pl_module, self.failure_sequences, "anneal")
            self.counted_at = trainer.global_step
        return self.failures

    def _find(self, trainer: pl.Trainer, pl_module: Any, sequences: int, stream: str) -> Failures:
        """Look for failing sequences among fresh ones; all processes know what the first has found."""
        replay = pl_module.train_on_batch.replay
        found = count_failures(
            pl_module.model,
            pl_module.validation_task,
            sequences=sequences,
            threshold=self.threshold,
            seed=pl_module.seed,
            stream=stream,
            step=trainer.global_step,
            replay=replay,
        )
        if replay is not None:
            replay.load_state_dict(trainer.strategy.broadcast(replay.state_dict()))
        return Failures(*trainer.strategy.broadcast(tuple(found)))

    def _over(self, trainer: pl.Trainer) -> bool:
        return self.anneal_from is not None and trainer.global_step >= self.anneal_from + self.anneal_steps

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to stop where an unbroken one would."""
        return {
            "streak": self.streak,
            "near": self.near,
            "since": self.since,
            "anneal_from": self.anneal_from,
            "annealed": self.annealed,
            "last_step": self.last_step,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take that back."""
        for name, value in taken_back(state_dict, SAVED, self.state_dict()).items():
            setattr(self, name, value)
