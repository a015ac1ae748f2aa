"""From the words of ``memnets sweep`` to a checked plan; torch is imported only where settings are parsed."""

import argparse
import dataclasses
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from ...base.errors import UsageError
from ..catalogue import experiments, find_experiment
from .directory import PLAN, SweepDir, is_stored_plan
from .file import is_plan, read_plan
from .plan import Plan, PlanError, Trial, parse_seeds, split_values


def make_plan(options: argparse.Namespace) -> tuple[SweepDir, Plan, dict[str, Path]]:
    """The directory, the plan, and each experiment's file, by name. Nothing is written.

    Raises:
        PlanError: what is asked for cannot be.
    """
    files: dict[str, Path] = {}
    first = Path(options.targets[0])
    if len(options.targets) == 1 and is_stored_plan(first):
        first = first.parent
    shadowed = str(first) in experiments() and not (first / PLAN).is_file()  # a folder that only has such a name
    if len(options.targets) == 1 and first.is_dir() and not shadowed:
        if options.name or options.sweeps:
            raise PlanError(f"{first} has its name and place: leave --name and --sweeps out")
        sweep, plan = SweepDir.open(first)
        files = {name: sweep.config(name) for name in plan.experiments}
        return sweep, _with_options(plan, options), files

    def resolve(written: str, beside: Path | None = None) -> str:
        if beside and (beside / written).is_file():
            written = str(beside / written)
        try:
            name, path = find_experiment(written)
        except UsageError as error:
            raise PlanError(str(error)) from error
        files[name] = path
        return name

    if len(options.targets) == 1 and first.suffix in (".yaml", ".yml") and first.is_file() and is_plan(first):
        plan = read_plan(first, lambda written: resolve(written, first.parent))
    else:
        names = [resolve(target) for target in options.targets]
        if len(set(names)) < len(names):
            raise PlanError(f"an experiment is named twice: {', '.join(names)}")
        plan = Plan("-".join(names), {name: {} for name in names})
    plan = _with_options(plan, options)
    return SweepDir(Path(options.sweeps or "sweeps") / plan.name), plan, files


def _with_options(plan: Plan, options: argparse.Namespace) -> Plan:
    """What is said on the command line goes before what the file says."""
    grid: dict[str, tuple[str, ...]] = {}
    for text in options.grid:
        key, equals, values = text.partition("=")
        if not equals:
            raise PlanError(f"--grid is {text!r}, but must be such as model.hidden_size=64,100")
        grid[key] = split_values(values)
        if "" in grid[key]:
            raise PlanError(f"--grid is {text!r}, which has an empty value: write {key}=V1,V2, or '' for an empty text")
    said = {*grid, *options.settings}
    experiments = {name: _without(own, said) for name, own in plan.experiments.items()}
    return dataclasses.replace(
        plan,
        name=options.name or plan.name,
        experiments=experiments,
        seeds=parse_seeds(options.seeds) if options.seeds is not None else plan.seeds,
        grid={**{key: values for key, values in plan.grid.items() if key not in options.settings}, **grid},
        settings={**_without(plan.settings, grid), **options.settings},
    )


def _without(settings: Mapping[str, str], keys: Container[str]) -> dict[str, str]:
    return {key: value for key, value in settings.items() if key not in keys}


def check_settings(
    plan: Plan,
    trials: Iterable[Trial],
    files: dict[str, Path],
    *,
    here: bool,
    trusted: bool = True,
    said: Sequence[str] = (),
) -> None:
    """Parse the settings of every kind of trial and make its objects, without training.

    Args:
        plan: of the sweep.
        trials: those to check; seeds make no difference.
        files: each experiment's file.
        here: also check that this machine can train it, which may not be the one that will.
        trusted: whether classes of the user's own may be named.
        said: settings of W&B that the user has said, rather than the sweep's files.

    Raises:
        PlanError: a setting is refused.
    """
    from ..config import instantiate, parse_experiment
    from ..start import prepare

    kinds = {trial.group: trial for trial in trials}
    for group, trial in kinds.items():
        try:
            if here:
                settings = {"wandb.group": plan.name}
                file = files[trial.experiment]
                prepare(trial.experiment, file, trial.arguments, settings, said=said, trusted=trusted)
            else:
                instantiate(*parse_experiment(files[trial.experiment], trial.arguments, trusted=trusted))
        except UsageError as error:
            where = f"{group}: " if len(kinds) > 1 else ""
            raise PlanError(where + str(error)) from error
