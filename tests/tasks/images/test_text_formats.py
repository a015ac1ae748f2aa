"""Sets of text lines in each format, written by hand: what is read, and what is named as wrong."""

import json

import lmdb
import pytest

from image_files import gt, png
from memnets_tasks import TextLineFiles
from memnets_tasks.images.text_formats import BadLabel, clean_label


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


def test_labels_are_normalised_and_nothing_else():
    assert clean_label("e\u0301 \uff21 \ufb01") == "é \uff21 \ufb01"
    assert clean_label(b"\\d+") == "\\d+"
    for bad, reason in ((b"\xff", "not UTF-8"), ("", "empty"), ("a\nb", "control"), (3, "no string")):
        with pytest.raises(BadLabel, match=reason):
            clean_label(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ['filename,label\n0.png,"' + "x" * 200_000, "filename,label\r0.png,a\r"])
def test_a_table_that_is_none_is_a_value_error_with_its_line(content, tmp_path):
    (tmp_path / "labels.csv").write_bytes(content.encode())
    with pytest.raises(ValueError, match=r"labels\.csv is damaged at line \d"):
        TextLineFiles(str(tmp_path / "labels.csv"))
