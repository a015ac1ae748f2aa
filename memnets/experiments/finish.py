"""The end of a run: evaluated, drawn, logged, ``result.json``, and what is printed."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl

from ..base.errors import RunError
from ..training.callbacks import RollbackOnCollapse, StopWhenSolved
from ..training.failures import count_failures
from ..training.inspection import example_text
from ..training.learner import SequenceLearner
from ..training.lengths import Table, evaluate_lengths
from ..training.loggers import Wandb, log_picture, log_table
from .calibrate import LINES, calibrate_run
from .evaluate import Scores, distinct_items, evaluate_all, in_columns, skipped_items, validated_on
from .figures import draw_run
from .loggers import close
from .options import TrainingOptions
from .printing import print_evaluations, print_lengths, print_paths, say
from .run_dir import RunDir


class Trained(NamedTuple):
    """A training that has come to its end."""

    experiment: str
    seed: int
    options: TrainingOptions
    learner: SequenceLearner
    solved: StopWhenSolved
    rollback: RollbackOnCollapse | None


class _Outcome(NamedTuple):
    """What a trained model came to."""

    lengths: Table
    scores: Scores
    figures: dict[str, Path]
    result: dict[str, Any]


def conclude(done: Trained, run: RunDir, trainer: pl.Trainer) -> None:
    """Evaluate, draw, log and report; ``result.json`` is written last, and says that the run has ended.

    Raises:
        RunError: the run's directory was deleted meanwhile.
    """
    if not run.config.is_file():
        raise RunError(f"{run.path} was deleted while its run was trained: nothing is left of it")
    lines = min(LINES, done.options.validation_size)
    calibrate_run(run, done.learner.model, done.learner.task, seed=done.seed, lines=lines)
    outcome = _evaluate(done, run, trainer)
    _log(run, trainer.loggers, outcome)
    close(trainer.loggers, 0)
    run.write_result(outcome.result)
    _report(done, run, trainer, outcome)


def _evaluate(done: Trained, run: RunDir, trainer: pl.Trainer) -> _Outcome:
    learner, sequences = done.learner, done.options.evaluation_sequences
    task, model = learner.task, learner.model
    unseen = task.splits().test
    lengths = evaluate_lengths(model, unseen, unseen.evaluation_lengths, sequences=sequences, seed=learner.seed)
    scores = evaluate_all(model, task, sequences=sequences, seed=learner.seed)
    result = _facts(done, trainer) | {"lengths": {str(length): _as_json(row) for length, row in lengths.items()}}
    result["failures"] = _failures(done)
    if unseen.split is not None:
        result["evaluation_split"] = unseen.split
    if items := distinct_items(unseen, lengths):
        result["evaluation_items"] = {str(length): count for length, count in items.items()}
    if (validated := validated_on(task)) is not None:
        result["validation_split"] = validated
    if scores:
        result["evaluations"] = {name: _as_json(row) for name, row in scores.items()}
    if skipped := skipped_items(task):
        result["left_out"] = skipped
    return _Outcome(lengths, scores, draw_run(run, model, task, lengths, seed=learner.seed), result)


def _failures(done: Trained) -> dict[str, Any]:
    """What stands behind "solved": of how many fresh sequences of the training lengths how many fail."""
    learner, threshold = done.learner, done.solved.threshold
    found = count_failures(
        learner.model,
        learner.validation_task,
        sequences=done.options.sequences_for_failures(learner.model),
        threshold=threshold,
        seed=learner.seed,
    )
    return {"failing": found.failing, "sequences": found.sequences, "rate": found.rate, "threshold": threshold}


def _facts(done: Trained, trainer: pl.Trainer) -> dict[str, Any]:
    """What is known of the training without evaluating."""
    learner, solved = done.learner, done.solved.solved
    return {
        "experiment": done.experiment,
        "seed": done.seed,
        "solved": solved is not None,
        "sequences_to_solve": int(solved["sequences"]) if solved else None,
        "seconds_to_solve": round(solved["seconds"], 2) if solved else None,
        "steps": trainer.global_step,
        "sequences": learner.sequences,
        **({"skipped_steps": learner.skipped} if done.options.skip_nonfinite else {}),
        **({"collapses": done.rollback.times} if done.rollback else {}),
        "seconds": round(learner.seconds, 2),
        "parameters": sum(p.numel() for p in learner.model.parameters()),
        "backend": chosen_backend(learner.model),
        "device": str(trainer.strategy.root_device),
        "metrics": _as_json(learner.last_numbers),
    }


def _as_json(row: dict[str, float]) -> dict[str, float | None]:
    """Null where there is no number, or the gradient of a step that was left out had none: JSON has no NaN or Inf."""
    return {name: value if math.isfinite(value) else None for name, value in row.items()}


def chosen_backend(model: Any) -> str:
    """The backend that runs, of a model that says so."""
    report = model.backend_report() if hasattr(model, "backend_report") else {}
    return next((name for name, reason in report.items() if reason.startswith("chosen")), "torch")


def _log(run: RunDir, loggers: list[Any], outcome: _Outcome) -> None:
    columns = ["length", *next(iter(outcome.lengths.values()))]
    log_table(loggers, "lengths", columns, [[n, *row.values()] for n, row in outcome.lengths.items()])
    if outcome.scores:
        log_table(loggers, "evaluations", *in_columns(outcome.scores))
    for name, path in outcome.figures.items():
        for logger in loggers:
            log_picture(logger, f"figures/{name}", path)
    for logger in loggers:
        if isinstance(logger, Wandb):
            logger.log_checkpoint(run.last)


def _report(done: Trained, run: RunDir, trainer: pl.Trainer, outcome: _Outcome) -> None:
    learner, result = done.learner, outcome.result
    print(f"\n{_verdict(done, result)}\n")
    if text := example_text(learner.model, learner.task, seed=learner.seed):
        say(text + "\n")
    sequences = done.options.evaluation_sequences
    items = distinct_items(learner.task.splits().test, outcome.lengths)
    print_lengths(outcome.lengths, learner.task, sequences, result.get("evaluation_split"), items)
    if outcome.scores:
        print_evaluations(outcome.scores, learner.task, sequences)
    for split, reasons in result.get("left_out", {}).items():
        say(f"left out of {split}: " + ", ".join(f"{count} ({reason})" for reason, count in reasons.items()))
    if said := _better(run, learner.validation_error):
        say(said)
    paths: dict[str, Path | str] = {"run directory": run.path, "figures": run.figures}
    if "memory-at-work" in outcome.figures:
        paths["memory at work"] = outcome.figures["memory-at-work"]
    for logger in trainer.loggers:
        if isinstance(logger, Wandb):
            paths["W&B run"] = logger.newest_folder
    print_paths(paths)


def _better(run: RunDir, last_error: float) -> str:
    """That an earlier validation had fewer errors, and how its weights are used; "" where none had."""
    if not run.best.is_file():
        return ""
    best = run.read_checkpoint("best")
    error = best.get("memnets", {}).get("validation_error", math.inf)
    if not error < last_error:
        return ""
    return (
        f"the validation at step {best['global_step']:,} had fewer errors, {error:.3g} per sequence against "
        f"{last_error:.3g} at the end: --checkpoint best uses its weights\n"
    )


def _verdict(done: Trained, result: dict[str, Any]) -> str:
    failures = result["failures"]
    fail = f"{failures['failing']:,} of {failures['sequences']:,} fresh sequences fail"
    on = f" on {result['validation_split']}" if "validation_split" in result else ""
    if result["solved"]:
        return (
            f"solved{on} after {result['sequences_to_solve']:,} sequences ({result['seconds_to_solve']:.0f} s); "
            f"trained on {result['sequences']:,} in {result['seconds']:.0f} s; {fail}"
        )
    error = done.learner.validation_error
    seen = f"{error:.2f} errors per sequence{on}" if math.isfinite(error) else "no validation"
    return (
        f"not solved within {result['sequences']:,} sequences: {seen}, and solved means below "
        f"{done.solved.threshold:g} at {done.solved.checks} checks in a row; {fail}{_whole_rate(done.solved)}"
    )


def _whole_rate(solved: StopWhenSolved) -> str:
    """That the rate was to fall and did not, and how it would; "" where it fell, or was not to."""
    if not solved.anneal_steps or solved.annealed:
        return ""
    checks = "a check" if solved.anneal_checks == 1 else f"{solved.anneal_checks} checks in a row"
    return (
        f"; no annealing has begun: the rate falls over {solved.anneal_steps:,} steps once {checks} had fewer "
        f"errors than {solved.anneal_below:g} (--training.anneal_below)"
    )
