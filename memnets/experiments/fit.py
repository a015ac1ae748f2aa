"""Training one experiment: from its objects to a finished run directory."""

import logging
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from ..base.errors import BackendUnavailableError, UsageError
from ..base.files import write_atomically
from ..base.seeding import generator
from ..training.adapters import is_sequence_module, probe
from ..training.callbacks import (
    Checkpoints,
    GoBack,
    Pictures,
    Progress,
    StoppedBySignal,
    StopWhenSolved,
    VaryingSlots,
    stop_on_signals,
)
from ..training.inspection import example_text
from ..training.learner import DivergedError, SequenceLearner
from ..training.lengths import Table, evaluate_lengths
from ..training.loggers import MetricsCSV, WandbUnavailableError, make_wandb_logger
from .config import to_plain, to_yaml
from .evaluate import Scores, check_evaluations, evaluate_all, in_columns, skipped_items
from .figures import draw_run
from .printing import print_evaluations, print_lengths, print_paths
from .processes import ShareRunDir, check_processes, end_children
from .run_dir import RunDir


class Fit:
    """One training, ready to start: everything that can be refused has been checked when this is made.

    Args:
        experiment: its name.
        parser: what ``config`` was parsed with.
        config: the resolved configuration.
        objects: what it names, instantiated.
        mode: W&B's, resolved.
    """

    def __init__(self, experiment: str, parser: ArgumentParser, config: Namespace, objects: Namespace, mode: str):
        self.experiment = experiment
        self.parser = parser
        self.config = config
        self.plain = to_plain(parser, config)
        self.mode = mode
        options = objects.training
        try:
            self.learner = SequenceLearner(
                objects.model,
                objects.task,
                optimizer=objects.optimizer,
                seed=config.seed,
                batch_size=options.batch_size,
                validation_size=options.validation_size,
                curriculum=objects.curriculum,
                spike_clip=options.spike_clip,
                spike_floor=options.spike_floor,
                skip_nonfinite=options.skip_nonfinite,
            )
            self.varying = None if options.min_slots is None else VaryingSlots(options.min_slots)
            threshold = objects.task.threshold if options.threshold is None else options.threshold
            self.solved = StopWhenSolved(threshold, options.checks, options.anneal_steps, options.anneal_below)
            self.go_back = None if options.collapse_rise is None else GoBack(options.collapse_rise, self.solved)
            self.pictures_every = Pictures("", options.pictures_every).every
            _quieten()
            trial = pl.Trainer(**{**objects.trainer, "logger": False, "enable_checkpointing": False, "callbacks": []})
            _check_model(self.learner)
            check_evaluations(objects.task)
            objects.optimizer(objects.model.parameters())
        except (ValueError, TypeError, MisconfigurationException) as error:
            raise UsageError(f"fit: {error}") from error
        _check_trainer(trial, objects.trainer)
        if options.evaluation_sequences < 1:
            raise UsageError(
                f"fit: --training.evaluation_sequences is {options.evaluation_sequences}, but must be at least 1"
            )
        self.leads = trial.is_global_zero
        """Whether this process makes and writes the run directory; the others of a run only train."""
        self.options = options
        self.wandb = objects.wandb
        self.trainer_arguments = dict(objects.trainer)

    def start(self, make_run: Callable[[], RunDir]) -> int:
        """Run in a directory of its own: ``config.yaml`` first, then :meth:`run`."""
        if not self.leads:
            return self.follow()
        run = make_run()
        self.config.run_id = self.config.run_id or run.name
        text = f"# {self.experiment}, as it was run\n{to_yaml(self.parser, self.config)}"
        write_atomically({run.config: text.encode()})
        return self.run(run)

    def run(self, run: RunDir, resume: bool = False) -> int:
        """Train, evaluate, draw and write ``result.json``; returns the exit status."""
        if not self.leads:
            return self.follow(run.last if resume else None)
        csv = MetricsCSV(run.metrics)
        loggers: list[Any] = [csv]
        if self.mode != "disabled":
            loggers.append(
                make_wandb_logger(
                    run.path,
                    mode=self.mode,
                    experiment=self.experiment,
                    run_id=self.config.run_id or run.name,
                    project=self.wandb.project,
                    entity=self.wandb.entity,
                    group=self.wandb.group,
                    resume=resume,
                )
            )
        trainer = self._make_trainer(run.path, loggers)
        checkpoint = str(run.last) if resume and run.last.is_file() else None
        if resume:
            csv.forget_after(run.read_checkpoint()["global_step"] if checkpoint else -1)
        self._introduce(run, trainer, checkpoint)
        for logger in loggers[1:]:
            _start_wandb(logger, self.plain)
        try:
            with stop_on_signals(lambda: trainer.global_step):
                trainer.fit(self.learner, ckpt_path=checkpoint, weights_only=True)
                self.learner.tick()
                self._conclude(run, trainer, loggers)
            return 0
        except StoppedBySignal as stopped:
            csv.save()
            _finish_wandb(loggers, 1)
            end_children(trainer)
            print(f"{stopped}; go on with: memnets resume {run.path}")
            return 128 + stopped.number
        except BaseException:
            csv.save()
            _finish_wandb(loggers, 1)
            end_children(trainer)
            if run.last.is_file():
                print(f"the last good checkpoint is kept: {run.last}")
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
        users = arguments.pop("callbacks") or []
        callbacks = [ShareRunDir(), Progress(), Pictures(run.figures, self.pictures_every), *_as_list(users)]
        callbacks += [callback for callback in (self.go_back, self.solved, self.varying) if callback]
        callbacks.append(Checkpoints(run.checkpoints))
        trainer = pl.Trainer(**arguments, callbacks=callbacks, enable_checkpointing=False)
        trainer.precision_plugin.convert_module(self.learner)  # a checkpoint's float64 is rounded by a float32 model
        return trainer

    def _introduce(self, run: RunDir, trainer: pl.Trainer, checkpoint: str | None) -> None:
        parameters = sum(p.numel() for p in self.learner.model.parameters())
        together = f" x {trainer.world_size}" if trainer.world_size > 1 else ""
        print(
            f"{self.experiment}: {parameters:,} parameters, seed {self.config.seed}, device "
            f"{trainer.strategy.root_device.type}{together}, backend {_chosen_backend(self.learner.model)}"
        )
        again = f" (resumed from {Path(checkpoint).name})" if checkpoint else ""
        print(f"run directory: {run.path}{again}; W&B {self.mode}", flush=True)

    def _conclude(self, run: RunDir, trainer: pl.Trainer, loggers: list[Any]) -> None:
        learner, solved = self.learner, self.solved.solved
        task, model = learner.task, learner.model
        unseen = task.splits().test
        lengths = evaluate_lengths(
            model, unseen, unseen.evaluation_lengths, sequences=self.options.evaluation_sequences, seed=learner.seed
        )
        scores = evaluate_all(model, task, sequences=self.options.evaluation_sequences, seed=learner.seed)
        result = {
            "experiment": self.experiment,
            "seed": self.config.seed,
            "solved": solved is not None,
            "sequences_to_solve": int(solved["sequences"]) if solved else None,
            "seconds_to_solve": round(solved["seconds"], 2) if solved else None,
            "steps": trainer.global_step,
            "sequences": learner.sequences,
            **({"skipped_steps": learner.skipped} if learner.skip_nonfinite else {}),
            **({"collapses": self.go_back.times} if self.go_back else {}),
            "seconds": round(learner.seconds, 2),
            "parameters": sum(p.numel() for p in model.parameters()),
            "backend": _chosen_backend(model),
            "device": str(trainer.strategy.root_device),
            "metrics": _as_json(learner.last_numbers),
            "lengths": {str(length): _as_json(row) for length, row in lengths.items()},
        }
        if unseen.split is not None:
            result["evaluation_split"] = unseen.split
        if scores:
            result["evaluations"] = {name: _as_json(row) for name, row in scores.items()}
        if skipped := skipped_items(task):
            result["left_out"] = skipped
        figures = draw_run(run, model, task, lengths, seed=learner.seed)
        self._log_end(run, loggers, lengths, scores, figures)
        _finish_wandb(loggers, 0)
        run.write_result(result)
        self._report(run, result, lengths, scores, figures)

    def _log_end(
        self, run: RunDir, loggers: list[Any], lengths: Table, scores: Scores, figures: dict[str, Path]
    ) -> None:
        for logger in loggers[1:]:
            columns = ["length", *next(iter(lengths.values()))]
            logger.log_table(key="lengths", columns=columns, data=[[n, *row.values()] for n, row in lengths.items()])
            if scores:
                head, rows = in_columns(scores)
                logger.log_table(key="evaluations", columns=head, data=rows)
            for name, path in figures.items():
                logger.log_image(key=f"figures/{name}", images=[str(path)])
            if self.wandb.log_checkpoint:
                import wandb

                artifact = wandb.Artifact(f"{self.experiment}-{run.name}", type="model")
                artifact.add_file(str(run.last))
                logger.experiment.log_artifact(artifact)

    def _report(
        self, run: RunDir, result: dict[str, Any], lengths: Table, scores: Scores, figures: dict[str, Path]
    ) -> None:
        learner = self.learner
        if result["solved"]:
            print(
                f"\nsolved after {result['sequences_to_solve']:,} sequences ({result['seconds_to_solve']:.0f} s); "
                f"trained on {result['sequences']:,} in {result['seconds']:.0f} s\n"
            )
        else:
            error = learner.validation_error
            seen = f"{error:.2f} errors per sequence" if math.isfinite(error) else "no validation"
            print(
                f"\nnot solved within {result['sequences']:,} sequences: {seen}, and solved "
                f"means below {self.solved.threshold:g} at {self.solved.checks} checks in a row\n"
            )
        if text := example_text(learner.model, learner.task, seed=learner.seed):
            print(text + "\n")
        sequences = self.options.evaluation_sequences
        print_lengths(lengths, learner.task, sequences, result.get("evaluation_split"))
        if scores:
            print_evaluations(scores, learner.task, sequences)
        for split, reasons in result.get("left_out", {}).items():
            print(f"left out of {split}: " + ", ".join(f"{count} ({reason})" for reason, count in reasons.items()))
        paths: dict[str, Path | str] = {"run directory": run.path, "figures": run.figures}
        if "memory-at-work" in figures:
            paths["memory at work"] = figures["memory-at-work"]
        if self.mode != "disabled":
            paths["W&B run"] = _wandb_place(run)
        print_paths(paths)


