"""Data sets of text lines: the formats written and read back, by hand and by the writers, and what is skipped."""

import dataclasses
import json
import multiprocessing
import os
import pickle
import warnings

import filelock
import lmdb
import pytest
import torch

from image_files import png
from memnets_tasks import DigitLines, TextLineFiles, TextLines
from memnets_tasks.images import write_text_lines
from memnets_tasks.images.text_formats import BadLabel, clean_label

FORMATS = ["lmdb", "gt", "labels", "iam"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gt(folder, lines: list[tuple[str, str]], **images: bytes):
    """A gt.txt of (name, label), with images by stem."""
    for stem, data in images.items():
        (folder / f"{stem}.png").write_bytes(data)
    path = folder / "gt.txt"
    path.write_bytes("".join(f"{name}\t{label}\n" for name, label in lines).encode())
    return path


@pytest.fixture(scope="module")
def drawn():
    task = TextLines(words="generated", noise=0.02)
    return [task.sample(5, torch.tensor([3, 9, 14, 9, 20]), seeded()), task.sample(3, 11, seeded(1))]


class TestRoundTrip:
    @pytest.mark.parametrize("format", FORMATS)
    def test_what_is_written_is_read(self, drawn, format, tmp_path):
        path = write_text_lines(tmp_path / "set", drawn, format)
        task = TextLineFiles(str(path))
        assert task.format == format
        assert task.skipped == {}
        assert len(task) == 8
        read = list(task.batches(3))
        assert [len(batch.texts) for batch in read] == [3, 3, 2]
        texts = [text for batch in drawn for text in batch.texts]
        assert [text for batch in read for text in batch.texts] == texts
        assert task.charset == "".join(sorted(set("".join(texts))))
        images = [(image, int(w)) for batch in drawn for image, w in zip(batch.images, batch.widths)]
        again = [(image, int(w)) for batch in read for image, w in zip(batch.images, batch.widths)]
        for (image, width), (other, other_width) in zip(images, again):
            assert other_width == width
            torch.testing.assert_close(other[..., :width], image[..., :width], atol=0.5 / 255 + 1e-6, rtol=0)
            assert not other[..., width:].any()
        assert read[0].boxes.shape == (3, 0, 2)
        assert {p.name for p in tmp_path.iterdir()} == {"set"}, "nothing half-written is left beside it"

    def test_labels_keep_case_spaces_accents_and_backslashes(self, drawn, tmp_path):
        """Public code folds case, deletes all but Latin letters, and loses backslashes to a regular expression."""
        texts = (" Ab  c", "C:\\new\\[^x]+", "注意力机制", "Straße é", "mp3", "a|b", "don't.", "x")
        batches = [dataclasses.replace(drawn[0], texts=texts[:5]), dataclasses.replace(drawn[1], texts=texts[5:])]
        for format in ("lmdb", "gt", "labels"):
            task = TextLineFiles(str(write_text_lines(tmp_path / format, batches, format)))
            assert tuple(text for batch in task.batches(99) for text in batch.texts) == texts
            assert set(task.charset) == set("".join(texts))
            assert task.skipped == {}

    def test_what_cannot_be_written_leaves_nothing(self, drawn, tmp_path):
        batch = dataclasses.replace(drawn[1], texts=("a", "b|c", "d"))
        with pytest.raises(ValueError, match=r"the text 'b\|c' holds '\|', which parts words in lines.txt"):
            write_text_lines(tmp_path / "set", [batch], "iam")
        with pytest.raises(ValueError, match=r"the text 'b\\n' cannot be written: label holds a control character"):
            write_text_lines(tmp_path / "set", [dataclasses.replace(batch, texts=("a", "b\n", "d"))], "gt")
        with pytest.raises(ValueError, match="format is 'csv'; give one of 'lmdb', 'gt', 'labels', 'iam'"):
            write_text_lines(tmp_path / "set", [batch], "csv")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="there is no line to write"):
            write_text_lines(tmp_path / "set", [], "gt")
        assert not list(tmp_path.iterdir())
        (tmp_path / "mine.txt").write_text("keep")
        with pytest.raises(ValueError, match="which holds something; give a new folder"):
            write_text_lines(tmp_path, [batch], "gt")


