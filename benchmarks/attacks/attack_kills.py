"""Trainings that are killed again and again, at any moment, and resumed: do they end as one that never stopped?

A run of a small NTM is started, ended by SIGKILL at a drawn moment (while it starts, trains, validates or writes),
resumed, killed again, and in the end left to finish. Most moments are counted in validations since the last kill, so
that a machine that is busy or slow is killed as far on as another. Weights, results and metrics must be bitwise those
of an unbroken run, and no temporary file may be left. Exit code 1 where one is not.
"""

import argparse
import csv
import datetime
import json
import multiprocessing
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STEPS, EVERY = 600, 10
EXPERIMENT = [
    *("copy-ntm", "--task.bits", "3", "--task.max_length", "4", "--task.evaluation_lengths", "[3,6]"),
    *("--model.hidden_size", "12", "--model.slots", "9", "--model.width", "5", "--training.batch_size", "4"),
    *("--training.validation_size", "8", "--training.evaluation_sequences", "5", "--training.pictures_every", "0"),
    *("--training.min_slots", "5", "--wandb.mode", "disabled", "--trainer.max_steps", str(STEPS)),
    *("--trainer.val_check_interval", str(EVERY), "--training.threshold", "1e-6", "--training.anneal_steps", "50"),
]
"""A checkpoint each ten steps: a good part of the time is spent in writing."""


def command(arguments: list[str], log: str) -> None:
    """The command line, in a process of its own whose output goes to ``log``."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    import torch

    from memnets.cli import main

    torch.set_num_threads(1)
    sys.exit(main(arguments))


class Processes:
    """Processes that start at once, as what they import is there already."""

    def __init__(self, log: Path):
        self.log = str(log)
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["memnets.cli", "memnets.experiments.start", "memnets_tasks", __name__])

    def start(self, arguments: list[str]) -> Any:
        """One that runs the command line."""
        process = self.context.Process(target=command, args=(arguments, self.log))
        process.start()
        return process


def outcome(run: Path) -> dict[str, Any]:
    """All that must be the same."""
    import torch

    with (run / "metrics.csv").open() as file:
        rows = [{k: v for k, v in row.items() if "per_second" not in k} for row in csv.DictReader(file)]
    result = json.loads((run / "result.json").read_text())
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return {
        "rows": rows,
        "result": {k: v for k, v in result.items() if "seconds" not in k},
        "weights": {name: tensor.numpy().tobytes() for name, tensor in checkpoint["state_dict"].items()},
        "optimizer": repr(checkpoint["optimizer_states"]),
        "step": checkpoint["global_step"],
    }


def leftovers(run: Path) -> list[str]:
    """Files in the making that nothing removed."""
    from memnets.base.files import TEMPORARY

    return [str(path.relative_to(run)) for path in run.rglob("*") if TEMPORARY.fullmatch(path.name)]


def kill_and_resume(
    processes: Processes, root: Path, name: str, kills: int, whole: float, drawn: random.Random
) -> dict[str, Any]:
    """One run with that many kills; ``whole`` is how long an unbroken one takes."""
    run = root / "copy-ntm" / name
    log, done, steps, left = Path(processes.log), 0, [], 0
    while True:
        if (run / "result.json").is_file():  # it was killed on its way out, with nothing left to do
            return {"kills": done, "steps": steps, "temporaries": left, "left": leftovers(run), "outcome": outcome(run)}
        goes_on = (run / "config.yaml").is_file()
        words = ["resume", str(run)] if goes_on else ["fit", *EXPERIMENT, "--runs", str(root), "--run_id", name]
        process = processes.start(words)
        if done == kills:
            break
        wait_for_the_moment(process, run, drawn, whole)
        if process.exitcode is None:
            process.kill()
            process.join()
            done += 1
            left += len(leftovers(run))
            steps.append(last_step(run))
        elif process.exitcode:
            return {"kills": done, "error": log.read_text()[-400:]}
        elif done < kills:  # it ended before the kill: the rest goes to another run
            break
    process.join()
    if process.exitcode:
        return {"kills": done, "error": log.read_text()[-400:]}
    return {"kills": done, "steps": steps, "temporaries": left, "left": leftovers(run), "outcome": outcome(run)}


def wait_for_the_moment(process: Any, run: Path, drawn: random.Random, whole: float) -> None:
    """Wait until it is to be killed: in one case of four a drawn time, which may be before its first step; else a drawn
    number of validations, and up to the time of two more, so that it may train, validate or write."""
    if drawn.random() < 0.25:
        process.join(drawn.uniform(0.02, 0.3) * whole)
        return
    goal, later = last_step(run) + drawn.randint(1, 8), drawn.uniform(0, 2) * whole / (STEPS / EVERY)
    while process.is_alive() and last_step(run) < goal:
        process.join(0.02)
    process.join(later)


def last_step(run: Path) -> int:
    """Rows of metrics so far, as a hint of where the kill came."""
    try:
        return max(0, len((run / "metrics.csv").read_text().splitlines()) - 1)
    except FileNotFoundError:  # it is not there yet, or is being written anew
        return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--each", type=int, default=8, help="kills of a run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="add the figures to this file, by seed")
    options = parser.parse_args()
    drawn, began = random.Random(options.seed), time.perf_counter()
    totals = {"kills": 0, "runs": 0, "not_the_same": 0, "temporaries_of_kills": 0, "temporaries_left": 0}
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        root = Path(folder)
        os.environ |= {"OMP_NUM_THREADS": "1", "MEMNETS_STATE": str(root / "state")}
        processes = Processes(root / "log")
        for name in ("first", "unbroken"):  # the first compiles
            start = time.perf_counter()
            process = processes.start(["fit", *EXPERIMENT, "--runs", str(root), "--run_id", name])
            process.join()
            whole = time.perf_counter() - start
            if process.exitcode:
                sys.exit(Path(processes.log).read_text())
        want = outcome(root / "copy-ntm" / "unbroken")
        while totals["kills"] < options.kills:
            count = min(options.each, options.kills - totals["kills"])
            found = kill_and_resume(processes, root, f"run{totals['runs']}", count, whole, drawn)  # pyright: ignore
            same = found.get("outcome") == want
            totals["kills"] += found["kills"]
            totals["runs"] += 1
            totals["not_the_same"] += not same
            totals["temporaries_of_kills"] += found.get("temporaries", 0)
            totals["temporaries_left"] += len(found.get("left", ()))
            said = "same" if same else found.get("error", "NOT THE SAME")
            print(f"run {totals['runs']}: killed at rows {found.get('steps')}: {said}", flush=True)
            totals["seconds"] = round(time.perf_counter() - began)
            if options.json:
                write(options, totals)
    print(totals)
    return int(bool(totals["not_the_same"] or totals["temporaries_left"]))


def write(options: argparse.Namespace, totals: dict[str, int]) -> None:
    """The figures so far, by seed: they stay where this is stopped itself."""
    known = json.loads(options.json.read_text()) if options.json.exists() else {}
    figures = {
        "command": f"python benchmarks/attacks/attack_kills.py --kills {options.kills} --seed {options.seed}",
        "date": f"{datetime.date.today()}",
        "hardware": "2 cores of an Intel Xeon",
        **totals,
    }
    options.json.write_text(json.dumps({**known, f"seed {options.seed}": figures}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
