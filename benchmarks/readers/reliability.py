"""Whether a reader's confidence is the share of characters that are right: a reliability table and its expected error.

Of lines that no training has seen, and of images that are no lines. Without a run it is of the reader that ships.

    python benchmarks/readers/reliability.py [RUN_DIR] --lines 400 --decode ctc
"""

import argparse
import itertools
from collections.abc import Sequence
from typing import Any

import torch

from memnets.experiments.load import load_run
from memnets.experiments.shipped import load_shipped
from memnets_tasks import TextLines
from memnets_tasks.images.metrics import edit_distance

EDGES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Of the bins of confidence."""


def read_lines(model: Any, task: Any, decode: str | None, lines: int) -> list[tuple[float, float]]:
    """Confidence, and share of characters that are right, of each line."""
    random = torch.Generator().manual_seed(1)
    found = []
    for _ in range(lines // 20):
        batch = task.sample(20, task.sample_lengths(20, random), random)
        for reading, text in zip(model.read(batch.images, batch.widths, decode=decode), batch.texts):
            longer = max(len(reading.text), len(text), 1)
            found.append((reading.confidence, 1 - edit_distance(reading.text, text) / longer))
    return found


def table(found: Sequence[tuple[float, float]]) -> tuple[list[str], float]:
    """Rows in Markdown, and the expected calibration error (Guo et al. 2017, equation 3)."""
    rows, error = [], 0.0
    for low, high in itertools.pairwise(EDGES):
        own = [(sure, right) for sure, right in found if low <= sure < high or (high == 1.0 and sure == 1.0)]
        if own:
            sure, right = (sum(values) / len(own) for values in zip(*own))
            error += len(own) / len(found) * abs(sure - right)
            rows.append(f"| {low:g} to {high:g} | {len(own)} | {sure:.3f} | {right:.3f} |")
    return rows, error


def no_lines(model: Any, height: int, decode: str | None) -> dict[str, list[float]]:
    """Confidence on images that are no lines: noise, stripes, a ramp."""
    random = torch.Generator().manual_seed(2)
    kinds = {
        "noise": torch.rand(10, 1, height, 200, generator=random),
        "coarse noise": torch.nn.functional.interpolate(
            torch.rand(10, 1, height // 8, 25, generator=random), size=(height, 200), mode="bilinear"
        ),
        "a ramp": torch.linspace(0, 1, 200).expand(10, 1, height, 200),
        "stripes": (torch.arange(200) // 6 % 2).float().expand(10, 1, height, 200),
    }
    widths = torch.full((10,), 200)
    return {name: [r.confidence for r in model.read(images, widths, decode=decode)] for name, images in kinds.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, calibrated and not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", nargs="?")
    parser.add_argument("--lines", type=int, default=400, help="lines read (400)")
    parser.add_argument("--decode", choices=("attention", "ctc", "joint"))
    options = parser.parse_args(arguments)
    model: Any
    if options.run_dir:
        objects = load_run(options.run_dir)[2]
        model, task = objects.model.eval(), objects.task.splits().test
    else:
        model, task = load_shipped()[0], TextLines(words="western", max_length=16).splits().test
    fitted = model.calibration.temperatures.clone()
    for name, temperatures in (("as it is", torch.ones_like(fitted)), ("calibrated", fitted)):
        model.calibration.temperatures.copy_(temperatures)
        rows, error = table(read_lines(model, task, options.decode, options.lines))
        shown = ", ".join(f"{value:.2f}" for value in temperatures.tolist())
        print(f"\n{name} (temperatures of attention, CTC: {shown}); expected calibration error {error:.3f}\n")
        print("| confidence | lines | mean confidence | characters right |\n|---|---|---|---|")
        print("\n".join(rows))
    print("\nimages that are no lines, mean and highest confidence")
    for name, sure in no_lines(model, model.encoder.height, options.decode).items():
        print(f"- {name}: {sum(sure) / len(sure):.2f}, {max(sure):.2f}")


if __name__ == "__main__":
    main()