class TestLeftovers:
    """A writer that is killed leaves a folder as large as the data set."""

    def test_those_of_killed_writers_are_removed_and_no_others(self, drawn, tmp_path):
        old, young, held, other = (
            tmp_path / name
            for name in (
                ".set.a.being-written",
                ".set.b.being-written",
                ".set.c.being-written",
                ".sets.d.being-written",
            )
        )
        kept = tmp_path / "kept"
        for folder in (old, young, held, other, kept):
            folder.mkdir()
            (folder / "data.mdb").write_bytes(b"x")
        link = tmp_path / ".set.e.being-written"
        link.symlink_to(kept)
        with filelock.FileLock(held / "writing.lock"):
            for folder in (old, held, other):
                os.utime(folder, (0, 0))
            path = write_text_lines(tmp_path / "set", drawn, "lmdb")
        assert {part.name for part in path.iterdir()} == {"data.mdb"}
        assert set(tmp_path.iterdir()) == {young, held, other, link, kept, path}
        assert (kept / "data.mdb").exists()

    def test_no_room_names_the_folder_and_leaves_nothing(self, drawn, tmp_path, monkeypatch):
        def full(*_, **__):
            raise lmdb.DiskError("No space left on device")

        monkeypatch.setattr(lmdb, "open", full)
        with pytest.raises(OSError, match=r"set cannot be written \(.*No space left on device\); make room there"):
            write_text_lines(tmp_path / "set", drawn, "lmdb")
        assert list(tmp_path.iterdir()) == []


