"""The figures on the card of the reader that ships, or of a run: on lines that no training has seen, and on a page.

Character error rate, as it is and in any case: on unseen words as ``ocr-print`` draws them, in its fonts and in one
that is held out; the same over all the characters of Western Europe; the lines of scikit-image's photographed page cut
out by hand, and the page as ``memnets read --page`` cuts it, all that is read there against all that its lines say.

    python benchmarks/readers/shipped_reader.py [RUN_DIR] --lines 400 --sizes 1,0.9,0.8,0.7
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from memnets.cli.read import shares
from memnets.experiments.load import load_reader
from memnets.experiments.read_images import read_images
from memnets.experiments.shipped import load_shipped
from memnets_tasks import PageLines, TextLines
from memnets_tasks.images.metrics import character_error_rate
from memnets_tasks.images.page_lines import LINES

Pairs = tuple[list[str], list[str]]
"""What was read, and what stands there."""


def read_lines(model: Any, task: Any, lines: int) -> Pairs:
    """Lines of all the lengths of training."""
    random = torch.Generator().manual_seed(1)
    read, texts = [], []
    for _ in range(lines // 20):
        batch = task.sample(20, task.sample_lengths(20, random), random)
        read += [reading.text for reading in model.predict(batch)]
        texts += batch.texts
    return read, texts


def read_page_lines(model: Any) -> Pairs:
    """The seven lines of the page, each cut out along its bend."""
    (batch,) = PageLines(height=model.encoder.height, charset=model.charset).batches(len(LINES))
    return [reading.text for reading in model.predict(batch)], list(batch.texts)


def read_page(model: Any, loader: Any) -> Pairs:
    """The page as a picture."""
    from PIL import Image
    from skimage import data

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.png"
        Image.fromarray(data.page()).save(path)
        _, images, _ = loader.load_page(str(path))
    readings = read_images(model, images)
    return ["\n".join(reading.text for reading in readings)], ["\n".join(line.text for line in LINES)]


def rows(model: Any, loader: Any, lines: int) -> Iterator[tuple[str, Pairs]]:
    """Each row's name, and what was read for it."""
    of_print = TextLines(words="mixed").splits().unseen
    western = TextLines(words="western", max_length=16).splits().unseen
    for kind, unseen in (("ASCII", of_print), ("Western Europe", western)):
        if set(unseen["unseen words"].charset) <= {*model.charset, " "}:
            yield f"{kind}: unseen words", read_lines(model, unseen["unseen words"], lines)
            yield f"{kind}: unseen words in an unseen font (STIX)", read_lines(model, unseen["unseen font"], lines)
    yield "the seven lines of the photographed page", read_page_lines(model)
    yield "the photographed page, cut by --page", read_page(model, loader)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", nargs="?")
    parser.add_argument("--lines", type=int, default=400, help="lines of each kind (400)")
    parser.add_argument("--sizes", type=shares, help="shares of the height at which lines are read (the reader's own)")
    options = parser.parse_args(arguments)
    model, loader = load_reader(options.run_dir)[1:] if options.run_dir else load_shipped()
    model.eval()
    model.sizes = options.sizes or model.sizes
    print(f"sizes {', '.join(f'{size:g}' for size in model.sizes)}\n\n| lines | errors | in any case |\n|---|---|---|")
    for name, (read, texts) in rows(model, loader, options.lines):
        any_case = character_error_rate([text.casefold() for text in read], [text.casefold() for text in texts])
        print(f"| {name} | {character_error_rate(read, texts):.1%} | {any_case:.1%} |", flush=True)


if __name__ == "__main__":
    main()
