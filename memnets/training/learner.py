"""Lightning around :class:`memnets.training.step.TrainingStep`: trains any model on any task."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, IterableDataset

from ..base.seeding import generator
from ..base.task import Curriculum, Task
from .adapters import check_task, predict, validation_numbers
from .clipping import Clipping, SpikeClip
from .focus import Focus, check_focus, has_read_heads
from .lightning_shell import LightningShell
from .parameter_order import in_order
from .replay import Replay, check_replay
from .schedule import after_validation
from .step import DivergedError, Numbers, TrainingStep

__all__ = ["DivergedError", "SequenceLearner", "rmsprop"]


class _Steps(IterableDataset):
    """Nothing, as often as asked: batches are made by the step itself from (seed, step)."""

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


def _named(stage: str, numbers: Numbers) -> Numbers:
    return {f"{stage}/{name}": value.detach() for name, value in numbers.items()}


class SequenceLearner(pl.LightningModule):
    """Trains a model on a task whose batches are a function of (seed, step) alone.

    With several processes (Lightning's ddp) each draws the whole batch of ``batch_size`` times their number, takes
    its own sequences, and weighs its loss by its share of what is scored: the step is that of one process with the
    whole batch, whatever the lengths of the sequences.

    Clipping and the accumulation of gradients are this module's, and not the trainer's: the whole step is one plain
    function, :class:`memnets.training.step.TrainingStep`, and Lightning calls it.

    Logged at each training step: loss, the task's scores, the gradient's norm before clipping. At each
    validation: the same on fresh sequences of the training lengths, of ``task.splits().validation``.

    Args:
        model: a :class:`memnets.Model`, such as ``memnets.NTM`` or ``memnets.TextReader``; or any module that is used
            like ``torch.nn.LSTM``, batch first and with ``lengths``.
        task: what to learn, such as ``memnets_tasks.Copy``.
        optimizer: makes an optimiser from parameters; :func:`rmsprop` if None.
        lr_scheduler: makes a scheduler of its learning rate, which takes a step with each of the optimiser's;
            ``ReduceLROnPlateau`` takes one with each validation, of its errors. None for a rate that stays.
        seed: of the batches (the weights' seed is set by whoever makes ``model``).
        batch_size: B, sequences a step in each process.
        validation_size: sequences at each validation.
        curriculum: a cap on training lengths, such as ``memnets_tasks.Growing``; None trains on all at once.
        spike_clip: clip the gradient's norm at this many times its recent median, on top of
            ``gradient_clip_val``; see :class:`memnets.training.clipping.SpikeClip`. None for not.
        spike_floor: the least norm that spikes are clipped at.
        gradient_clip_val: clip the gradient to this, as Lightning's trainer would; None or 0 for not.
        gradient_clip_algorithm: "norm" (the default) or "value": what that is a bound of.
        accumulate_grad_batches: batches whose gradients make one step.
        failure_replay: share of each batch that is drawn from sequences found to fail; 0 for none.
        focus: weight of a penalty on soft read weightings, :class:`memnets.training.focus.Focus`; 0 for none. Without
            effect on a model that has no read heads.
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
        lr_scheduler: Callable[[Optimizer], LRScheduler] | None = None,
        seed: int = 0,
        batch_size: int = 16,
        validation_size: int = 256,
        curriculum: Curriculum | None = None,
        spike_clip: float | None = None,
        spike_floor: float = 0.0,
        skip_nonfinite: int = 0,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
        accumulate_grad_batches: int = 1,
        failure_replay: float = 0.0,
        focus: float = 0.0,
    ):
        super().__init__()
        self.automatic_optimization = False  # the whole step is one plain function
        sizes = {"batch_size": batch_size, "validation_size": validation_size}
        for name, value in {**sizes, "accumulate_grad_batches": accumulate_grad_batches}.items():
            if value < 1:
                raise ValueError(f"{name} is {value}, but must be at least 1")
        if skip_nonfinite < 0:
            raise ValueError(f"skip_nonfinite is {skip_nonfinite}, but must be at least 0")
        check_task(model, task)
        if failure_replay:
            check_replay(failure_replay, task)
        if focus:
            check_focus(focus, task)
        generator(seed, "train", 0)
        spikes = None if spike_clip is None else SpikeClip(spike_clip, spike_floor)
        self.model = model
        self.task = task
        self.validation_task = task.splits().validation
        """What validations are of: data kept from training, where the task has a set of them."""
        self.make_optimizer = optimizer or rmsprop
        self.make_scheduler = lr_scheduler
        self.train_on_batch = TrainingStep(
            model,
            task,
            seed=seed,
            batch_size=batch_size,
            curriculum=curriculum,
            clipping=Clipping(gradient_clip_val, gradient_clip_algorithm, spikes),
            skip_nonfinite=skip_nonfinite,
            accumulate=accumulate_grad_batches,
            replay=Replay(failure_replay) if failure_replay else None,
            focus=Focus(focus) if focus and has_read_heads(model) else None,
        )
        self.seed = seed
        self.batch_size = batch_size
        self.validation_size = validation_size
        self.accumulate_grad_batches = accumulate_grad_batches
        self.seconds = 0.0
        """Time spent training so far, validation included."""
        self.validation_error = math.inf
        """Errors per sequence at the last validation, in the unit of the task's threshold."""
        self.last_numbers: dict[str, float] = {}
        """The last value of everything that was logged."""
        self.settings: dict[str, Any] | None = None
        """What checkpoints keep beside the weights, so that a resumed run knows what has been changed since."""
        self._random: dict[str, Any] | None = None
        self._numbers: Numbers = {}
        self._clock: float | None = None

    @property
    def batches(self) -> int:
        """Training batches drawn so far, in this process and before a resumption."""
        return self.train_on_batch.batches

    @property
    def skipped(self) -> int:
        """Steps left out so far, as their gradient was not finite."""
        return self.train_on_batch.skipped

    @property
    def sequences(self) -> int:
        """Training sequences seen so far, in all processes."""
        return self.batches * self.batch_size * self._world_size

    @property
    def _world_size(self) -> int:
        return self._trainer.world_size if self._trainer is not None else 1

    def training_batch(self, step: int) -> Any:
        """This process's share of the batch of step ``step`` (counted from 0)."""
        whole = self.train_on_batch.draw(step, self._world_size, self.device)
        return whole if self._world_size == 1 else whole.shard(self.trainer.global_rank, self._world_size)

    def forward(self, batch: Any) -> Any:
        """The model's predictions of a batch."""
        return predict(self.model, batch)

    def training_step(self, _: Any, batch_idx: int) -> dict[str, Tensor]:
        """Take the plain step, and log its numbers."""
        trainer: Any = self.trainer
        every = trainer.log_every_n_steps
        report = bool(every) and (self.batches + 1) % every == 0
        numbers = self.train_on_batch(LightningShell(self), self.device, report=report)
        self._numbers = _named("train", numbers) if report else {}
        if report:
            shown = {
                name: value for name, value in self._numbers.items() if name not in ("train/grad_norm", "train/skipped")
            }
            self.log_dict(shown, logger=False, batch_size=self.batch_size)
            self.log("loss", self._numbers["train/loss"], logger=False, prog_bar=True, batch_size=self.batch_size)
        return {"loss": numbers["loss"]}

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
        if not self.trainer.sanity_checking:
            after_validation(self.trainer, self.validation_error)
        numbers = _named("val", numbers)
        self.log_dict(numbers, logger=False, batch_size=self.validation_size)
        if not self.trainer.sanity_checking:
            self._to_loggers(numbers)

    def _to_loggers(self, numbers: dict[str, Tensor]) -> None:
        values = {name: float(value) for name, value in numbers.items()}
        self.last_numbers.update(values)
        for logger in self.loggers:
            logger.log_metrics({**values, "sequences": float(self.sequences)}, step=self.trainer.global_step)

    def configure_optimizers(self) -> Any:
        """The optimiser of all parameters, and the scheduler of its rate where there is one."""
        optimizer = self.make_optimizer(self.parameters())
        if self.make_scheduler is None:
            return optimizer
        try:
            scheduler = self.make_scheduler(optimizer)
        except (ValueError, TypeError) as error:
            raise ValueError(f"--lr_scheduler: {error}") from error
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler}}

    def train_dataloader(self) -> DataLoader:
        """An endless loader of nothing: see :class:`memnets.training.step.TrainingStep`."""
        return DataLoader(_Steps(), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """One item: see :meth:`validation_step`."""
        return DataLoader(_Steps(1), batch_size=None)

    def on_train_start(self) -> None:
        """Start the clock, and go on with the random numbers of the run that is resumed."""
        self._clock = time.perf_counter()
        for config in self.trainer.lr_scheduler_configs:
            config.interval = "step"  # for callbacks that log rates: Lightning takes no steps itself
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
            **self.train_on_batch.state_dict(),
            "seconds": self.tick(),
            "validation_error": self.validation_error,
            "last_numbers": dict(self.last_numbers),
            "settings": self.settings,
            "random": {
                "cpu": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            },
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the counters back."""
        saved = checkpoint["memnets"]
        self.train_on_batch.load_state_dict(saved)
        self.seconds = saved["seconds"]
        self.validation_error, self.last_numbers = saved["validation_error"], saved["last_numbers"]
        self._random = saved["random"]
        _count_steps(checkpoint)
        names = [name for name, _ in self.named_parameters()]
        states = checkpoint.get("optimizer_states", [])
        states[:] = [in_order(state, checkpoint["state_dict"], names) for state in states]


def _count_steps(checkpoint: dict[str, Any]) -> None:
    """Let a checkpoint of 0.1.0, where Lightning itself took the steps, count them where ours are counted."""
    loops = checkpoint.get("loops", {}).get("fit_loop", {})
    old = loops.get("epoch_loop.automatic_optimization.optim_progress", {}).get("optimizer", {}).get("step")
    ours = loops.get("epoch_loop.manual_optimization.optim_step_progress")
    if old and ours and not ours["total"]["completed"]:
        ours.update({when: {name: old[when][name] for name in ours[when]} for when in ("total", "current")})