class TestFormatsByHand:
    def test_gt(self, tmp_path):
        path = tmp_path / "gt.txt"
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "a.png").write_bytes(png())
        (tmp_path / "b.jpg").write_bytes(png(kind="JPEG"))
        path.write_bytes("\ufeffsub/a.png\tcafe\u0301 au lait\r\nb.jpg\t last character!\n\nno tab here\n".encode())
        with pytest.warns(UserWarning, match="line 4 skipped: no tab between path and label"):
            task = TextLineFiles(str(path))
        (batch,) = task.batches(9)
        assert batch.texts == ("café au lait", " last character!")
        assert task.skipped == {"no tab between path and label": 1}
        assert task.skipped_keys == {"no tab between path and label": ["line 4"]}

    def test_a_head_is_no_line(self, tmp_path):
        """Its letters would join the charset."""
        path = gt(tmp_path, [("filename", "TEXT"), ("a.png", "ab")], a=png())
        with pytest.warns(UserWarning, match="a head that names no image"):
            task = TextLineFiles(str(path))
        assert (task.charset, len(task)) == ("ab", 1)
        path = gt(tmp_path, [("plain", "x"), ("a.png", "ab")])
        (tmp_path / "plain").write_bytes(png())
        assert len(TextLineFiles(str(path))) == 2, "an image needs no suffix"

    def test_absolute_paths_within_the_folder(self, tmp_path):
        path = gt(tmp_path, [(str(tmp_path / "a.png"), "ab"), (str(tmp_path.parent / "b.png"), "a")], a=png())
        (tmp_path.parent / "b.png").write_bytes(png())
        with pytest.warns(UserWarning, match="b.png skipped: path outside the folder of images"):
            assert [batch.texts for batch in TextLineFiles(str(path)).batches(9)] == [("ab",)]

    def test_utf_16_is_named(self, tmp_path):
        (tmp_path / "gt.txt").write_bytes("a.png\tab\n".encode("utf-16"))
        with pytest.raises(ValueError, match="is in UTF-16; save it as UTF-8"):
            TextLineFiles(str(tmp_path / "gt.txt"))

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("labels.csv", 'text;filename\n"one; two";a.png\nthree;b.png\n'),
            ("labels.csv", "a.png,one; two\nb.png,three\n"),
            ("labels.tsv", "Image\tLabel\na.png\tone; two\nb.png\tthree\n"),
            ("gt.txt", "a.png, one; two\nb.png, three\n"),
            ("gt.txt", "a.png one; two\nb.png three\n"),
        ],
    )
    def test_tables_and_other_separators(self, tmp_path, name, content):
        for stem in "ab":
            (tmp_path / f"{stem}.png").write_bytes(png())
        (tmp_path / name).write_text(content)
        (batch,) = TextLineFiles(str(tmp_path / name)).batches(9)
        assert batch.texts == ("one; two", "three")

    def test_iam_words(self, tmp_path):
        rows = ["# head", "a01-000u-00-00 ok 154 408 768 27 51 AT A", "a01-000u-00-01 err 154 1 2 3 4 VB MOVE"]
        (tmp_path / "words.txt").write_text("\n".join(rows))
        (tmp_path / "words" / "a01" / "a01-000u").mkdir(parents=True)
        (tmp_path / "words" / "a01" / "a01-000u" / "a01-000u-00-00.png").write_bytes(png())
        with pytest.warns(UserWarning, match="marked err"):
            task = TextLineFiles(str(tmp_path / "words.txt"))
        assert next(task.batches(9)).texts == ("A",)

    def test_labels_json(self, tmp_path):
        (tmp_path / "a.png").write_bytes(png())
        (tmp_path / "labels.json").write_text(json.dumps({"a.png": "one", "b.png": 2}))
        with pytest.warns(UserWarning, match=r"b.png skipped: label is no string"):
            task = TextLineFiles(str(tmp_path / "labels.json"))
        assert next(task.batches(1)).texts == ("one",)
        (tmp_path / "labels.json").write_text("[1]")
        with pytest.raises(ValueError, match="holds a list; give one JSON object from file names to labels"):
            TextLineFiles(str(tmp_path / "labels.json"))
        (tmp_path / "labels.json").write_text("{")
        with pytest.raises(ValueError, match="is no JSON file that can be read"):
            TextLineFiles(str(tmp_path / "labels.json"))

    def test_a_name_that_json_gives_twice_is_counted(self, tmp_path):
        (tmp_path / "a.png").write_bytes(png())
        (tmp_path / "labels.json").write_text('{"a.png": "one", "a.png": "two"}')
        with pytest.warns(UserWarning, match=r"a.png skipped: label given twice; the last one counts"):
            task = TextLineFiles(str(tmp_path / "labels.json"))
        assert next(task.batches(1)).texts == ("two",)
        assert task.skipped == {"label given twice": 1}

    def test_json_nested_beyond_reason_is_no_json(self, tmp_path):
        (tmp_path / "labels.json").write_text("[" * 100_000)
        with pytest.raises(ValueError, match="is no JSON file that can be read"):
            TextLineFiles(str(tmp_path / "labels.json"))

    def test_iam(self, tmp_path):
        """Lines as the IAM database's own file has them."""
        rows = [
            "#--- lines.txt ---------------------------------------------------------------#",
            "a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop|Mr.|Gaitskell|from",
            "a01-000u-01 err 156 19 395 932 1850 105 nominating|any|more|Labour|life|Peers",
            "a01-000u-02 ok 157",
        ]
        (tmp_path / "lines.txt").write_text("\n".join(rows))
        folder = tmp_path / "lines" / "a01" / "a01-000u"
        folder.mkdir(parents=True)
        for n in range(3):
            (folder / f"a01-000u-0{n}.png").write_bytes(png(100, 20))
        with pytest.warns(UserWarning, match="line 4 skipped: not the nine fields"):
            task = TextLineFiles(str(tmp_path / "lines.txt"))
        (batch,) = task.batches(9)
        assert batch.texts == ("A MOVE to stop Mr. Gaitskell from", "nominating any more Labour life Peers")
        assert batch.widths.tolist() == [160, 160]

    def test_lmdb_counts_from_one(self, tmp_path):
        with lmdb.open(str(tmp_path / "set")) as environment, environment.begin(write=True) as transaction:
            for n, label in enumerate(["zero", "one", "two", "three"]):
                transaction.put(f"image-{n:09d}".encode(), png())
                transaction.put(f"label-{n:09d}".encode(), label.encode())
            transaction.put(b"num-samples", b"3")
        assert next(TextLineFiles(str(tmp_path / "set")).batches(9)).texts == ("one", "two", "three")

    def test_lmdb_with_gaps(self, tmp_path):
        with lmdb.open(str(tmp_path / "set")) as environment, environment.begin(write=True) as transaction:
            values = {"image-000000001": png(), "label-000000001": b"ab", "image-000000002": png()}
            values |= {"label-000000003": b"cd", "image-000000004": png(), "label-000000004": b"\xff"}
            for key, value in values.items():
                transaction.put(key.encode(), value)
            transaction.put(b"num-samples", b"4")
        with pytest.warns(UserWarning, match="image-00000000. skipped") as record:
            task = TextLineFiles(str(tmp_path / "set"))
        assert task.skipped == {"label is not there": 1, "image is not there": 1, "label is not UTF-8": 1}
        assert len(record) == 3
        assert all(f"image-00000000{n}" in str(w.message) for n, w in zip((2, 3, 4), record))

    def test_what_is_no_lmdb_of_lines(self, tmp_path):
        with lmdb.open(str(tmp_path / "set")) as environment, environment.begin(write=True) as transaction:
            transaction.put(b"num-samples", b"many")
        with pytest.raises(ValueError, match="has 'many' under num-samples; give an LMDB of text lines"):
            TextLineFiles(str(tmp_path / "set"))
        (tmp_path / "data.mdb").write_bytes(b"no database")
        with pytest.raises(ValueError, match="is no LMDB environment that can be read"):
            TextLineFiles(str(tmp_path / "data.mdb"))


