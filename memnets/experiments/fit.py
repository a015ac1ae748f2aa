"""Training one experiment: from its objects to a finished run directory."""

import contextlib
import logging
import shutil
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from ..base.errors import BackendUnavailableError, RunError, UsageError
from ..base.files import write_atomically
from ..training.callbacks import (
    ChangeOptimizer,
    Checkpoints,
    Pictures,
    Progress,
    RollbackOnCollapse,
    StoppedBySignal,
    StopWhenSolved,
    VaryingSlots,
    stop_on_signals,
)
from ..training.learner import DivergedError, SequenceLearner
from ..training.saved_state import find_fault
from .checks import check_curriculum, check_model, check_optimizer, check_stream, check_trainer
from .config import resolve_defaults, to_plain, to_yaml
from .evaluate import check_evaluations
from .finish import Trained, chosen_backend, conclude
from .loggers import close, forget_after, make_loggers, plan_loggers
from .printing import say
from .processes import ShareRunDir, end_children, keep_children_safe
from .run_dir import RunDir

OF_THE_STEP = ("gradient_clip_val", "gradient_clip_algorithm", "accumulate_grad_batches")
"""Arguments of Lightning's trainer that are the learner's, as the whole step is."""

WITHOUT_ACCELERATOR = ("No supported", "accelerator is not available", "torch_xla")
"""What Lightning says where a machine lacks the one asked for: of ``gpu``, of ``cuda`` and ``mps``, of ``tpu``."""


