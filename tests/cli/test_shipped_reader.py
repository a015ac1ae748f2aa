"""The reader that comes with the library: small, whole, and reading print without a run."""

import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from memnets.cli import main
from memnets.experiments.shipped import FOLDER, load_shipped
from memnets_tasks import PageLines, TextLines
from memnets_tasks.images.metrics import character_error_rate
from memnets_tasks.images.page_lines import LINES


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Twelve lines of words that no training has seen, in a font that it has not, by path."""
    folder = tmp_path_factory.mktemp("lines")
    task = TextLines(words="mixed", restyle=0.0, noise=0.02).splits().unseen["unseen font"]
    batch = task.sample(12, 14, torch.Generator().manual_seed(0))
    texts = {}
    for n, (image, width, text) in enumerate(zip(batch.images, batch.widths.tolist(), batch.texts)):
        path = folder / f"line{n:02}.png"
        Image.fromarray((image[0, :, :width] * 255).round().byte().numpy()).save(path)
        texts[str(path)] = text
    return texts


def test_it_is_small_and_has_its_card():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000
    card = (FOLDER / "README.md").read_text()
    assert all(word in card for word in ("Trained on", "Figures", "Limits", "ocr-western"))
    reader, _ = load_shipped()
    assert set("azAZ09!?€éüß ") <= set(reader.charset)
    assert reader.calibration.widest > 100


def test_a_photographed_page_is_read_at_several_sizes():
    """Its type is larger than that of training: read at one size most of its errors were of case."""
    pytest.importorskip("skimage.data")
    reader, _ = load_shipped()
    (batch,) = PageLines(height=32, charset=reader.charset).batches(7)
    at_several = reader.predict(batch)
    at_one = reader.read(batch.images, batch.widths, sizes=[1])
    assert character_error_rate([reading.text for reading in at_several], batch.texts) < 0.04
    assert character_error_rate([reading.text for reading in at_one], batch.texts) > 0.1


def test_labelled_lines_are_scored_without_a_run(lines, capsys):
    labels = Path(next(iter(lines))).with_name("gt.txt")
    labels.write_text("".join(f"{Path(path).name}\t{text}\n" for path, text in lines.items()), encoding="utf-8")
    assert main(["lengths", "--data", str(labels)]) == 0
    said = capsys.readouterr().out
    assert "the reader that ships: 12 lines" in said
    assert float(re.search(r"character error rate +([\d.]+)%", said)[1]) < 20
    assert main(["lengths"]) == 2
    assert "RUN_DIR is missing" in capsys.readouterr().err


def test_a_photographed_page_is_read_from_its_picture(tmp_path, capsys):
    """Its lines are found, and made level; under them a line that the picture cuts through is read as something."""
    page = pytest.importorskip("skimage.data").page()
    Image.fromarray(page).save(tmp_path / "page.png")
    assert main(["read", "--page", str(tmp_path / "page.png"), "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["line"] for record in records] == list(range(1, len(records) + 1))
    read, texts = [record["text"] for record in records[:7]], [line.text for line in LINES]
    assert character_error_rate(["\n".join(read)], ["\n".join(texts)]) < 0.05
    assert all(record["confidence"] < 0.3 for record in records[7:])


def test_print_is_read_without_a_run(lines, tmp_path, capsys):
    Image.new("L", (200, 32), 250).save(tmp_path / "blank.png")
    assert main(["read", *lines, str(tmp_path / "blank.png"), "--json"]) == 1
    *records, blank = json.loads(capsys.readouterr().out)
    assert "image is blank" in blank["error"]
    rate = character_error_rate([record["text"] for record in records], list(lines.values()))
    assert rate < 0.2
    assert sum(record["confidence"] for record in records) / len(records) > 0.7
