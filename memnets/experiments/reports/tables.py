"""A report's text: Markdown for people, CSV for further work, one row a trial."""

import csv
import datetime
import io
import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..sweeps.directory import SweepDir
from ..sweeps.machine import FACTS
from ..sweeps.plan import Plan, show_seeds, split_values
from ..sweeps.results import more_is_better
from .outcomes import Outcome, by_group, machines
from .statistics import errors, seconds, show_spread, whole

NOTE = (
    "Median [quartiles] over seeds; a seed that was not solved counts as never, and so does one that failed. Solved: "
    "the validation error first stayed below the task's threshold, and did up to the end. Errors by length are those "
    "of the trained network at the end; a seed that failed has none, and counts among those with errors. A sequence "
    "fails whose own errors are not below that threshold: of fresh ones of the training lengths, after training."
)

MISHAPS = ("skipped_steps", "collapses")
"""What a run counts only where its settings ask for it: ``skip_nonfinite`` and ``collapse_rise``."""


def plan_command(sweep: SweepDir, plan: Plan) -> str:
    """The command line that makes this sweep."""
    split = all(split_values(",".join(values)) == tuple(values) for values in plan.grid.values())
    if any(plan.experiments.values()) or not split:
        return shlex.join(["memnets", "sweep", str(sweep.plan_file)])
    words = ["memnets", "sweep", *plan.experiments, "--seeds", show_seeds(plan.seeds)]
    for key, values in plan.grid.items():
        words += ["--grid", f"{key}={','.join(values)}"]
    for key, value in plan.settings.items():
        words += [f"--{key}", value]
    if plan.name != "-".join(plan.experiments):
        words += ["--name", plan.name]
    if sweep.path.parent != Path("sweeps"):
        words += ["--sweeps", str(sweep.path.parent)]
    return shlex.join(words)


def markdown(sweep: SweepDir, plan: Plan, outcomes: list[Outcome], figures: Sequence[str]) -> str:
    """The whole report."""
    done = [outcome for outcome in outcomes if outcome.result]
    ended = [outcome for outcome in outcomes if outcome.result or outcome.state == "failed"]
    failed = Counter(outcome.trial.group for outcome in ended if not outcome.result)
    parts = [f"# Sweep {plan.name}", f"```bash\n{plan_command(sweep, plan)}\n```"]
    parts += [_completeness(outcomes), _provenance(outcomes)]
    if ended:
        parts += [NOTE, _solving(ended)]
        for kind in dict.fromkeys(map(_kind, done)):
            same = [outcome for outcome in done if _kind(outcome) == kind]
            parts += [f"## {_title(same[0])} at each length ({same[0].task.length_unit})", _by_length(same, failed)]
            if splits := _splits(same):
                parts += [f"## {_title(same[0])} on what is new", _by_split(same, splits)]
        for kind in dict.fromkeys(map(_kind, done)):
            same = [outcome for outcome in done if _kind(outcome) == kind]
            parts += [f"## Each seed ({_title(same[0]).lower()})", _each(same)]
    parts += [f"![{Path(path).stem}]({path})" for path in figures]
    return "\n\n".join(part for part in parts if part) + "\n"


def _kind(outcome: Outcome) -> tuple[str, str, tuple[int, ...]]:
    """Trials whose errors can stand in one table."""
    return outcome.error, outcome.task.length_unit, tuple(outcome.lengths)


def _title(outcome: Outcome) -> str:
    return outcome.error.replace("_", " ").capitalize()


def _completeness(outcomes: list[Outcome]) -> str:
    missing = [outcome for outcome in outcomes if not outcome.result]
    text = f"{len(outcomes) - len(missing)} of {len(outcomes)} trials are done."
    if missing:
        listed = [f"{group} {_states(some)}" for group, some in by_group(missing).items()]
        text += f" {len(missing)} missing: {'; '.join(listed)}."
    return text


def _states(outcomes: list[Outcome]) -> str:
    states = dict.fromkeys(outcome.state for outcome in outcomes)
    named = {state: show_seeds([o.trial.seed for o in outcomes if o.state == state]) for state in states}
    return ", ".join(f"seed {seeds} {'not begun' if state == 'waiting' else state}" for state, seeds in named.items())


def _provenance(outcomes: list[Outcome]) -> str:
    starts = sorted(attempt["started"][:10] for o in outcomes for attempt in o.attempts if "started" in attempt)
    dates = " to ".join(dict.fromkeys([*starts[:1], *starts[-1:]])) or "not yet"
    found = [
        f"{one['cpu']}, {one['cores']} cores, torch {one['torch']}, {one['threads']} "
        f"thread{'s' if one['threads'] != 1 else ''} a trial"
        for one in machines(outcomes)
    ]
    used = sorted({f"backend {o.result['backend']} on {o.result['device']}" for o in outcomes if o.result})
    return f"Run {dates}" + "".join(f"; {what}" for what in [*found, *used]) + f". Report of {datetime.date.today()}."


