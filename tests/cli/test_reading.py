"""Image files through trained models: memnets read, memnets describe, and what runs of images say of themselves."""

import csv
import io
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from memnets import TextReader, viz
from memnets.cli import main
from memnets_tasks import DigitLines, Scenes
from memnets_tasks.images.shapes import COLOURS
from running import QUIET, ROOT, SMALL, fit_images, result


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Has learnt to read most lines of one or two digits."""
    task = ["--task.max_length", "2", "--task.distortion", "0", "--task.evaluation_lengths", "[2]"]
    model = ["--model.hidden_size", "32", "--optimizer.lr", "5e-3"]
    return fit_images(tmp_path_factory.mktemp("runs"), "ocr-digits", 350, *task, *model)


@pytest.fixture(scope="module")
def captioner(tmp_path_factory):
    """Has learnt to name the colour of one shape."""
    task = ["--task.size", "48", "--task.max_length", "1", "--task.evaluation_lengths", "[1]"]
    encoder = ["--model.encoder", "memnets.vision.GridEncoder", "--model.encoder.channels", "[16,32]"]
    model = [*encoder, "--model.hidden_size", "32", "--optimizer.lr", "5e-3", "--training.batch_size", "16"]
    return fit_images(tmp_path_factory.mktemp("runs"), "caption-scenes", 150, *task, *model)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Eight lines as in training, by path."""
    folder = tmp_path_factory.mktemp("lines")
    batch = DigitLines(max_length=2).sample(8, torch.tensor([1, 2] * 4), torch.Generator().manual_seed(100))
    texts = {}
    for n, (image, width, text) in enumerate(zip(batch.images, batch.widths.tolist(), batch.texts)):
        path = folder / f"line{n}.png"
        Image.fromarray((image[0, :, :width] * 255).round().byte().numpy()).save(path)
        texts[str(path)] = text
    return texts


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twelve scenes of one shape, by path, with their captions."""
    folder = tmp_path_factory.mktemp("pictures")
    batch = Scenes(size=48).sample(12, 1, torch.Generator().manual_seed(100))
    captions = {}
    for n, (image, known) in enumerate(zip(batch.images, batch.captions)):
        path = folder / f"scene{n}.png"
        Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy()).save(path)
        captions[str(path)] = known
    return captions


def right(texts, lines):
    """Whether the texts, by path, are those of all lines but one at most."""
    assert list(texts) == list(lines)
    return sum(texts[path] == text for path, text in lines.items()) >= len(lines) - 1


def test_read_prints_path_text_and_confidence(reader, lines, capsys):
    assert main(["read", *lines, "--run", str(reader)]) == 0
    out, err = capsys.readouterr()
    rows = [line.split("\t") for line in out.splitlines()]
    assert right({path: text for path, text, _ in rows}, lines)
    assert all(re.fullmatch(r"0\.\d{3}|1\.000", confidence) for _, _, confidence in rows)
    assert sum(float(confidence) > 0.5 for _, _, confidence in rows) >= 6
    assert err == ""


@pytest.mark.parametrize("settings", [["--decode", "ctc"], ["--decode", "joint", "--beam", "3"], ["--beam", "4"]])
def test_read_in_each_way_as_json(reader, lines, settings, capsys):
    assert main(["read", *lines, "--run", str(reader), "--json", *settings]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [list(answer) for answer in answers] == [["image", "text", "confidence", "read_to", "inverted"]] * len(lines)
    assert all(answer["read_to"] == 1 for answer in answers)
    assert right({answer["image"]: answer["text"] for answer in answers}, lines)
    assert all(0 < answer["confidence"] <= 1 for answer in answers)


def test_dark_ink_on_a_large_photograph_reads_the_same(reader, lines, tmp_path, capsys):
    path = next(path for path, text in lines.items() if len(text) == 2)
    with Image.open(path) as image:
        inverted = image.point(lambda grey: 255 - grey).convert("RGB")
    inverted.resize((3 * inverted.width, 3 * inverted.height)).save(tmp_path / "photo.jpg", quality=95)
    assert main(["read", path, str(tmp_path / "photo.jpg"), "--run", str(reader)]) == 0
    first, second = (line.split("\t")[1:] for line in capsys.readouterr().out.splitlines())
    assert first[0] == second[0]
    assert float(first[1]) == pytest.approx(float(second[1]), abs=0.1)


def test_figures_are_drawn_when_asked_for_and_keep_apart_images_of_one_name(reader, lines, tmp_path, capsys):
    first, second, *_ = lines
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "line0.png").write_bytes(Path(second).read_bytes())
    images, folder = [first, str(tmp_path / "other" / "line0.png")], tmp_path / "drawn"
    assert main(["read", *images, "--run", str(reader), "--json", "--figures", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert [answer["figure"] for answer in json.loads(out)] == [str(folder / "line0.png"), str(folder / "line0-2.png")]
    assert err == f"figures  {folder}\n"
    for path in folder.iterdir():
        with Image.open(path) as image:
            assert image.width > 900
    assert len(list(folder.iterdir())) == 2


def test_folders_patterns_and_lists(reader, lines, tmp_path, capsys):
    folder = Path(next(iter(lines))).parent
    (tmp_path / "list.txt").write_text("a\tb.png\n")
    (tmp_path / "a\tb.png").write_bytes(Path(next(iter(lines))).read_bytes())
    said = {}
    for name, given in {"folder": [str(folder)], "pattern": [f"{folder}/line[0-3].png"],
                        "list": ["--list", str(tmp_path / "list.txt")]}.items():  # fmt: skip
        assert main(["read", *given, "--run", str(reader)]) == 0
        said[name] = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [path for path, _, _ in said["folder"]] == sorted(lines)
    assert said["pattern"] == said["folder"][:4]
    assert said["list"][0][0].endswith("a\\tb.png"), "a tab in a name makes no column"
    assert said["list"][0][1] == said["folder"][0][1]
    (tmp_path / "list.txt").write_text("../elsewhere.png\n")
    for given, message in (
        (["--list", str(tmp_path / "list.txt")], "outside its folder"),
        ([str(tmp_path / "*.tiff")], "has no image in it"),
        ([], "there is nothing to do"),
    ):
        assert main(["read", *given, "--run", str(reader)]) == 2
        assert message in capsys.readouterr().err


def test_failures_are_among_the_rows_of_csv_and_json(reader, lines, tmp_path, capsys):
    first, blank = next(iter(lines)), tmp_path / "blank.png"
    Image.new("L", (80, 16), 255).save(blank)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 90), np.uint8)).save(tmp_path / "noise.png")
    given = ["read", first, str(blank), str(tmp_path / "noise.png"), "--run", str(reader)]
    assert main([*given, "--json"]) == 1
    sure, _, noise = (record.get("confidence") for record in json.loads(capsys.readouterr().out))
    assert noise < sure
    given += ["--min-confidence", str((noise + sure) / 2)]
    assert main([*given, "--json-lines"]) == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["image"] for record in records] == given[1:4]
    assert "error" not in records[0]
    assert "image is blank" in records[1]["error"]
    assert "is below 0." in records[2]["error"], "noise is read at a lower confidence"
    assert main([*given, "--csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["text"] for row in rows] == [record.get("text", "") for record in records]
    assert [bool(row["error"]) for row in rows] == [False, True, True]


def test_any_labelled_set_is_scored_and_its_wrong_lines_are_listed(reader, lines, tmp_path, capsys):
    folder = Path(next(iter(lines))).parent
    rows = [f"{Path(path).name}\t{text}" for path, text in lines.items()]
    rows[0] = rows[0].split("\t")[0] + "\t<b>&"
    (folder / "gt.txt").write_text("\n".join(rows))
    for name in ("wrong.csv", "wrong.html"):
        given = ["lengths", str(reader), "--data", str(folder / "gt.txt"), "--wrong", str(tmp_path / name)]
        assert main(given) == 0
    printed = capsys.readouterr().out
    assert "8 lines of" in printed
    assert all(name in printed for name in ("word error rate", "line accuracy, any case"))
    wrong = list(csv.DictReader((tmp_path / "wrong.csv").open()))
    assert "<b>&" in [row["text"] for row in wrong]
    page = (tmp_path / "wrong.html").read_text()
    assert "&lt;b&gt;&amp;" in page
    assert page.count("data:image/png;base64,") == len(wrong)
    (folder / "gt.txt").unlink()
    assert main(["lengths", str(reader), "--wrong", "a.csv"]) == 2
    assert "give it with --data" in capsys.readouterr().err


def test_a_line_far_wider_than_those_known_is_refused(reader, lines, tmp_path, capsys):
    with Image.open(next(iter(lines))) as image:
        wide = np.tile(np.asarray(image), (1, 40))
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert main(["read", str(tmp_path / "wide.png"), "--run", str(reader)]) == 1
    assert "part it, or say --any-width" in capsys.readouterr().err
    assert main(["read", str(tmp_path / "wide.png"), "--run", str(reader), "--any-width"]) == 0


def test_images_that_cannot_be_read_are_named_and_the_others_are_read(reader, lines, tmp_path, capsys):
    bad, missing = tmp_path / "bad.png", tmp_path / "none.png"
    bad.write_bytes(b"no image")
    first, second, *_ = lines
    paths = [first, str(bad), str(missing), second]
    assert main(["read", *paths, "--run", str(reader)]) == 1
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == [first, second]
    problems = err.splitlines()
    assert problems[0].startswith(f"memnets: error: read: {bad}: image cannot be decoded")
    assert problems[1:] == [f"memnets: error: read: {missing}: image is not there"]
    assert main(["read", str(bad), "--run", str(reader), "--json"]) == 1
    (record,) = json.loads(capsys.readouterr().out)
    assert record["image"] == str(bad)
    assert "image cannot be decoded" in record["error"]


def test_many_images_in_several_batches_keep_their_order(reader, lines, capsys):
    paths = [*lines, *reversed(lines), *lines]
    assert main(["read", *paths, "--run", str(reader)]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [path for path, _, _ in rows] == paths
    texts = [text for _, text, _ in rows]
    assert texts[:8] == texts[8:16][::-1] == texts[16:]
    assert right(dict(zip(paths[:8], texts)), lines)


def test_describe(captioner, pictures, tmp_path, capsys):
    assert main(["describe", *pictures, "--run", str(captioner)]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == list(pictures)
    colours = [next(word for word in pictures[path][0].split() if word in COLOURS) for path, _, _ in rows]
    assert sum(colour in caption.split() for colour, (_, caption, _) in zip(colours, rows)) >= 6
    assert all(0 < float(confidence) <= 1 for _, _, confidence in rows)
    first = next(iter(pictures))
    figures = ["--figures", str(tmp_path / "drawn")]
    assert main(["describe", first, "--run", str(captioner), "--beam", "3", "--json", *figures]) == 0
    (answer,) = json.loads(capsys.readouterr().out)
    assert list(answer) == ["image", "caption", "words", "confidence", "figure"]
    assert answer["caption"] == " ".join(answer["words"])
    with Image.open(answer["figure"]) as image:
        assert image.width > 800


def test_a_run_of_another_kind_is_refused(reader, captioner, lines, tmp_path, capsys):
    image = next(iter(lines))
    copy = ROOT / "tests" / "data" / "old" / "runs" / "copy-ntm" / "finished"
    for command, run, message in (
        (
            "read",
            copy,
            f"read: {copy} holds a model of class NTM, and none that reads lines: give a run of a TextReader",
        ),
        ("describe", copy, "class NTM, and none that describes pictures: give a run of a Captioner"),
        ("read", captioner, "class Captioner, and none that reads lines: use `memnets describe`"),
        ("describe", reader, "class TextReader, and none that describes pictures: use `memnets read`"),
    ):
        assert main([command, image, "--run", str(run)]) == 2
        out, err = capsys.readouterr()
        assert message in err
        assert err.count("\n") == 1
        assert out == ""


def test_what_a_reader_cannot_do_is_refused_before_anything_is_read(reader, lines, tmp_path, capsys):
    image = next(iter(lines))
    small = ["--task.evaluation_lengths", "[1]", "--task.max_length", "2", "--training.batch_size", "2"]
    columns = fit_images(tmp_path, "ocr-digits-ctc", 1, *small)
    capsys.readouterr()
    (tmp_path / "file").write_text("")
    for settings, message in (
        (["--run", str(columns), "--decode", "attention"], "--decode is 'attention', but the reader was made with"),
        (["--run", str(reader), "--figures", str(tmp_path / "file")], "which is a file: give a folder"),
        (["--run", str(reader), "--figures", str(tmp_path / "file" / "x")], "no figure can be written to"),
        (["--run", str(tmp_path / "file")], "file is not a directory"),
        (["--run", str(reader), "--sizes", "1,2"], "'2' is no number from 0 to 1"),
        (["--run", str(reader), "--sizes", "0,1"], "'0,1' holds 0"),
    ):
        assert main(["read", image, *settings]) > 0
        assert message in capsys.readouterr().err
    assert main(["read", image, "--run", str(columns), "--sizes", "1,0.8"]) == 0  # by columns


def test_runs_are_evaluated_on_what_was_held_out(reader, captioner, capsys):
    assert result(reader)["evaluation_split"] == result(captioner)["evaluation_split"] == "test"
    assert main(["lengths", str(reader), "--lengths", "1,3", "--sequences", "5"]) == 0
    printed = capsys.readouterr().out
    assert "5 sequences each; trained on 1-2; split test" in printed
    rows = [re.split(r" *│ *", line)[1:-1] for line in printed.splitlines() if line.startswith("│")]
    assert [row[0] for row in rows] == ["1", "3"]
    assert all(row[1].endswith("%") for row in rows)


def test_evaluations_of_what_is_new_are_in_the_result(reader, captioner):
    assert list(result(reader)["evaluations"]) == ["unseen images"]
    found = result(captioner)["evaluations"]
    assert list(found) == ["unseen scenes", "unseen pairs"]
    assert all({"bleu4", "exact_match"} <= set(row) for row in found.values())
    assert found["unseen scenes"] != found["unseen pairs"]


def test_lengths_in_each_way_of_reading(reader, captioner, monkeypatch, capsys):
    asked = []

    def read(self, images, widths, *, decode=None, beam_size=1):
        asked.append((decode or self.decode, beam_size))
        return genuine(self, images, widths, decode=decode, beam_size=beam_size)

    genuine = TextReader.read
    monkeypatch.setattr(TextReader, "read", read)
    few = ["--lengths", "2", "--sequences", "5"]
    assert main(["lengths", str(reader), *few, "--decode", "ctc"]) == 0
    assert "alignment" not in capsys.readouterr().out  # the columns have no attention
    assert main(["lengths", str(reader), *few, "--decode", "joint", "--beam", "4"]) == 0
    assert "alignment" in capsys.readouterr().out
    assert main(["lengths", str(reader), *few]) == 0
    assert asked == [("ctc", 1), ("joint", 4), ("attention", 1)]
    assert {"lengths-ctc.png", "lengths-joint-beam4.png"} <= {path.name for path in (reader / "figures").iterdir()}
    assert main(["lengths", str(captioner), "--lengths", "1", "--sequences", "2", "--beam", "2"]) == 0
    assert main(["lengths", str(captioner), *few, "--decode", "ctc"]) == 2
    assert "lengths: --decode needs a reader of lines, but Captioner is none" in capsys.readouterr().err


def test_lengths_of_other_data_by_name(captioner, capsys):
    for name, shown in (("unseen-pairs", "unseen pairs"), ("Unseen scenes", "unseen scenes"), ("training", "training")):
        options = ["--lengths", "1", "--sequences", "5", "--split", name]
        assert main(["lengths", str(captioner), *options]) == 0
        assert f"5 sequences each; trained on 1-1; split {shown}" in capsys.readouterr().out
    assert (captioner / "figures" / "lengths-unseen-pairs.png").is_file()
    assert main(["lengths", str(captioner), "--split", "unseen-pear"]) == 2
    err = capsys.readouterr().err
    assert "--split is 'unseen-pear', but Scenes has training, unseen-scenes, unseen-pairs; did you mean" in err


def test_a_short_line_beside_a_long_one_is_drawn_to_the_scale_of_both(reader, lines, tmp_path, monkeypatch):
    """Its weights are of the columns of the image as it was padded."""
    widths = {}
    for path in lines:
        with Image.open(path) as image:
            widths[path] = image.width
    short, long = min(widths, key=widths.get), max(widths, key=widths.get)
    drawn = []
    monkeypatch.setattr(viz, "reading_figure", lambda image, reading, **more: drawn.append((image.shape[2], more)))
    monkeypatch.setattr(viz, "save_figure", lambda figure, path: path)
    assert main(["read", short, long, "--run", str(reader), "--figures", str(tmp_path)]) == 0
    assert drawn == [(widths[path], {"padded_width": widths[long]}) for path in (short, long)]


def test_a_run_whose_data_are_gone_names_itself_and_them(reader, tmp_path, capsys):
    config = (reader / "config.yaml").read_text()
    task = config[config.index("task:") : config.index("model:")]
    gone = "task:\n  class_path: memnets_tasks.TextLineFiles\n  init_args:\n    path: none/gt.txt\n"
    (tmp_path / "config.yaml").write_text(config.replace(task, gone))
    shutil.copytree(reader / "checkpoints", tmp_path / "checkpoints")
    assert main(["lengths", str(tmp_path)]) == 2
    said = "path is 'none/gt.txt', which is not there; give the file or folder of the data set"
    assert capsys.readouterr().err == f"memnets: error: lengths: {tmp_path / 'config.yaml'}: {said}\n"


def test_the_commands_of_the_page(reader, captioner, lines, pictures, tmp_path, monkeypatch, capsys):
    """Those of docs/reading.md, with fewer steps and images."""
    text = (ROOT / "docs" / "reading.md").read_text()
    commands = [shlex.split(line.split("  #")[0])[1:] for line in re.findall(r"^memnets .*", text, re.MULTILINE)]
    assert {words[0] for words in commands} == {"fit", "lengths", "read", "describe"}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("memnets.experiments.finish.draw_run", lambda *_, **__: {})  # of runs of one step
    (tmp_path / "line.png").write_bytes(Path(next(iter(lines))).read_bytes())
    (tmp_path / "scene.png").write_bytes(Path(next(iter(pictures))).read_bytes())
    for words in commands:
        words = [re.sub(r"^runs/ocr-digits/.*", str(reader), word) for word in words]
        words = [re.sub(r"^runs/caption-scenes/.*", str(captioner), word) for word in words]
        if words[0] == "fit":
            words += [*QUIET, "1", *SMALL, "--trainer.max_steps", "1", "--task.evaluation_lengths", "[2]"]
        if words[0] == "lengths":
            words += ["--sequences", "2"]
        assert main(words) == 0, capsys.readouterr().err
