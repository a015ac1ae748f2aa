"""Train an experiment on several seeds and print a Markdown table of what each needed.

    python benchmarks/seeds.py copy-ntm --seeds 0 1 2 [--key value ...]

Each seed is one ``memnets fit`` into ``runs/<experiment>/seed<N>``; a seed whose result.json exists is not run
again, so that an interrupted study goes on where it was.
"""

import argparse
import datetime
import json
import platform
import subprocess
import sys
from pathlib import Path

EXCESS = ("excess", "excess bits")
"""The metric of tasks that count what predictions cost over the optimum, and its name in the table."""


def train(experiment: str, seed: int, runs: Path, settings: list[str]) -> dict:
    """The result of one seed, trained now unless it was before."""
    run = runs / experiment / f"seed{seed}"
    if not (run / "result.json").is_file():
        command = [sys.executable, "-m", "memnets"]
        if (run / "config.yaml").is_file():
            command += ["resume", str(run)]
        else:
            command += ["fit", experiment, "--seed", str(seed), "--runs", str(runs), "--run_id", run.name, *settings]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return json.loads((run / "result.json").read_text())


def table(results: list[dict]) -> str:
    """Markdown: a row a seed."""
    lengths = list(results[0]["lengths"])
    errors, unit = ("bit_errors", "wrong bits") if "bit_errors" in results[0]["lengths"][lengths[0]] else EXCESS
    head = ["seed", "solved", "sequences to solve", "seconds to solve", "sequences", "seconds"]
    rows = [head + [f"{unit} at {length}" for length in lengths]]
    rows.append(["---"] * len(rows[0]))
    for result in results:
        row = [result["seed"], "yes" if result["solved"] else "no", result["sequences_to_solve"] or "-"]
        row += [result["seconds_to_solve"] or "-", result["sequences"], result["seconds"]]
        rows.append(row + [f"{result['lengths'][length][errors]:.2f}" for length in lengths])
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    options, settings = parser.parse_known_args()
    results = [train(options.experiment, seed, options.runs, settings) for seed in options.seeds]
    backend = results[0]["backend"]
    print(f"{options.experiment}, backend {backend}, {platform.machine()}, {datetime.date.today()}", *settings)
    print(table(results))


if __name__ == "__main__":
    main()
