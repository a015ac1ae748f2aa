"""Gradients through time of one run or several, before and after training, in one table and one picture."""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from .. import viz
from ..base.errors import UsageError
from ..base.files import write_atomically
from ..base.seeding import generator
from ..training.gradient_flow import Flow, gradient_flow
from .config import instantiate, parse_reading
from .load import load_run
from .printing import print_paths, say
from .run_dir import RunDir

Flows = dict[str, dict[str, dict[str, list[float]]]]
"""By run, "before training" or "after training", and kind of state: norms one step back, two steps back and so on."""


def show_gradients(options: argparse.Namespace) -> int:
    """``memnets gradients``: measure, print a table, and draw."""
    flows: Flows = {}
    for path, name in zip(options.run_dir, _names(options.run_dir)):
        run, config, objects = load_run(path, which=options.checkpoint, vouched=options.trust)
        fresh = _untrained(run, config.seed, options.trust)
        batch = _sample(objects.task, options)
        flows[name] = {
            when: _by_kind(_flow(model, objects.task, batch, path))
            for when, model in (("before training", fresh), ("after training", objects.model))
        }
    first = RunDir.open(options.run_dir[0])
    figure = viz.save_figure(viz.gradients_figure(flows), first.figures / "gradients.png")
    write_atomically({first.path / "gradients.json": (json.dumps(flows) + "\n").encode()})
    say(_table(flows, options.distances))
    print_paths({"figure": figure, "numbers": first.path / "gradients.json"})
    return 0


def _names(paths: list[str]) -> list[str]:
    """The experiment of each run, with its id where several are of one."""
    parts = [Path(path).resolve() for path in paths]
    experiments = [path.parent.name for path in parts]
    return [
        path.parent.name if experiments.count(path.parent.name) == 1 else f"{path.parent.name}/{path.name}"
        for path in parts
    ]


def _untrained(run: RunDir, seed: int, vouched: bool) -> Any:
    """The model as it was before its first step."""
    parser, config = parse_reading(run.config, trusted=run.is_trusted(vouched))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return instantiate(parser, config).model


def _sample(task: Any, options: argparse.Namespace) -> Any:
    random = generator(0, "gradients", 0)
    length = options.length or task.max_length
    try:
        return task.splits().test.sample(options.sequences, length, random)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _flow(model: Any, task: Any, batch: Any, path: str) -> Flow:
    try:
        return gradient_flow(model, task, batch)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error


def _by_kind(flow: Flow) -> dict[str, list[float]]:
    """The fields of a state by their own names, such as hidden, cell and memory, whatever holds them."""
    kinds: dict[str, torch.Tensor] = {}
    for name, norms in flow.items():
        kind = name.split(".")[-1].replace("_", " ")
        kinds[kind] = norms if kind not in kinds else torch.hypot(kinds[kind], norms)
    return {kind: norms.tolist() for kind, norms in kinds.items()}


def _table(flows: Flows, distances: list[int]) -> str:
    """Markdown: what is left of the gradient at some distances, as a share of that one step back."""
    lines = [
        "| run | state | when | norm one step back | " + " | ".join(f"{d} back" for d in distances) + " |",
        "|---" * (4 + len(distances)) + "|",
    ]
    for run, times in flows.items():
        for when, kinds in times.items():
            for kind, norms in kinds.items():
                start = norms[0] or float("nan")
                shares = [f"x {norms[d - 1] / start:.2g}" if d <= len(norms) else "-" for d in distances]
                lines.append(f"| {run} | {kind} | {when} | {norms[0]:.2g} | " + " | ".join(shares) + " |")
    return "\n".join(lines) + "\n"
