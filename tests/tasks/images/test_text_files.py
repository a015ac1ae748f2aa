"""Data sets of text lines: the formats written and read back, by hand and by the writers, and what is skipped."""

import dataclasses
import multiprocessing
import os
import pickle

import filelock
import lmdb
import pytest
import torch

from image_files import gt, png
from memnets_tasks import DigitLines, TextLineFiles, TextLines
from memnets_tasks.images import write_text_lines

FORMATS = ["lmdb", "gt", "labels", "iam"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


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
