"""Runs of readers and captioners on labelled files: what is left out, what has changed, what ends them."""

import dataclasses
import re

import pytest
import torch

from memnets.cli import main
from memnets_tasks import DigitLines
from memnets_tasks.images import write_text_lines
from running import QUIET, ROOT, SMALL, fit_images, result


def test_a_run_finds_its_data_from_anywhere(tmp_path, monkeypatch, capsys):
    """Its paths are kept in full; those of a file of one's own may be relative to the file."""
    write_text_lines(tmp_path / "data", [DigitLines().sample(4, 6, torch.Generator().manual_seed(0))], "gt")
    config = (ROOT / "configs" / "images" / "ocr-digits-ctc.yaml").read_text()
    task = "task: {class_path: memnets_tasks.TextLineFiles, init_args: {path: data/gt.txt, height: 16}}\nmodel:"
    (tmp_path / "mine.yaml").write_text(re.sub(r"task:\n.*?\nmodel:", task, config, flags=re.DOTALL))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    few = ["--trainer.max_steps", "1", "--training.batch_size", "2", *QUIET, "1", *SMALL]
    assert main(["fit", "../mine.yaml", *few, "--runs", str(tmp_path / "runs")]) == 0
    monkeypatch.chdir(tmp_path.parent)
    assert main(["lengths", str(tmp_path / "runs" / "mine" / "a"), "--sequences", "2"]) == 0


def test_an_evaluation_that_cannot_be_done_is_refused_before_training(tmp_path, capsys):
    """Else it would end a run of hours without its result."""
    paths = []
    for n in (40, 2):  # of 40 digits some are sure to be those of the others
        batch = DigitLines().sample(4, n, torch.Generator().manual_seed(n))
        paths.append(str(write_text_lines(tmp_path / str(n), [batch], "gt")))
    task = ["--task", "memnets_tasks.TextLineFiles", "--task.path", paths[0], "--task.height", "16"]
    more = ["--task.test_path", paths[1], "--task.evaluation_lengths", "[40]", "--runs", str(tmp_path / "runs")]
    assert main(["fit", "ocr-digits", *task, *more]) == 2
    assert "has no item of 40 characters; the nearest lengths there are: 2" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_run_whose_labels_have_changed_reads_the_characters_it_knows(tmp_path, capsys):
    """The rows of shared characters are taken over, and what is new is said."""
    path = write_text_lines(tmp_path / "data", [DigitLines().sample(4, 40, torch.Generator().manual_seed(0))], "gt")
    task = ["--task", "memnets_tasks.TextLineFiles", "--task.path", str(path), "--task.height", "16"]
    run = fit_images(tmp_path / "runs", "ocr-digits", 1, *task, "--training.batch_size", "2")
    first = path.read_text().split("\n")[0]
    path.write_text(path.read_text().replace(first, first.split("\t")[0] + "\t" + "x" * 40))
    with pytest.warns(UserWarning, match=r"10 kept; 1 added, untrained \('x'\)"):
        assert main(["lengths", str(run), "--sequences", "2"]) == 0


@pytest.mark.filterwarnings("ignore:.*skipped")
def test_what_a_run_left_out_is_counted_in_its_result(tmp_path, capsys):
    """Warnings end after five of a kind, so a run of many bad labels would else not say how many there were."""
    paths = []
    for name, bad in (("train", 7), ("test", 1)):
        batch = DigitLines().sample(12, 3, torch.Generator().manual_seed(len(name)))
        path = write_text_lines(tmp_path / name, [batch], "gt")
        rows = path.read_text().splitlines()
        path.write_text("\n".join(row[:-3] if n < bad else row for n, row in enumerate(rows)))
        paths.append(str(path))
    task = ["--task", "memnets_tasks.TextLineFiles", "--task.path", paths[0], "--task.test_path", paths[1]]
    settings = ["--task.height", "16", "--task.charset", "0123456789", "--training.batch_size", "2"]
    run = fit_images(tmp_path / "runs", "ocr-digits", 1, *task, *settings)
    assert result(run)["left_out"] == {"training": {"label is empty": 7}, "test": {"label is empty": 1}}
    assert "left out of training: 7 (label is empty)\n" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:.*skipped")
def test_a_run_goes_on_without_the_broken_images_of_its_shortest_and_longest_lines(tmp_path, capsys):
    """The first is asked for when a run is started, the other by its pictures and the table at its end."""
    batches = [DigitLines().sample(count, n, torch.Generator().manual_seed(n)) for n, count in ((2, 1), (3, 6), (9, 1))]
    path = write_text_lines(tmp_path / "data", batches, "gt")
    for row in (path.read_text().splitlines()[0], path.read_text().splitlines()[-1]):
        (path.parent / row.split("\t")[0]).write_bytes(b"no image")
    task = ["--task", "memnets_tasks.TextLineFiles", "--task.path", str(path), "--task.height", "16"]
    settings = ["--task.evaluation_lengths", "[3,9]", "--training.batch_size", "2", "--training.pictures_every", "1"]
    run = fit_images(tmp_path / "runs", "ocr-digits", 1, *task, *settings, drawn=True)
    assert result(run)["left_out"] == {"training": {"image cannot be decoded": 2}}
    assert list(result(run)["lengths"]) == ["3"]
    assert (run / "figures" / "reading.png").is_file()
    assert main(["lengths", str(run), "--sequences", "2"]) == 0
    assert main(["lengths", str(run), "--sequences", "2", "--lengths", "9"]) == 2
    assert "none of the 1 images of 9 characters" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["y" * 40, "8" * 40], ids=["as many", "fewer"])
def test_a_run_whose_labels_have_changed_is_not_resumed(label, tmp_path, capsys):
    """As many characters, and others, would load: the optimiser's rows would then be of the wrong ones."""
    batch = DigitLines().sample(4, 40, torch.Generator().manual_seed(0))
    batch = dataclasses.replace(batch, texts=(*(text.replace("9", "x") for text in batch.texts[:3]), "9" * 40))
    path = write_text_lines(tmp_path / "data", [batch], "gt")
    task = ["--task", "memnets_tasks.TextLineFiles", "--task.path", str(path), "--task.height", "16"]
    run = fit_images(tmp_path / "runs", "ocr-digits", 1, *task, "--training.batch_size", "2")
    (run / "result.json").unlink()
    path.write_text(path.read_text().replace("9" * 40, label))
    capsys.readouterr()
    assert main(["resume", str(run)]) == 1
    error = capsys.readouterr().err
    assert "was trained with other symbols than the task has now, or in another order" in error
    assert "dropped ('9'" in error


def test_a_run_that_reads_nothing_right_ends_as_any_other(tmp_path, capsys):
    """Attention has no place where no character is right: null in result.json, and still a figure."""
    task = ["--task.evaluation_lengths", "[1,12]", "--task.max_length", "2", "--training.batch_size", "2"]
    run = fit_images(tmp_path, "ocr-words", 1, *task, "--task.words", "null", drawn=True)
    rows = result(run)["lengths"].values()
    assert [set(row) >= {"character_error_rate", "word_accuracy", "one_minus_ned"} for row in rows] == [True, True]
    assert (run / "figures" / "lengths.png").is_file()
    assert main(["show", str(run)]) == 0
