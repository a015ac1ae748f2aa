"""Files that a data set names: regular ones alone, of a bounded size, and none outside its folder."""

import os
import threading

import pytest

from image_files import png
from memnets.base import regular_files
from memnets.base.regular_files import UnusableFile, read_regular, read_within
from memnets_tasks import CaptionFiles, TextLineFiles
from memnets_tasks.images import list_files
from memnets_tasks.images.folders import ImageFolder
from memnets_tasks.images.list_files import read_json, read_list, read_text
from memnets_tasks.images.pictures import UnreadableImage
from memnets_tasks.images.skipped_items import SkippedItems


def within_seconds(call, seconds: float = 5.0):
    """What a call gives or raises, in a thread, so that one that blocks fails the test instead of stopping it."""
    found: list = []

    def run() -> None:
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it blocks"
    return found[0]


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_files_are_read_whole_up_to_a_size(tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    for read in (lambda most: read_regular(tmp_path / "a", most), lambda most: read_within(tmp_path, "a", most)):
        assert read(size) == data
        if size:
            with pytest.raises(UnusableFile, match=rf"is larger than {size - 1} bytes \(it has {size}\)"):
                read(size - 1)


def test_pipes_folders_and_devices_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        found = within_seconds(lambda path=path: read_regular(path, 10))
        assert isinstance(found, UnusableFile)
        assert found.reason == "is no regular file"


def test_a_file_exchanged_for_a_pipe_while_it_is_opened(tmp_path, monkeypatch):
    """What was looked at is not what is opened: the descriptor counts."""
    os.mkfifo(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"x")
    status = (tmp_path / "b").stat()
    monkeypatch.setattr(regular_files.os, "stat", lambda *_, **__: status)
    found = within_seconds(lambda: read_regular(tmp_path / "a", 10))
    assert isinstance(found, UnusableFile)
    assert found.reason == "is no regular file"


@pytest.mark.parametrize("place", ["link", "sub/link", "linked/secret", "chain"])
def test_links_out_of_the_folder(tmp_path, place):
    folder, outside = tmp_path / "set", tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to(outside / "secret")
    (folder / "sub" / "link").symlink_to("../../outside/secret")
    (folder / "linked").symlink_to(outside)
    (folder / "chain").symlink_to("sub/link")
    with pytest.raises(UnusableFile, match=r"lies outside its folder \(it is .*/outside/secret\)"):
        read_within(folder, place, 10)


def test_links_within_the_folder_and_to_the_folder_are_followed(tmp_path):
    (tmp_path / "set" / "sub").mkdir(parents=True)
    (tmp_path / "set" / "sub" / "a").write_bytes(b"mine")
    (tmp_path / "set" / "b").symlink_to("sub/a")
    (tmp_path / "set" / "c").symlink_to(tmp_path / "set" / "sub")
    (tmp_path / "short").symlink_to("set")
    for folder, name in (("set", "b"), ("set", "c/a"), ("short", "b"), ("short", "sub/a")):
        assert read_within(tmp_path / folder, name, 10) == b"mine"


@pytest.mark.parametrize("name", ["a", "sub/a"])
def test_a_link_put_in_the_way_after_the_look_is_not_followed(tmp_path, monkeypatch, name):
    folder = tmp_path / "set"
    folder.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a").write_bytes(b"secret")
    (folder / "a").symlink_to(tmp_path / "outside" / "a")
    (folder / "sub").symlink_to(tmp_path / "outside")
    monkeypatch.setattr(regular_files.os.path, "realpath", os.path.abspath)  # as if they had been no links then
    with pytest.raises(UnusableFile):
        read_within(folder, name, 10)


def test_reasons_of_images(tmp_path):
    folder = ImageFolder(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(2**40)
    (tmp_path / "link").symlink_to("/etc/hostname")
    reasons = {
        "none": "image is not there",
        "pipe": "image is no regular file",
        "huge": "image is larger than 268435456 bytes",
        "link": "image lies outside its folder",
        "\ud800": "image cannot be read",
        "x" * 5000: "image cannot be read",
    }
    for key, reason in reasons.items():
        found = within_seconds(lambda key=key: folder.read(key))
        assert isinstance(found, UnreadableImage)
        assert found.reason == reason


@pytest.mark.parametrize("list_name", ["labels.json", "lines.txt", "captions_train.json"])
def test_a_folder_of_images_that_is_a_link_out(tmp_path, list_name):
    """`images`, IAM's `lines` and COCO's `train` come with the data set, and may lead where they like."""
    folder, outside = tmp_path / "set", tmp_path / "outside"
    folder.mkdir()
    (outside / "a01" / "a01-000").mkdir(parents=True)
    (outside / "a.png").write_bytes(png())
    (outside / "a01" / "a01-000" / "a01-000-00.png").write_bytes(png())
    for name in ("images", "lines", "train"):
        (folder / name).symlink_to(outside)
    texts = {
        "labels.json": '{"a.png": "ab"}',
        "lines.txt": "a01-000-00 ok 154 19 408 746 1661 89 A|MOVE",
        "captions_train.json": '{"images": [{"id": 1, "file_name": "a.png"}], '
        '"annotations": [{"image_id": 1, "caption": "a dog"}]}',
    }
    (folder / list_name).write_text(texts[list_name])
    if list_name.startswith("captions"):
        task = CaptionFiles(str(folder / list_name), min_word_count=1)
    else:
        task = TextLineFiles(str(folder / list_name))
    with pytest.warns(UserWarning, match="lies outside its folder"):
        assert task.check_images() == {"image lies outside its folder": 1}


def test_a_folder_that_the_user_names_may_be_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.png").write_bytes(png())
    (tmp_path / "near").symlink_to("far")
    (tmp_path / "gt.txt").write_text("a.png\tab\n")
    assert TextLineFiles(str(tmp_path / "gt.txt"), images=str(tmp_path / "near")).check_images() == {}


def test_lists_have_bounds(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text("[" + "[]," * 20 + "0]")
    (tmp_path / "a.txt").write_text("a\n" * 20)
    assert len(read_json(tmp_path / "a.json")) == 21  # type: ignore[arg-type]
    monkeypatch.setattr(list_files, "MAX_ENTRIES", 15)
    with pytest.raises(ValueError, match=r"a.json holds up to 41 values in JSON, above 15; part it"):
        read_json(tmp_path / "a.json")
    with pytest.raises(ValueError, match=r"a.txt has 20 lines, above 15; part it"):
        read_text(tmp_path / "a.txt")
    monkeypatch.setattr(list_files, "MAX_BYTES", 30)
    with pytest.raises(ValueError, match=r"a.txt is larger than 30 bytes \(it has 40\)"):
        read_list(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("x" * 10_001, "label is longer than 10000 characters"),
        ("x" * 50_000, "label is longer than 10000 characters"),
        ("e" + "\u0301\u0323" * 16, "label has more than 30 combining marks in a row"),
    ],
)
def test_labels_that_are_none(tmp_path, label, reason):
    """To sort half a million marks took seconds a label."""
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "gt.txt").write_text(f"a.png\tab\na.png\t{label}\na.png\te\u0301\u0323\n")
    with pytest.warns(UserWarning, match=f"a.png skipped: {reason}"):
        task = TextLineFiles(str(tmp_path / "gt.txt"))
    assert task.skipped == {reason: 1}
    assert len(task) == 2


def test_names_cannot_steer_a_terminal_or_fill_it():
    with pytest.warns(UserWarning, match="skipped") as record:
        SkippedItems("gt.txt").add("\x1b[2Ja\nb\u202e" + "x" * 10_000, "image is not there", "no\x07")
    message = str(record[0].message)
    assert message.isprintable()
    assert len(message) < 300
    assert "\\x1b[2Ja\\nb\\u202exxx" in message


def test_numbers_of_images_that_are_none(tmp_path):
    """Numbers that Python gives one hash make a dictionary of n of them n^2 steps slow."""
    (tmp_path / "captions_train.json").write_text(
        '{"images": [{"id": 2305843009213693951, "file_name": "a.png"}, {"id": [1], "file_name": "b.png"},'
        '{"id": 1.5, "file_name": "b.png"}, {"id": 7, "file_name": "c.png"}],'
        '"annotations": [{"image_id": 7, "caption": "a dog"}]}'
    )
    with pytest.warns(UserWarning, match="skipped"):
        task = CaptionFiles(str(tmp_path / "captions_train.json"), min_word_count=1)
    assert task.skipped == {"entry is not of the format": 3}
    assert len(task) == 1
