"""A sweep without training, for tests of its report."""

import json
from pathlib import Path

from memnets.experiments.sweeps.directory import SweepDir
from memnets.experiments.sweeps.plan import Plan

MACHINE = {
    "started": "2026-01-02T03:04:05",
    "host": "h",
    "cpu": "Some CPU",
    "cores": 8,
    "threads": 2,
    "torch": "2.13.0",
}
CONFIG = "task:\n  class_path: memnets_tasks.Copy\n  init_args: {min_length: 1, max_length: 5}\n"
SOLVED_AT = {0: 1600, 1: 4800, 2: None, 3: 3200}
ERRORS = {0: 0.0, 1: 0.5, 2: 12.25, 3: 0.0}


def make_sweep(folder: Path, error: str = "bit_errors") -> SweepDir:
    """A sweep of 2 x 5 trials without training; the last seed of each is missing."""
    plan = Plan("sizes", {"copy-ntm": {}}, (0, 1, 2, 3, 4), {"model.slots": ("8", "16")}, {"trainer.max_steps": "9"})
    source = folder / "copy-ntm.yaml"
    source.write_text("task: {}\n")
    sweep = SweepDir(folder / "sweeps" / "sizes")
    sweep.begin(plan, {"copy-ntm": source})
    for trial in plan.trials():
        if trial.seed == 4:
            continue
        place, seed = sweep.trial(trial), trial.seed
        place.path.mkdir(parents=True)
        place.config.write_text(CONFIG)
        place.begin_attempt(MACHINE)
        shift = 0 if trial.point["model.slots"] == "8" else 1
        result = {
            **{"experiment": "copy-ntm", "seed": seed, "solved": SOLVED_AT[seed] is not None},
            **{"sequences_to_solve": SOLVED_AT[seed], "seconds_to_solve": SOLVED_AT[seed] and SOLVED_AT[seed] / 1000},
            **{"steps": 400, "sequences": 6400, "seconds": 6.5, "parameters": 1000 + shift, "backend": "fused"},
            "device": "cpu",
            "metrics": {f"val/{error}": ERRORS[seed] + shift, "val/loss": 0.5},
            "failures": {"failing": 3 * seed, "sequences": 2000, "rate": 3 * seed / 2000, "threshold": 0.1},
            "lengths": {"5": {error: ERRORS[seed], "accuracy": 1.0}, "10": {error: 3 * ERRORS[seed], "accuracy": 0.5}},
        }
        place.result.write_text(json.dumps(result))
        rows = [
            f"{step},{step * 16},{20 / step + seed + shift},0.5" for step in (100, 200, 400)[: 2 if seed == 1 else 3]
        ]
        (place.path / "metrics.csv").write_text("\n".join([f"step,sequences,val/{error},val/loss", *rows]) + "\n")
    return sweep


def tables(text: str) -> list[list[list[str]]]:
    """The Markdown's tables as rows of cells, headings included."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [[rows[0], *rows[2:]] for rows in found if rows]
