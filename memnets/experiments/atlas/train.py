"""One training of an atlas: so many steps, or seconds of the processor, whichever is used up first; no Lightning."""

import dataclasses
import statistics
import time
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ...base.modes import evaluating
from ...base.seeding import generator
from ...training.adapters import predict, training_loss
from ...training.clipping import Clipping
from ...training.step import DivergedError, Numbers, TrainingStep
from .plan import Protocol

CHECKS = 3
"""Validations in a row below the task's threshold that count as solved."""


class Loop:
    """The least that a step of training needs of whoever runs it: one process, one optimiser."""

    rank, processes, scaled = 0, 1, False

    def __init__(self, optimizer: Optimizer):
        self.optimizer, self.step = optimizer, 0

    def zero_grad(self) -> None:
        """Let go of all gradients."""
        self.optimizer.zero_grad()

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of ``loss``."""
        loss.backward()

    def unscale(self) -> None:
        """Gradients are not scaled."""

    def take_step(self) -> None:
        """Change the weights."""
        self.optimizer.step()
        self.step += 1

    def mean(self, numbers: Numbers) -> Numbers:
        """There is one process."""
        return numbers

    def set_rate(self, rate: float) -> None:
        """The learning rate of the steps to come."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate


@dataclasses.dataclass
class Training:
    """What a training came to.

    Attributes:
        rate: the learning rate that it began with.
        seed: of weights and batches.
        steps: taken.
        seconds: of the processor.
        milliseconds: of the processor, a step, in the median.
        solved_at: the step of the first of three validations in a row with fewer errors than the task's threshold.
        error: errors per sequence at the last validation, in the unit of that threshold.
        diverged: why it ended early; None if it did not.
    """

    rate: float
    seed: int
    steps: int = 0
    seconds: float = 0.0
    milliseconds: float = 0.0
    solved_at: int | None = None
    error: float = float("inf")
    diverged: str | None = None


def train(model: Any, task: Any, protocol: Protocol, *, rate: float, seed: int, until: int | None = None) -> Training:
    """Train ``model`` in place.

    The rate stays as it is, and over the last ``protocol.decay`` of the budget falls to zero. A task that is solved
    earlier is trained for so much longer as that share of the steps that it took, at a falling rate, and left.

    Args:
        model: a fresh one.
        task: what it learns.
        protocol: the budget, and how to train.
        rate: of learning.
        seed: of the batches.
        until: a step to break off at, as where another training had solved the task by then.
    """
    loop = Loop(torch.optim.Adam(model.parameters(), lr=rate))
    take = TrainingStep(model, task, seed=seed, batch_size=protocol.batch_size, clipping=Clipping(protocol.clip))
    _warm_up(model, task, take)
    done, streak, took = Training(rate, seed), 0, list[float]()
    began = before = time.process_time()
    while (used := _used(done, protocol, loop.step, before - began)) < 1 and loop.step != until:
        loop.set_rate(rate * min(1.0, (1 - used) / protocol.decay))
        try:
            take(loop, "cpu", report=False)
        except DivergedError as error:
            done.diverged = str(error).partition(";")[0]
            break
        took.append(time.process_time() - before)
        if loop.step % protocol.validate_every == 0:
            done.error = validate(model, task, protocol, seed, loop.step)
            streak = streak + 1 if done.error < task.threshold else 0
            if streak == CHECKS and done.solved_at is None:
                done.solved_at = loop.step - (CHECKS - 1) * protocol.validate_every
        before = time.process_time()
    done.steps, done.seconds = loop.step, round(before - began, 3)
    done.milliseconds = round(1e3 * statistics.median(took), 3) if took else 0.0
    done.error = validate(model, task, protocol, seed, loop.step)
    return done


def _used(done: Training, protocol: Protocol, step: int, seconds: float) -> float:
    """The share of the budget that is used up; of a task that is solved, of what is left to settle the weights."""
    budget = max(step / protocol.steps, seconds / protocol.seconds)
    if done.solved_at is None:
        return budget
    begun = done.solved_at + (CHECKS - 1) * protocol.validate_every
    return max(budget, 1 - protocol.decay + (step - begun) / begun)


def _warm_up(model: Any, task: Any, take: TrainingStep) -> None:
    """Kernels are built, and buffers made, before the clock runs; no weight is changed."""
    training_loss(model, task, take.draw(0, 1, "cpu")).loss.backward()
    for parameter in model.parameters():
        parameter.grad = None


@torch.no_grad()
def validate(model: Any, task: Any, protocol: Protocol, seed: int, step: int) -> float:
    """Mean errors per sequence over fresh sequences of the training lengths."""
    random = generator(seed, "validate", step)
    kept = task.splits().validation
    with evaluating(model):
        batch = kept.sample(protocol.validation, kept.sample_lengths(protocol.validation, random), random)
        return float(kept.errors(predict(model, batch), batch).mean())