class Fit:
    """One training, ready to start: everything that can be refused has been checked when this is made.

    Args:
        experiment: its name.
        parser: what ``config`` was parsed with.
        config: the resolved configuration.
        objects: what it names, instantiated.
        mode: W&B's, resolved.
        optimizer_changes: settings of the optimiser that a resumed run goes on with in place of its checkpoint's.
        start: what is to be said of the weights that training starts from, where they are another run's.

    Raises:
        UsageError: something does not go together.
    """

    def __init__(
        self,
        experiment: str,
        parser: ArgumentParser,
        config: Namespace,
        objects: Namespace,
        mode: str,
        optimizer_changes: dict[str, float] | None = None,
        start: str | None = None,
    ):
        self.start_line = start
        self.experiment, self.parser, self.config, self.mode = experiment, parser, config, mode
        resolve_defaults(config, objects.model)
        self.plain = to_plain(parser, config)
        self.options = objects.training
        arguments = dict(objects.trainer)
        of_the_step = {name: arguments.pop(name) for name in OF_THE_STEP}
        self.trainer_arguments = arguments
        trusted = getattr(parser, "trusted", False)
        self.logger_plans = plan_loggers(self.plain["loggers"], self.plain["wandb"], mode, trusted=trusted)
        self.change = ChangeOptimizer(optimizer_changes) if optimizer_changes else None
        _quieten()
        try:
            self._make_parts(objects, of_the_step)
            trial = self._make_trainer(Path(), [])
            check_model(self.learner)
            check_curriculum(self.learner)
            check_evaluations(objects.task)
            check_optimizer(self.learner)
        except BackendUnavailableError:
            raise
        except (ValueError, TypeError, RuntimeError, ImportError, MisconfigurationException) as error:
            missing = any(words in str(error) for words in WITHOUT_ACCELERATOR)
            here = "; this machine has none: --trainer.accelerator cpu" if missing else ""
            raise UsageError(f"{error}{here}") from error
        check_trainer(trial, objects.trainer)
        check_stream(self.learner, trial)
        self.leads = trial.is_global_zero
        """Whether this process makes and writes the run directory; the others of a run only train."""

    def _make_parts(self, objects: Namespace, of_the_step: dict[str, Any]) -> None:
        options = self.options
        if options.failure_replay and options.failure_bound is None:
            raise ValueError(
                f"--training.failure_replay is {options.failure_replay}, but nothing is counted to be replayed: give "
                "--training.failure_bound too, such as 1e-4, or --training.failure_replay 0"
            )
        if options.focus and not options.anneal_steps:
            raise ValueError(
                f"--training.focus is {options.focus}, but counts while a rate is annealed, as none is here: "
                "give --training.anneal_steps too, such as 1000, or --training.focus 0"
            )
        self.learner = SequenceLearner(
            objects.model,
            objects.task,
            optimizer=objects.optimizer,
            lr_scheduler=objects.lr_scheduler,
            seed=self.config.seed,
            batch_size=options.batch_size,
            validation_size=options.validation_size,
            curriculum=objects.curriculum,
            spike_clip=options.spike_clip,
            spike_floor=options.spike_floor,
            skip_nonfinite=options.skip_nonfinite,
            failure_replay=options.failure_replay,
            focus=options.focus,
            **of_the_step,
        )
        self.learner.settings = self.plain
        self.varying = None if options.min_slots is None else VaryingSlots(options.min_slots, options.slot_sizes)
        threshold = objects.task.threshold if options.threshold is None else options.threshold
        self.solved = StopWhenSolved(
            threshold,
            options.checks,
            options.anneal_steps,
            None if options.anneal_below is None else max(options.anneal_below, threshold),
            options.failure_bound,
            options.sequences_for_bound(self.learner.model),
            options.anneal_checks,
        )
        rise = options.collapse_rise
        if rise is not None and objects.lr_scheduler is not None:
            raise ValueError(
                f"--training.collapse_rise is {rise}, which halves a rate that --lr_scheduler sets: leave one out"
            )
        self.rollback = None if rise is None else RollbackOnCollapse(rise, self.solved)
        if options.evaluation_sequences < 1:
            raise ValueError(
                f"--training.evaluation_sequences is {options.evaluation_sequences}, but must be at least 1"
            )

    def start(self, make_run: Callable[[], RunDir], lock: Callable[[Path], Any] = contextlib.nullcontext) -> int:
        """Run in a directory of its own: ``config.yaml`` first, then :meth:`run`.

        Args:
            make_run: makes the directory.
            lock: what holds it meanwhile.
        """
        if not self.leads:
            return self.follow()
        run = make_run()
        with contextlib.ExitStack() as held:
            with self._leaving_nothing(run, resume=False):
                held.enter_context(lock(run.path))
                self.config.run_id = self.config.run_id or run.name
                self.write_config(run)
            if getattr(self.parser, "trusted", False):
                run.vouch()  # what it names was named by the user
            return self.run(run)

    def write_config(self, run: RunDir) -> None:
        """``config.yaml``, everything resolved."""
        text = f"# {self.experiment}, as it was run\n{to_yaml(self.parser, self.config)}"
        write_atomically({run.config: text.encode()})

    def run(self, run: RunDir, resume: bool = False) -> int:
        """Train, evaluate, draw and write ``result.json``; returns the exit status."""
        if not self.leads:
            return self.follow(run.last if resume else None)
        checkpoint = str(run.last) if resume and run.last.is_file() else None
        with self._leaving_nothing(run, resume):
            loggers = make_loggers(
                self.logger_plans,
                run,
                experiment=self.experiment,
                run_id=self.config.run_id or run.name,
                resumed=resume,
            )
            trainer = self._make_trainer(run.path, loggers)
            if resume:
                forget_after(loggers, self._checked(run)["global_step"] if checkpoint else -1)
            self._introduce(run, trainer, checkpoint)
            for logger in loggers:
                logger.log_hyperparams(self.plain)
        return self._train(run, trainer, checkpoint, resume)

    def _checked(self, run: RunDir) -> dict[str, Any]:
        """The last checkpoint, RunError unless this training can go on from it."""
        saved = run.read_checkpoint()
        made: Any = self.learner.configure_optimizers()
        parts = (made["optimizer"], made["lr_scheduler"]["scheduler"]) if isinstance(made, dict) else (made,)
        names = [name for name, _ in self.learner.named_parameters()]
        if (fault := find_fault(saved, *parts, names=names)) is not None:
            raise _not_gone_on(run, fault)
        return saved

    def _train(self, run: RunDir, trainer: pl.Trainer, checkpoint: str | None, resume: bool) -> int:
        try:
            with stop_on_signals(lambda: trainer.global_step), self._leaving_nothing(run, resume):
                if trainer.world_size > 1:
                    keep_children_safe()
                trainer.fit(self.learner, ckpt_path=checkpoint, weights_only=True)
                self.learner.tick()
                conclude(self._trained(), run, trainer)
            return 0
        except StoppedBySignal as stopped:
            say(f"{stopped}; go on with: memnets resume {run.path}")  # first: a second signal may come
            close(trainer.loggers, 1)
            end_children(trainer)
            return 128 + stopped.number
        except BaseException as error:
            if run.path.is_dir():
                close(trainer.loggers, 1)
            end_children(trainer)
            if _is_of_restoring(error):
                raise _not_gone_on(run, str(error) or type(error).__name__) from error
            if run.last.is_file():
                say(f"the last good checkpoint is kept: {run.last}")
            raise

    def _trained(self) -> Trained:
        seed = self.config.seed
        return Trained(self.experiment, seed, self.options, self.learner, self.solved, self.rollback)

    @contextlib.contextmanager
    def _leaving_nothing(self, run: RunDir, resume: bool) -> Iterator[None]:
        """A new run that cannot begin, as where a logger or a callback refuses, leaves no directory behind."""
        try:
            yield
        except Exception as error:
            if not isinstance(error, StoppedBySignal) and not resume and not self.learner.batches:
                run.config.unlink(missing_ok=True)
                if run.is_new:
                    shutil.rmtree(run.path, ignore_errors=True)
            raise

    def follow(self, last: Path | None = None) -> int:
        """Train beside the process that leads and writes, from its checkpoint ``last`` if there is one."""
        trainer = self._make_trainer(Path(), [])
        try:
            with stop_on_signals(lambda: trainer.global_step):
                checkpoint = str(last) if last and last.is_file() else None
                trainer.fit(self.learner, ckpt_path=checkpoint, weights_only=True)
        except (StoppedBySignal, DivergedError):
            pass  # the process that leads meets the same, and says it; a status would make Lightning kill that
        return 0

    def _make_trainer(self, folder: Path, loggers: list[Any]) -> pl.Trainer:
        run = RunDir(folder)
        arguments = {**self.trainer_arguments, "logger": loggers, "default_root_dir": str(run.path)}
        users = _as_list(arguments.pop("callbacks") or [])
        if bars := [type(callback).__name__ for callback in users if isinstance(callback, ProgressBar)]:
            raise ValueError(
                f"--trainer.callbacks: {bars[0]} would be a second progress bar, a run has one: leave it out"
            )
        callbacks = [ShareRunDir(), Progress(), Pictures(run.figures, self.options.pictures_every), *users]
        callbacks += [callback for callback in (self.varying, self.rollback, self.solved, self.change) if callback]
        callbacks.append(Checkpoints(run.checkpoints))
        of_lightning = any(isinstance(callback, Checkpoint) for callback in users)
        trainer = pl.Trainer(**arguments, callbacks=callbacks, enable_checkpointing=of_lightning)
        trainer.precision_plugin.convert_module(self.learner)  # a checkpoint's float64 is rounded by a float32 model
        return trainer

    def _introduce(self, run: RunDir, trainer: pl.Trainer, checkpoint: str | None) -> None:
        parameters = sum(p.numel() for p in self.learner.model.parameters())
        together = f" x {trainer.world_size}" if trainer.world_size > 1 else ""
        say(
            f"{self.experiment}: {parameters:,} parameters, seed {self.config.seed}, device "
            f"{trainer.strategy.root_device.type}{together}, backend {chosen_backend(self.learner.model)}"
        )
        if self.start_line:
            say(self.start_line)
        again = f" (resumed from {Path(checkpoint).name})" if checkpoint else ""
        say(f"run directory: {run.path}{again}; W&B {self.mode}")


def _is_of_restoring(error: BaseException) -> bool:
    """Whether it arose while Lightning took back what a checkpoint holds."""
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, Exception) and any("checkpoint_connector" in frame.filename for frame in frames)


def _not_gone_on(run: RunDir, fault: str) -> RunError:
    return RunError(
        f"{run.last} cannot be gone on from, as it is damaged or of another training ({fault}): delete it, and the run "
        "starts from the beginning when it is resumed"
    )


def _as_list(callbacks: Any) -> list[Any]:
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _quieten() -> None:
    """Lightning's tips and its worries about loaders, which do not apply: batches are made in the step itself."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for pattern in (
        ".*does not have many workers.*",
        ".*your dataloader is not resumable.*",
        ".*IterableDataset.*",
        ".*LeafSpec.*",
        ".*sync_dist=True.*",
    ):
        warnings.filterwarnings("ignore", pattern)