class TestLmdbAcrossProcesses:
    """A file is opened by each process that a task is sent to; one that was forked shares what is open."""

    @pytest.fixture
    def task(self, drawn, tmp_path):
        return TextLineFiles(str(write_text_lines(tmp_path / "set", drawn, "lmdb")))

    def test_a_file_cut_short_is_named_and_does_not_kill_the_process(self, tmp_path):
        """Reading past the end of a mapped file is a bus error."""
        path = write_text_lines(tmp_path / "lines", [DigitLines().sample(40, 8, seeded())], "lmdb")
        file = path / "data.mdb"
        size = file.stat().st_size
        with file.open("r+b") as opened:
            opened.truncate(size // 2 // 4096 * 4096)
        with pytest.raises(ValueError, match=rf"is cut short: it has \d+ bytes of {size}; .* download it again"):
            TextLineFiles(str(path))

    def test_nothing_open_is_pickled(self, task):
        expected = task.sample(4, 9, seeded())
        data = pickle.dumps(task)
        assert b"LmdbFile" not in data
        assert torch.equal(pickle.loads(data).sample(4, 9, seeded()).images, expected.images)

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_another_process_reads_the_same(self, task, method):
        expected = next(task.batches(8)).images  # open here before the fork
        context = multiprocessing.get_context(method)
        with context.Pool(1) as pool:
            images = pool.apply_async(read_elsewhere, (task,)).get(timeout=120)
        torch.testing.assert_close(torch.from_numpy(images), expected)

    def test_two_tasks_of_one_file(self, task):
        """LMDB's library refuses to open one environment twice in a process, as training and validation would."""
        other = TextLineFiles(task.path, min_length=9)
        assert torch.equal(next(other.batches(8)).images, next(task.batches(8)).images)


def read_elsewhere(task):
    return next(task.batches(8)).images.numpy()


class TestDrawing:
    @pytest.fixture
    def task(self, tmp_path):
        labels = ["aa", "bb", "cc", "dd", "eeeee", "f"]
        lines = [(f"{n}.png", label) for n, label in enumerate(labels)]
        return TextLineFiles(str(gt(tmp_path, lines, **{str(n): png(shade=n) for n in range(6)})))

    def test_items_are_drawn_as_often_as_each_other(self, task):
        lengths = task.sample_lengths(3000, seeded())
        assert lengths.dtype == torch.int64
        counts = torch.bincount(lengths, minlength=6).tolist()
        assert counts[3:5] == [0, 0]
        assert counts[2] == pytest.approx(2000, abs=120)
        assert counts[1] == pytest.approx(500, abs=90)
        texts = task.sample(800, 2, seeded()).texts
        assert all(texts.count(label) == pytest.approx(200, abs=50) for label in ("aa", "bb", "cc", "dd"))

    def test_a_function_of_the_generator_alone(self, task):
        first = task.sample(5, torch.tensor([2, 1, 5, 2, 2]), seeded(2))
        assert [len(text) for text in first.texts] == [2, 1, 5, 2, 2]
        task.sample(9, 2, seeded(7))
        again = task.sample(5, torch.tensor([2, 1, 5, 2, 2]), seeded(2))
        assert first.texts == again.texts
        assert torch.equal(first.images, again.images)

    def test_lengths(self, task, tmp_path):
        assert (task.min_length, task.max_length, task.evaluation_lengths) == (1, 5, (2, 5))
        assert int(task.sample_lengths(99, seeded(), max_length=2).max()) == 2
        short = TextLineFiles(task.path, max_length=2)
        assert int(short.sample_lengths(99, seeded()).max()) == 2
        near = TextLineFiles(task.path, min_length=2, max_length=9)
        assert (near.min_length, near.max_length) == (2, 5), "what is there: a picture is drawn of the longest"
        assert short.sample(1, 5, seeded()).texts == ("eeeee",), "longer lines can still be evaluated"
        with pytest.raises(ValueError, match=r"no item of 3 characters; the nearest lengths there are: 1, 2, 5"):
            task.sample(1, 3, seeded())
        with pytest.raises(ValueError, match=r"no item of 3 to 4 characters; the nearest lengths"):
            TextLineFiles(task.path, min_length=3, max_length=4)
        with pytest.raises(ValueError, match="max_length is 1, below min_length 2"):
            TextLineFiles(task.path, min_length=2, max_length=1)

    def test_a_bad_image_is_replaced_by_rule_reported_and_counted(self, task, tmp_path):
        (tmp_path / "1.png").write_bytes(png()[:40])
        with pytest.warns(UserWarning, match=r"1.png skipped: image cannot be decoded"):
            texts = task.sample(400, 2, seeded()).texts
        assert set(texts) == {"aa", "cc", "dd"}
        assert texts.count("cc") == pytest.approx(200, abs=45), "the next of its length stands in"
        assert task.skipped == {"image cannot be decoded": 1}
        assert len(task) == 5
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert task.sample(400, 2, seeded()).texts == texts, "reported once; drawn the same for ever"
        with pytest.warns(UserWarning, match="1.png skipped"):
            assert TextLineFiles(task.path).sample(400, 2, seeded()).texts == texts, "and by a task that never drew"

    def test_no_image_of_a_length_is_left(self, task, tmp_path):
        (tmp_path / "4.png").unlink()
        with (
            pytest.warns(UserWarning, match="4.png skipped"),
            pytest.raises(ValueError, match=r"none of the 1 images of 5 characters .* \{'image is not there': 1\}"),
        ):
            task.sample(1, 5, seeded())
        assert task.evaluation_lengths == (2,)

    def test_training_goes_on_without_a_length_that_has_no_image_left(self, task, tmp_path):
        """Else the one damaged line of its length would end a run, whenever it is first drawn."""
        (tmp_path / "4.png").unlink()
        lengths = torch.tensor([5, 2, 5, 1])
        with pytest.warns(UserWarning, match="4.png skipped"):
            texts = task.sample(4, lengths, seeded()).texts
        assert [len(text) for text in texts] == [2, 2, 2, 1], "one of the nearest length stands in"
        for path in tmp_path.glob("*.png"):
            path.unlink()
        with (
            pytest.warns(UserWarning, match="skipped"),
            pytest.raises(ValueError, match=r"none of the images in .* can be used; skipped"),
        ):
            task.sample(1, lengths[:1], seeded())

    def test_looking_at_all_images_first(self, task, tmp_path):
        (tmp_path / "0.png").unlink()
        (tmp_path / "2.png").write_bytes(b"")
        (tmp_path / "3.png").write_bytes(png(9000, 10))
        with pytest.warns(UserWarning, match="skipped"):
            skipped = task.check_images()
        assert skipped == {"image is not there": 1, "empty image file": 1, "image wider than max_width, 2048 pixels": 1}
        assert skipped == task.skipped
        assert task.skipped_keys["image is not there"] == ["0.png"]
        assert [batch.texts for batch in task.batches(2)] == [("bb", "eeeee"), ("f",)]


class TestHeldOut:
    """Else validation, "solved" and the table at the end are of lines that were trained on."""

    @pytest.fixture
    def path(self, tmp_path):
        lines = [(f"{n % 60}.png", "a" * (1 + n % 3)) for n in range(80)]  # of twenty images two lines
        return str(gt(tmp_path, lines, **{str(n): png(shade=n) for n in range(60)}))

    def test_a_tenth_each_by_image(self, path):
        task = TextLineFiles(path)
        validation, test, unseen = task.splits()
        assert unseen == {"unseen lines": test}
        assert [part.split for part in (task, validation, test)] == ["train", "validation", "test"]
        keys = [set(part._keys) for part in (task, validation, test)]
        assert keys[0] | keys[1] | keys[2] == {f"{n}.png" for n in range(60)}
        assert sum(map(len, keys)) == 60, "no image is in two of them"
        assert len(task) + len(validation) + len(test) == len(TextLineFiles(path, split="all")) == 80
        assert all(2 <= len(part) <= 16 for part in keys[1:])
        assert TextLineFiles(path, split="test")._keys == test._keys
        assert TextLineFiles(path, split_seed=1).splits().test._keys != test._keys
        assert sum(test.distinct(length) for length in (1, 2, 3)) == len(test)

    def test_where_a_path_is_given_nothing_is_held_out_for_it(self, path, tmp_path):
        other = tmp_path / "other.txt"
        other.write_text("0.png\taaaa\n")
        task = TextLineFiles(path, test_path=str(other))
        assert len(task.splits().test) == 1
        assert len(task) + len(task.splits().validation) == 80

    def test_few_lines_and_a_share_of_none_are_all_trained_on(self, path):
        task = TextLineFiles(path, held_out=0.0)
        assert len(task) == 80
        assert task.splits() == (task, task, {})
        with pytest.raises(ValueError, match=r"held_out is 0\.5; give a share from 0 to 0\.4"):
            TextLineFiles(path, held_out=0.5)

    def test_lengths_to_evaluate_on_are_those_that_are_held_out(self, path):
        task = TextLineFiles(path, evaluation_lengths=(2, 3))
        assert set(task.splits().test.evaluation_lengths) <= {2, 3}


def test_several_sets_are_one(tmp_path):
    paths = []
    for n, label in enumerate(("ab", "cd")):
        (tmp_path / str(n)).mkdir()
        paths.append(str(gt(tmp_path / str(n), [("a.png", label)], a=png(shade=40 * n))))
    task = TextLineFiles(paths)
    (batch,) = task.batches(9)
    assert batch.texts == ("ab", "cd")
    assert not torch.equal(batch.images[0], batch.images[1])
    assert task.charset == "abcd"
    with pytest.raises(ValueError, match="path is empty"):
        TextLineFiles([])


def test_lines_are_augmented_in_training_alone_and_as_the_generator_says(drawn, tmp_path):
    path = str(write_text_lines(tmp_path / "set", drawn, "gt"))
    plain, task = TextLineFiles(path), TextLineFiles(path, augment=1.0, test_path=path)
    one, two, other = (task.sample(4, 11, seeded(n)) for n in (0, 0, 1))
    assert torch.equal(one.images, two.images)
    assert one.texts == plain.sample(4, 11, seeded()).texts
    assert one.images.shape != other.images.shape or not torch.equal(one.images, other.images)
    still = plain.sample(4, 11, seeded())
    assert all(0.7 < w / v < 1.4 for w, v in zip(one.widths.tolist(), still.widths.tolist()))
    test = task.splits().test
    assert torch.equal(test.sample(4, 11, seeded()).images, still.images)
    assert torch.equal(next(task.batches(9)).images, next(plain.batches(9)).images)


class TestSkipped:
    def test_labels_by_reason_each_with_its_key(self, tmp_path):
        lines = [("a.png", "ok"), ("b.png", "  "), ("c.png", "x\x07y"), ("d.png", "")]
        path = gt(tmp_path, lines, a=png())
        with pytest.warns(UserWarning, match="skipped: label") as record:
            task = TextLineFiles(str(path))
        assert task.skipped == {"label is empty": 2, "label holds a control character": 1}
        assert task.skipped_keys["label is empty"] == ["b.png", "d.png"]
        assert [key in str(w.message) for key, w in zip(("b.png", "c.png", "d.png"), record)] == [True] * 3

    def test_characters_outside_the_charset_are_counted(self, tmp_path):
        path = gt(tmp_path, [("a.png", "ab"), ("a.png", "aé"), ("a.png", "aéé")], a=png())
        with pytest.warns(UserWarning, match="skipped: charset lacks 'é'"):
            task = TextLineFiles(str(path), charset="abc")
        assert task.charset == "abc"
        assert task.skipped == {"label holds a character outside the charset": 2}

    def test_many_are_counted_and_few_are_printed(self, tmp_path):
        path = gt(tmp_path, [("a.png", "ok"), *((f"{n}.png", "") for n in range(50))], a=png())
        with pytest.warns(UserWarning, match="skipped: label") as record:
            task = TextLineFiles(str(path))
        assert task.skipped == {"label is empty": 50}
        assert len(record) == 5
        assert "further ones are counted" in str(record[-1].message)

    def test_a_colon_in_a_name_is_no_drive(self, tmp_path):
        task = TextLineFiles(str(gt(tmp_path, [("10:30 a.png", "ok")], **{"10:30 a": png()})))
        assert task.check_images() == {}

    def test_nothing_is_left(self, tmp_path):
        path = gt(tmp_path, [("a.png", "")])
        with (
            pytest.warns(UserWarning, match="a.png skipped"),
            pytest.raises(ValueError, match=r"has no item that can be used; skipped: \{'label is empty': 1\}"),
        ):
            TextLineFiles(str(path))

    @pytest.mark.parametrize(
        "name", ["../secret.png", "/etc/passwd", "a/../../secret.png", "..\\secret.png", "C:/x.png", "."]
    )
    def test_names_that_lead_out_of_the_folder(self, tmp_path, name):
        (tmp_path / "secret.png").write_bytes(png())
        (tmp_path / "set").mkdir()
        path = gt(tmp_path / "set", [("a.png", "fine"), (name, "stolen")], a=png())
        with pytest.warns(UserWarning, match="skipped: path outside the folder|skipped: image can"):
            assert [batch.texts for batch in TextLineFiles(str(path)).batches(9)] == [("fine",)]


def test_labels_are_normalised_and_nothing_else():
    assert clean_label("e\u0301 \uff21 \ufb01") == "é \uff21 \ufb01"
    assert clean_label(b"\\d+") == "\\d+"
    for bad, reason in ((b"\xff", "not UTF-8"), ("", "empty"), ("a\nb", "control"), (3, "no string")):
        with pytest.raises(BadLabel, match=reason):
            clean_label(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "missing/gt.txt"}, r"path is 'missing/gt.txt', which is not there"),
        ({"path": "notes.md"}, r"whose format its name does not tell; give format= one of 'lmdb', 'gt'"),
        ({"path": "gt.txt", "format": "xlsx"}, "format is 'xlsx'; give one of 'lmdb'"),
        ({"path": "gt.txt", "images": "nowhere"}, "path is 'nowhere', which is not there"),
        ({"path": "gt.txt", "height": 2}, "height is 2; give a whole number of at least 8"),
    ],
)
def test_arguments(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gt(tmp_path, [("a.png", "a")], a=png())
    (tmp_path / "notes.md").write_text("")
    with pytest.raises(ValueError, match=message):
        TextLineFiles(**arguments)


def test_an_lmdb_has_its_images(drawn, tmp_path):
    path = write_text_lines(tmp_path / "set", drawn, "lmdb")
    with pytest.raises(ValueError, match="but an LMDB holds its images; leave it out"):
        TextLineFiles(str(path), images=str(tmp_path))


@pytest.mark.parametrize("content", ['filename,label\n0.png,"' + "x" * 200_000, "filename,label\r0.png,a\r"])
def test_a_table_that_is_none_is_a_value_error_with_its_line(content, tmp_path):
    (tmp_path / "labels.csv").write_bytes(content.encode())
    with pytest.raises(ValueError, match=r"labels\.csv is damaged at line \d"):
        TextLineFiles(str(tmp_path / "labels.csv"))