def _as_json(row: dict[str, float]) -> dict[str, float | None]:
    """Null where there is no number, or the gradient of a step that was left out had none: JSON has no NaN or Inf."""
    return {name: value if math.isfinite(value) else None for name, value in row.items()}


def _wandb_place(run: RunDir) -> Path:
    """The newest W&B folder of the run."""
    found = sorted(p for p in run.wandb.glob("*run-*") if p.is_dir())
    return found[-1] if found else run.wandb


def _check_trainer(trial: pl.Trainer, settings: Any) -> None:
    """Refuse what a run here cannot do, before anything is made."""
    every, whole = settings["val_check_interval"], trial.accumulate_grad_batches
    if not isinstance(every, int) or every < 1 or every % whole:
        raise UsageError(
            f"fit: --trainer.val_check_interval is {every}, but must be a whole number of batches, at least 1"
            + (f" and a multiple of --trainer.accumulate_grad_batches {whole}" if whole > 1 else "")
        )
    check_processes(trial, settings["strategy"])


def _check_model(learner: SequenceLearner) -> None:
    """Put one short sequence through the model: does it take and give what the task needs?"""
    task = learner.task
    shortest = torch.tensor([task.min_length])  # a tensor: of files, the nearest that can be read will do
    batch = task.sample(1, shortest, generator(learner.seed, "probe", 0))
    try:
        probe(learner.model, task, batch)
    except BackendUnavailableError:
        raise
    except Exception as error:
        kind = type(learner.model).__name__
        if not is_sequence_module(learner.model):
            raise UsageError(f"fit: {kind} does not work on a batch of {type(task).__name__}: {error}") from error
        raise UsageError(
            f"fit: {kind} does not work as model(inputs (B, T, {task.input_size}), "
            f"lengths=(B,)) -> (logits (B, T, {task.output_size}), state): {error}"
        ) from error


def _start_wandb(logger: Any, config: dict[str, Any]) -> None:
    """Start the run now, so that what is wrong with the connection is said before training."""
    import wandb

    try:
        logger.experiment.config.update(config, allow_val_change=True)
    except wandb.Error as error:
        raise WandbUnavailableError(
            f"W&B did not start: {error}; check the key and the connection, or use --wandb.mode offline"
        ) from error


def _finish_wandb(loggers: list[Any], status: int) -> None:
    if len(loggers) > 1:
        import wandb

        wandb.finish(exit_code=status)


def _chosen_backend(model: Any) -> str:
    report = model.backend_report() if hasattr(model, "backend_report") else {}
    return next((name for name, reason in report.items() if reason.startswith("chosen")), "torch")


def _as_list(callbacks: Any) -> list[Any]:
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _quieten() -> None:
    """Lightning's tips and its worries about loaders, which do not apply: batches are made in the step itself."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("memnets").setLevel(logging.ERROR)  # pictures are traced, which the plain cell does
    for pattern in (
        ".*does not have many workers.*",
        ".*your dataloader is not resumable.*",
        ".*IterableDataset.*",
        ".*LeafSpec.*",
        ".*sync_dist=True.*",
    ):
        warnings.filterwarnings("ignore", pattern)
