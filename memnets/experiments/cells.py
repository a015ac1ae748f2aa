"""Which units of a trained language model mean something: the table, and the text coloured by each of them."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import viz
from ..base.errors import UsageError
from ..base.files import write_atomically
from ..base.regular_files import UnusableFile, read_regular
from ..models.language_model import LanguageModel
from ..text.code_features import code_features
from ..training.units import Found, Units, rank_units, record_units
from .load import load_language_model, load_run
from .printing import print_paths
from .run_dir import RunDir

MOST_BYTES = 1 << 28
"""Largest file that is read."""

EXCERPT = 1200
"""Characters that are drawn."""

FOUND = 0.5
"""Share of a feature's variance that a unit has to explain to be called a cell of it, and above its control."""


def show_cells(options: argparse.Namespace) -> int:
    """``memnets cells``: rank the units, save the table and the pictures, and print both."""
    run, model, text = _load(options)
    text = text[: options.characters]
    if len(text) < 100:
        raise UsageError(f"the text has {len(text)} characters, of which no unit can be told: give at least 100")
    print(f"reading {len(text):,} characters", flush=True)
    units = record_units(model, _classes(model, text))
    features = code_features(text)
    found = rank_units(units, features)
    paths: dict[str, Path | str] = {"table": run.path / "cells.json"}
    for name, best in found.items():
        path = run.figures / "cells" / f"{name.replace(' ', '-')}.png"
        paths[name] = viz.save_figure(_draw(text, units, features[name], name, best), path)
    table = {name: best._asdict() for name, best in found.items()}
    write_atomically({run.path / "cells.json": (json.dumps(table, indent=2) + "\n").encode()})
    print(f"{len(text):,} characters, {len(units.names)} units; chosen on the first half, scored on the second\n")
    print(_table(found))
    print_paths(paths)
    return 0


def _load(options: argparse.Namespace) -> tuple[RunDir, LanguageModel, str]:
    """The run, its model, and the text: the file's, or what the run's task keeps for its test."""
    if options.file is not None:
        run, model = load_language_model(options.run_dir, which=options.checkpoint, vouched=options.trust)
        try:
            return run, model, read_regular(Path(options.file), MOST_BYTES).decode("utf-8")
        except (UnusableFile, UnicodeDecodeError) as error:
            reason = "is no UTF-8" if isinstance(error, UnicodeDecodeError) else error
            raise UsageError(f"{options.file} cannot be read (it {reason}): give a file of text") from error
    run, _, objects = load_run(options.run_dir, which=options.checkpoint, vouched=options.trust)
    if not isinstance(objects.model, LanguageModel):
        raise UsageError(
            f"the model is a {type(objects.model).__name__}, whose units are not of characters: give a run of a "
            "LanguageModel, such as runs/chars-lstm/<id>"
        )
    test = objects.task.splits().test
    if not hasattr(test, "whole_text"):
        raise UsageError(f"{type(test).__name__} keeps no text for its test: give a FILE")
    return run, objects.model, test.whole_text()


def _classes(model: LanguageModel, text: str) -> torch.Tensor:
    """A class for each character; what the model cannot write is unknown to it."""
    classes = model.symbols.classes
    unknown = classes.get("\N{REPLACEMENT CHARACTER}", 0)
    return torch.tensor([classes.get(character, unknown) for character in text])


def _draw(text: str, units: Units, feature: np.ndarray, name: str, best: Found) -> Any:
    """The stretch of whole lines of the second half in which the feature varies most, coloured by its unit."""
    starts = [0, *(n + 1 for n, character in enumerate(text) if character == "\n")]
    starts = [n for n in starts if len(text) // 2 <= n < len(text) - EXCERPT] or [0]
    start = max(starts, key=lambda n: float(np.var(feature[n : n + EXCERPT])))
    excerpt = slice(start, start + EXCERPT)
    values = units.values[excerpt, best.unit]
    is_cell = best.name.startswith("cell")
    title = f"{name}: {best.name}, explains {best.score:.0%} of it (by chance {best.control:.0%})"
    return viz.characters_figure(
        text[excerpt], np.tanh(values) if is_cell else values, title, "tanh(cell)" if is_cell else "unit"
    )


def _table(found: dict[str, Found]) -> str:
    """Markdown, the best unit of each feature a row."""
    lines = [
        "| feature | unit | explained | by chance at most | next best | a cell of it |",
        "|---|---|---|---|---|---|",
    ]
    for name, best in found.items():
        others = ", ".join(f"{other} {score:.0%}" for other, score in list(best.others.items())[:2])
        says = "yes" if best.score >= max(FOUND, best.control) else "no"
        lines.append(f"| {name} | {best.name} | {best.score:.0%} | {best.control:.0%} | {others} | {says} |")
    return "\n".join(lines) + "\n"