def _solving(ended: list[Outcome]) -> str:
    head = ["experiment", "solved", "sequences to solve", "seconds to solve", "parameters", "final validation error"]
    head += ["sequences that fail"]
    rows = []
    for group, seeds in by_group(ended).items():
        results = [outcome.result for outcome in seeds if outcome.result]
        never = [math.inf] * (len(seeds) - len(results))  # to leave out those that failed would flatter the rest
        final = [outcome.final_error for outcome in seeds if outcome.result and outcome.final_error is not None]
        unit = next((_title(outcome).lower() for outcome in seeds if outcome.result), "")
        counts = sorted({result["parameters"] for result in results})
        rows.append([
            group,
            f"{sum(result['solved'] for result in results)} of {len(seeds)}",
            show_spread([*(_or_never(result["sequences_to_solve"]) for result in results), *never], whole),
            show_spread([*(_or_never(result["seconds_to_solve"]) for result in results), *never], seconds),
            " to ".join(f"{count:,}" for count in dict.fromkeys([*counts[:1], *counts[-1:]])) or "-",
            f"{show_spread(final, errors)} {unit}" if final else "-",
            _failing(results),
        ])  # fmt: skip
    if all(row[-1] == "-" for row in rows):  # trained before failures were counted
        head, rows = head[:-1], [row[:-1] for row in rows]
    return _table(head, rows)


def _failing(results: list[dict]) -> str:
    """The share of sequences that fail, over seeds, and among how many each; a dash where nobody counted."""
    counted = [result["failures"] for result in results if "failures" in result]
    if not counted:
        return "-"
    among = dict.fromkeys(f"{one['sequences']:,}" for one in counted)
    rates = [one["rate"] for one in counted]
    return f"{show_spread(rates, _percent)}, worst {_percent(max(rates))} (of {' or '.join(among)} each)"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _or_never(value: float | None) -> float:
    return math.inf if value is None else float(value)


def _by_length(done: list[Outcome], failed: Mapping[str, int]) -> str:
    rows = []
    for group, seeds in by_group(done).items():
        cells = []
        for length in done[0].lengths:
            values = [outcome.lengths[length] for outcome in seeds]
            if more_is_better(done[0].error):
                cells.append(f"{show_spread(values, errors)}, worst {errors(min(values))}")
                continue
            zero = f"zero in {sum(value == 0 for value in values)} of {len(values) + failed.get(group, 0)}"
            cells.append(f"{show_spread(values, errors)}, worst {errors(max(values))}; {zero}")
        rows.append([group, *cells])
    return _table(["experiment", *map(str, done[0].lengths)], rows)


def _splits(done: list[Outcome]) -> list[str]:
    """The names of the evaluations that some of these have."""
    return list(dict.fromkeys(name for outcome in done for name in outcome.evaluations))


def _by_split(done: list[Outcome], splits: list[str]) -> str:
    worst = min if more_is_better(done[0].error) else max
    rows = []
    for group, seeds in by_group(done).items():
        scores = [[o.evaluations[name] for o in seeds if name in o.evaluations] for name in splits]
        rows.append([group, *(f"{show_spread(s, errors)}, worst {errors(worst(s))}" if s else "-" for s in scores)])
    return _table(["experiment", *splits], rows)


def _each(done: list[Outcome]) -> str:
    head = ["experiment", "seed", "solved", "sequences to solve", "seconds to solve", "sequences", "seconds"]
    mishaps = _mishaps(done)
    rows = []
    for outcome in done:
        result = outcome.result or {}
        rows.append([
            outcome.trial.group,
            str(outcome.trial.seed),
            "yes" if result["solved"] else "no",
            whole(_or_never(result["sequences_to_solve"])),
            seconds(_or_never(result["seconds_to_solve"])),
            whole(result["sequences"]),
            seconds(result["seconds"]),
            *(str(result.get(name, "")) for name in mishaps),
            *map(errors, outcome.lengths.values()),
        ])  # fmt: skip
    head += [name.replace("_", " ") for name in mishaps]
    return _table([*head, *(f"at {length}" for length in done[0].lengths)], rows)


def _mishaps(outcomes: list[Outcome]) -> list[str]:
    """Which of them some of these runs have counted."""
    return [name for name in MISHAPS if any(name in (outcome.result or {}) for outcome in outcomes)]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def csv_rows(sweep: SweepDir, plan: Plan, outcomes: list[Outcome]) -> str:
    """CSV, a row a trial: settings of the grid, state, result, ``metric@length``, ``metric@split``, machine, path."""
    keys = ("solved", "sequences_to_solve", "seconds_to_solve", "steps", "sequences", "seconds")
    keys += ("parameters", "backend", "device")
    mishaps = _mishaps(outcomes)
    rows = []
    for outcome in outcomes:
        trial, result = outcome.trial, outcome.result
        row = {"experiment": trial.experiment, **trial.point, "seed": trial.seed, "state": outcome.state}
        if result:
            row |= {key: result[key] for key in keys} | {key: result.get(key) for key in mishaps}
            row |= {"error": outcome.error, "final_error": outcome.final_error}
            row |= {f"failures_{key}": value for key, value in (result.get("failures") or {}).items()}
            scores = {**result["lengths"], **(result.get("evaluations") or {})}
            row |= {f"{name}@{at}": value for at, line in scores.items() for name, value in line.items()}
        if outcome.attempts:
            row |= {fact: outcome.attempts[-1].get(fact) for fact in ("host", *FACTS)}
        rows.append({**row, "directory": str(sweep.trial(trial).path)})
    at = [column for row in rows for column in row if "@" in column]
    failures = dict.fromkeys(column for row in rows for column in row if column.startswith("failures_"))
    columns = ["experiment", *plan.grid, "seed", "state", *keys, *mishaps, "error", "final_error", *failures]
    columns += dict.fromkeys(at)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*columns, "host", *FACTS, "directory"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
