"""The LightningModule that trains any sequence module on any task."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, IterableDataset

from ..base.seeding import generator
from ..base.task import Curriculum, Task
from .adapters import check_task, predict, training_loss, validation_numbers
from .clipping import SpikeClip


class DivergedError(RuntimeError):
    """The loss or a gradient became NaN or Inf; the message says where and when."""


class _Steps(IterableDataset):
    """Nothing, as often as asked: batches are made by the learner from (seed, step)."""

    def __init__(self, count: int | None = None):
        self.count = count

    def __iter__(self) -> Iterator[int]:
        step = 0
        while self.count is None or step < self.count:
            yield step
            step += 1


def rmsprop(parameters: Iterable[Any]) -> Optimizer:
    """RMSprop with momentum 0.9 (Graves et al. 2014, section 4.6), a higher rate, and an eps that keeps it calm."""
    return torch.optim.RMSprop(parameters, lr=5e-4, momentum=0.9, alpha=0.95, eps=1e-4)


def _named(stage: str, numbers: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{stage}/{name}": value.detach() for name, value in numbers.items()}


class SequenceLearner(pl.LightningModule):
    """Trains a model on a task whose batches are a function of (seed, step) alone.

    With several processes (Lightning's ddp) each draws the whole batch of ``batch_size`` times their number, takes
    its own sequences, and weighs its loss by its share of what is scored: the step is that of one process with the
    whole batch, whatever the lengths of the sequences.

    Logged at each training step: loss, the task's scores, the gradient's norm before clipping. At each
    validation: the same on fresh sequences of the training lengths, of ``task.splits().validation``.

    Args:
        model: a :class:`memnets.Model`, such as ``memnets.NTM`` or ``memnets.TextReader``; or any module that is used
            like ``torch.nn.LSTM``, batch first and with ``lengths``.
        task: what to learn, such as ``memnets_tasks.Copy``.
        optimizer: makes an optimiser from parameters; :func:`rmsprop` if None.
        seed: of the batches (the weights' seed is set by whoever makes ``model``).
        batch_size: B, sequences a step in each process.
        validation_size: sequences at each validation.
        curriculum: a cap on training lengths, such as ``memnets_tasks.Growing``; None trains on all at once.
        spike_clip: clip the gradient's norm at this many times its recent median, on top of the trainer's clipping;
            see :class:`memnets.training.clipping.SpikeClip`. None leaves it at the trainer's.
        spike_floor: the least norm that spikes are clipped at.
        skip_nonfinite: leave out up to this many steps in a row whose gradient is not finite, as a loss scaler does;
            one more raises :class:`DivergedError`. Through a long sequence a rare gradient grows beyond float32 in
            a run that is otherwise sound. :attr:`skipped` counts them, and is logged. Without effect where there is
            a loss scaler (``16-mixed`` on a GPU), whose steps are its own.

    Raises:
        ValueError: a size below 1, skip_nonfinite below 0, a negative seed, or a model and task whose sizes differ.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        *,
        optimizer: Callable[[Iterable[Any]], Optimizer] | None = None,
        seed: int = 0,
        batch_size: int = 16,
        validation_size: int = 256,
        curriculum: Curriculum | None = None,
        spike_clip: float | None = None,
        spike_floor: float = 0.0,
        skip_nonfinite: int = 0,
    ):
        super().__init__()
        for name, value in (("batch_size", batch_size), ("validation_size", validation_size)):
            if value < 1:
                raise ValueError(f"{name} is {value}, but must be at least 1")
        if skip_nonfinite < 0:
            raise ValueError(f"skip_nonfinite is {skip_nonfinite}, but must be at least 0")
        check_task(model, task)
        generator(seed, "train", 0)
        self.model = model
        self.task = task
        self.validation_task = task.splits().validation
        """What validations are of: data kept from training, where the task has a set of them."""
        self.make_optimizer = optimizer or rmsprop
        self.seed = seed
        self.batch_size = batch_size
        self.validation_size = validation_size
        self.curriculum = curriculum
        self.spikes = None if spike_clip is None else SpikeClip(spike_clip, spike_floor)
        self.skip_nonfinite = skip_nonfinite
        self.skipped = 0
        """Steps left out so far, as their gradient was not finite."""
        self.skipped_in_row = 0
        self.recover: Callable[[], bool] | None = None
        """Asked before a run ends as diverged: whether it took the weights back to where training can go on."""
        self.batches = 0
        """Training batches drawn so far, in this process and before a resumption."""
        self.seconds = 0.0
        """Time spent training so far, validation included."""
        self.validation_error = math.inf
        """Errors per sequence at the last validation, in the unit of the task's threshold."""
        self.last_numbers: dict[str, float] = {}
        """The last value of everything that was logged."""
        self._random: dict[str, Any] | None = None
        self._last_loss: Tensor | None = None
        self._numbers: dict[str, Tensor] = {}
        self._clock: float | None = None
        self._norm = 0.0

    @property
    def sequences(self) -> int:
        """Training sequences seen so far, in all processes."""
        return self.batches * self.batch_size * self._world_size

    @property
    def _world_size(self) -> int:
        return self._trainer.world_size if self._trainer is not None else 1

    def training_batch(self, step: int) -> Any:
        """This process's share of the batch of step ``step`` (counted from 0)."""
        return self._own_part(self._whole_batch(step))

    def _whole_batch(self, step: int) -> Any:
        """The batch of all processes."""
        random = generator(self.seed, "train", step, self.device)
        cap = self.curriculum.max_length(step, self.task) if self.curriculum else None
        count = self.batch_size * self._world_size
        return self.task.sample(count, self.task.sample_lengths(count, random, max_length=cap), random)

    def _own_part(self, whole: Any) -> Any:
        return whole if self._world_size == 1 else whole.shard(self.trainer.global_rank, self._world_size)

    def _share(self, batch: Any, whole: Any) -> Tensor | float:
        """What this process's mean loss counts, so that the mean over processes is the mean over the whole batch."""
        if self._world_size == 1:
            return 1.0
        own, all_of_it = self.task.loss_weight(batch), self.task.loss_weight(whole)
        return self._world_size * own / all_of_it.clamp_min(1)

    def forward(self, batch: Any) -> Any:
        """The model's predictions of a batch."""
        return predict(self.model, batch)

    def training_step(self, _: Any, batch_idx: int) -> Tensor:
        """Draw the next batch and score it."""
        whole = self._whole_batch(self.batches)
        batch = self._own_part(whole)
        loss, numbers = training_loss(self.model, self.task, batch)
        loss = loss * self._share(batch, whole)
        self._last_loss = loss.detach()
        self.batches += 1
        trainer: Any = self.trainer
        self._numbers = {}
        if trainer.log_every_n_steps and self.batches % trainer.log_every_n_steps == 0:
            self._numbers = self._over_processes(_named("train", {"loss": self._last_loss, **numbers()}))
            self.log_dict(self._numbers, logger=False, batch_size=self.batch_size)
            self.log("loss", self._numbers["train/loss"], logger=False, prog_bar=True, batch_size=self.batch_size)
        return loss

    def _over_processes(self, numbers: dict[str, Tensor]) -> dict[str, Tensor]:
        """The mean over processes."""
        if self._world_size == 1:
            return numbers
        means: Any = self.trainer.strategy.reduce(torch.stack([*numbers.values()]), reduce_op="mean")
        return dict(zip(numbers, means))

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Hand the step's numbers to the loggers."""
        self.log_step()

    def log_step(self) -> None:
        """Hand the step's numbers to the loggers, unless that is done; who stops within the step calls it."""
        if self._numbers:
            self._to_loggers(self._numbers)
        self._numbers = {}

    def validation_step(self, _: Any, batch_idx: int) -> None:
        """Score fresh sequences of the training lengths, kept from training where the task can."""
        random = generator(self.seed, "validate", self.trainer.global_step, self.device)
        task = self.validation_task
        batch = task.sample(self.validation_size, task.sample_lengths(self.validation_size, random), random)
        errors, numbers = validation_numbers(self.model, task, batch)
        # All processes see the same sequences, but stop together only if they agree to the last bit.
        self.validation_error = self.trainer.strategy.broadcast(float(errors.mean()))
        numbers = _named("val", numbers)
        self.log_dict(numbers, logger=False, batch_size=self.validation_size)
        if not self.trainer.sanity_checking:
            self._to_loggers(numbers)

    def _to_loggers(self, numbers: dict[str, Tensor]) -> None:
        values = {name: float(value) for name, value in numbers.items()}
        self.last_numbers.update(values)
        for logger in self.loggers:
            logger.log_metrics({**values, "sequences": float(self.sequences)}, step=self.trainer.global_step)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Refuse, or leave out, a step whose loss or gradient is not finite, before it reaches the weights."""
        norm = nn.utils.get_total_norm(p.grad for p in self.parameters() if p.grad is not None)
        scaled = getattr(self.trainer.precision_plugin, "scaler", None) is not None  # it skips such steps itself
        self.skipped_in_row = 0 if scaled or torch.isfinite(norm) else self.skipped_in_row + 1
        if 0 < self.skipped_in_row <= self.skip_nonfinite:  # the same in all processes, which share their gradients
            self.skipped += 1
            self.zero_grad(set_to_none=True)  # an optimiser passes over parameters without one
        elif self._last_loss is not None:
            loss = self._over_processes({"loss": self._last_loss})["loss"]  # or one would go back, or end, alone
            if not torch.isfinite(loss + (0 if scaled else norm)):
                if self.recover is None or not self.recover():
                    raise DivergedError(self._describe_divergence(loss))
                self.zero_grad(set_to_none=True)
        self._norm = norm
        if self._numbers:
            self._numbers["train/grad_norm"] = norm
            if self.skip_nonfinite:
                self._numbers["train/skipped"] = norm.new_tensor(float(self.skipped))

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """The trainer's clipping, then that of spikes."""
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        norm = float(self._norm)
        if self.spikes is not None and math.isfinite(norm):
            bound = self.spikes.bound(norm)
            if bound is not None:
                nn.utils.clip_grad_norm_(self.parameters(), bound)

    def _describe_divergence(self, loss: Tensor) -> str:
        bad = [name for name, p in self.model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        what = [] if torch.isfinite(loss) else [f"the loss ({loss.item()})"]
        if bad:
            others = f" (and of {len(bad) - 1} other parameters)" if len(bad) > 1 else ""
            what.append(f"the gradient of {bad[0]}{others}")
        rare = "; --training.skip_nonfinite 10 leaves out such steps where they are rare"
        again = f" ({self.skipped_in_row} such steps in a row)" if self.skipped_in_row > 1 else ""
        return (
            f"{' and '.join(what) or 'the norm of the gradient'} became NaN or Inf at step "
            f"{self.trainer.global_step + 1}{again}; the weights were left as they were before it. Try a lower "
            "--optimizer.lr or --trainer.gradient_clip_val" + ("" if self.skip_nonfinite else rare)
        )

    def configure_optimizers(self) -> Optimizer:
        """The optimiser of all parameters."""
        return self.make_optimizer(self.parameters())

    def train_dataloader(self) -> DataLoader:
        """An endless loader of nothing: see :meth:`training_batch`."""
        return DataLoader(_Steps(), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """One item: see :meth:`validation_step`."""
        return DataLoader(_Steps(1), batch_size=None)

    def on_train_start(self) -> None:
        """Start the clock, and go on with the random numbers of the run that is resumed."""
        self._clock = time.perf_counter()
        if self._random is not None:
            torch.set_rng_state(self._random["cpu"])
            if self._random["cuda"] and torch.cuda.device_count() == len(self._random["cuda"]):
                torch.cuda.set_rng_state_all(self._random["cuda"])
            self._random = None

    def tick(self) -> float:
        """Bring ``seconds`` up to now and return it."""
        if self._clock is not None:
            now = time.perf_counter()
            self.seconds += now - self._clock
            self._clock = now
        return self.seconds

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the counters and the state of torch's random numbers, as plain values and tensors."""
        checkpoint["memnets"] = {
            "batches": self.batches,
            "seconds": self.tick(),
            "validation_error": self.validation_error,
            "last_numbers": dict(self.last_numbers),
            "spikes": self.spikes.state_dict() if self.spikes else None,
            "skipped": [self.skipped, self.skipped_in_row],
            "random": {
                "cpu": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            },
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the counters back."""
        saved = checkpoint["memnets"]
        self.batches, self.seconds = saved["batches"], saved["seconds"]
        self.validation_error, self.last_numbers = saved["validation_error"], saved["last_numbers"]
        self._random = saved["random"]
        if self.spikes and saved.get("spikes"):
            self.spikes.load_state_dict(saved["spikes"])
        self.skipped, self.skipped_in_row = saved.get("skipped", (0, 0))
