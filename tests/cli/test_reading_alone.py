"""memnets read and describe with a run directory alone, its data elsewhere, and what they print where they cannot."""

import io
import json
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from memnets.cli import main
from memnets.experiments.image_answers import writer_for
from memnets_tasks import DigitLines, Scenes, TextLines
from memnets_tasks.images import write_captions, write_text_lines
from running import fit_images, result


@pytest.mark.filterwarnings("error")
def test_a_run_directory_is_enough_to_read_or_describe_with(tmp_path, monkeypatch, capsys):
    """On another machine its data are not there; the symbols are those of the checkpoint."""
    lines = write_text_lines(tmp_path / "data", [DigitLines().sample(4, 40, torch.Generator().manual_seed(0))], "gt")
    scenes = [Scenes(size=48).sample(4, 1, torch.Generator().manual_seed(0))]
    captions = write_captions(tmp_path / "pictures", {"train": scenes}, "karpathy")["train"]
    words = tmp_path / "words.txt"
    words.write_text("abc\nde\n")
    few = ["--task.evaluation_lengths", "[4]", "--training.batch_size", "2"]
    runs = {
        "files": ("read", "ocr-digits", "TextLineFiles", ["--task.path", str(lines), "--task.height", "16"]),
        "words": ("read", "ocr-digits", "TextLines", ["--task.words", str(words), "--task.height", "16", *few]),
        "captions": ("describe", "caption-scenes", "CaptionFiles", ["--task.path", str(captions), "--task.size", "48"]),
    }
    here, answers = {}, {}
    for name, (command, experiment, task, settings) in runs.items():
        one = ["--training.batch_size", "2"] + (["--task.min_word_count", "1"] if command == "describe" else [])
        more = ["--task", f"memnets_tasks.{task}", *settings, *one]
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            here[name] = fit_images(tmp_path / name, experiment, 1, *more)
    assert result(here["files"])["validation_split"] == "the training data"  # four lines are too few to part
    assert result(here["files"])["evaluation_items"] == {"40": 4}
    for folder in (lines.parent, captions.parent):
        folder.rename(tmp_path / f"gone-{folder.name}")
    words.unlink()
    image = tmp_path / "gone-data" / "images" / "000000001.png"
    for name, run in here.items():
        moved = run.rename(tmp_path / f"moved-{name}")
        capsys.readouterr()
        wide = ["--any-width"] if runs[name][0] == "read" else []  # forty digits, to a reader of short words
        assert main([runs[name][0], str(image), "--run", str(moved), *wide]) == 0
        out, err = capsys.readouterr()
        answers[name] = out.split("\t")[1]
        assert err == ""
    assert set(answers["words"]) <= set("abcde ")
    assert set(answers["files"]) <= set("0123456789")


@pytest.mark.parametrize(
    "task",
    [
        DigitLines(height=20, max_spacing=6),
        DigitLines(max_spacing=0),
        TextLines(height=24),
        TextLines(backgrounds=False),
    ],
)
def test_images_load_alike_with_the_task_and_without_it(task, tmp_path):
    """``load_images`` of a task, and of the loader that is made of its settings."""
    names = ("height", "max_spacing", "backgrounds")
    loader = type(task).loader({name: getattr(task, name) for name in names if hasattr(task, name)})
    path = tmp_path / "line.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 70)).astype(np.uint8)).save(path)
    one, other = (each.load_images([str(path)]).batch for each in (task, loader))
    assert torch.equal(one.images, other.images)
    assert loader == task.loading


def test_what_standard_output_cannot_say_is_escaped_and_never_a_question_mark(tmp_path, monkeypatch):
    """As where output goes through a pipe of another encoding; a question mark would pass for what was read."""
    name = str(tmp_path / "caf\udce9.png")  # a name of bytes that are no UTF-8
    for encoding, whole in (("ascii", False), ("utf-8", False), ("utf-8", True)):
        record = {"image": "a.png" if whole else name, "text": "日é?", "confidence": 0.5}
        out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
        monkeypatch.setattr("sys.stdout", out)
        writer = writer_for("json", "text", ["image", "text"])
        writer.add(record)
        writer.close()
        out.flush()
        said = out.buffer.getvalue().decode(encoding)
        assert json.loads(said) == [record]
        assert ("日" in said) == whole
