"""Reading LMDB files page by page: the same as LMDB's own library, and errors where a page is damaged."""

import os
import struct

import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memnets_tasks import DigitLines, TextLineFiles
from memnets_tasks.images import write_text_lines
from memnets_tasks.images.lmdb_file import DamagedLmdb, LmdbFile
from memnets_tasks.images.lmdb_lines import LmdbLines


def write(folder, entries: dict[bytes, bytes], removed: tuple[bytes, ...] = ()):
    """A database; with `removed`, in several transactions, so that pages are given back and taken again."""
    with lmdb.open(str(folder), map_size=2**26) as opened:
        for part in (dict(list(entries.items())[::2]), entries) if removed else (entries,):
            with opened.begin(write=True) as transaction:
                for key, value in part.items():
                    transaction.put(key, value)
        with opened.begin(write=True) as transaction:
            for key in removed:
                transaction.delete(key)
    return folder / "data.mdb"


def opened(path) -> LmdbFile:
    return LmdbFile(os.open(path, os.O_RDONLY))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2000), st.sampled_from([0, 30, 3000, 20_000]), st.integers(0, 99))
def test_what_the_library_wrote_is_read(tmp_path_factory, count, size, seed):
    """Keys and values of any length: none, one page, several levels, values in pages of their own, removed ones."""
    random = np.random.default_rng(seed)
    count = count if size < 3000 else count // 20
    entries = {
        random.bytes(int(random.integers(1, 60))): random.bytes(int(random.integers(size + 1))) for _ in range(count)
    }
    removed = tuple(list(entries)[::7])
    file = opened(write(tmp_path_factory.mktemp("set"), entries, removed))
    kept = {key: value for key, value in entries.items() if key not in removed}
    assert file.entries == len(kept)
    assert [(entry.key, file.value(entry, 10**6)) for entry in file] == sorted(kept.items())
    for key, value in list(kept.items())[:50]:
        entry = file.get(key)
        assert entry is not None
        assert file.value(entry, 10**6) == value
    for key in (*removed[:20], b"", b"\xff" * 99):
        assert file.get(key) is None


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    entries = {b"key-%06d" % n: b"x" * 50 for n in range(3000)} | {b"large": bytes(9000)}
    return write(tmp_path_factory.mktemp("deep"), entries).read_bytes()


def patched(folder, data: bytes, at: int, value: bytes) -> LmdbFile:
    path = folder / "data.mdb"
    path.write_bytes(data[:at] + value + data[at + len(value) :])
    return opened(path)


def pages(data: bytes, kind: int) -> list[int]:
    """Where the pages of a kind start: 1 for branches, 2 for leaves."""
    starts = range(2 * 4096, len(data), 4096)
    return [at for at in starts if struct.unpack_from("<Q2xH", data, at) == (at // 4096, kind)]


def test_a_circle_of_pages_ends(deep, tmp_path):
    """A branch whose children are all itself: a library that follows them never comes back, or falls off its stack."""
    (root,) = pages(deep, 1)
    (lower,) = struct.unpack_from("<H", deep, root + 12)
    places = struct.unpack_from(f"<{(lower - 16) // 2}H", deep, root + 16)
    data = bytearray(deep)
    for place in places:
        struct.pack_into("<HHH", data, root + place, root // 4096, 0, 0)
    file = patched(tmp_path, bytes(data), 0, b"")
    with pytest.raises(DamagedLmdb, match="more than 32 levels"):
        file.get(b"key-000100")
    with pytest.raises(DamagedLmdb, match="belongs to two branches"):
        list(file)


@pytest.mark.parametrize(
    ("where", "at", "value", "message"),
    [
        ("branch", 12, b"\xff\xff", "page .* is damaged"),
        ("branch", 10, b"\0\0", "page .* is damaged"),
        ("branch", 16, b"\xfe\x0f", "past the end of its page"),
        ("leaf", 16, b"\xfe\x0f", "past the end of its page"),
        ("leaf", 0, b"\x01", "page .* is damaged"),
    ],
)
def test_damaged_pages_are_errors(deep, tmp_path, where, at, value, message):
    start = pages(deep, 1 if where == "branch" else 2)[0]
    file = patched(tmp_path, deep, start + at, value)
    with pytest.raises(DamagedLmdb, match=message):
        list(file)


def test_a_value_past_the_end_is_an_error(deep, tmp_path):
    """What the library reads through its map, and dies of."""
    node = deep.index(b"large", 2 * 4096)
    file = patched(tmp_path, deep, node + 5, struct.pack("<Q", 2**50))
    entry = file.get(b"large")
    assert entry is not None
    with pytest.raises(DamagedLmdb, match="lies past the end"):
        file.value(entry, 10**6)
    with pytest.raises(DamagedLmdb, match=r"a value has 9000 bytes, above 100"):
        file.value(entry, 100)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (16, b"\0\0\0\0", "does not start as an LMDB file"),
        (20, b"\2\0\0\0", "data version 1"),
        (40, b"\1\0\0\0", "its pages have 1 bytes"),
        (4096 + 16, b"\0", "does not start as an LMDB file"),
    ],
)
def test_damaged_heads_are_errors(deep, tmp_path, at, value, message):
    with pytest.raises(DamagedLmdb, match=message):
        patched(tmp_path, deep, at, value)


def test_a_file_cut_after_it_was_opened_is_an_error_and_not_a_bus_error(tmp_path):
    path = write_text_lines(tmp_path / "set", [DigitLines().sample(40, 8, generator())], "lmdb")
    task = TextLineFiles(str(path), held_out=0)
    with open(path / "data.mdb", "r+b") as file:
        file.truncate(3 * 4096)
    with pytest.warns(UserWarning, match="past the end"):
        assert sum(task.check_images().values()) == 40


def test_labels_that_lie_one_upon_the_other_are_refused(tmp_path):
    """Few bytes that say they are many labels would fill the memory."""
    entries = {b"image-%09d" % n: b"i" for n in range(1, 101)} | {
        b"label-%09d" % n: b"l" * 20_000 for n in range(1, 101)
    }
    data = bytearray(write(tmp_path, entries | {b"num-samples": b"100"}).read_bytes())
    first = None
    for leaf in pages(bytes(data), 2):
        for n in range(1, 101):  # all labels in the pages of the first
            at = data.find(b"label-%09d" % n, leaf, leaf + 4096)
            if at >= 0:
                first = first or bytes(data[at + 15 : at + 23])
                data[at + 15 : at + 23] = first
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "data.mdb").write_bytes(data)
    assert len(LmdbLines(tmp_path / "cut").labels(None)) == 100  # type: ignore[arg-type]
    smaller = LmdbLines(tmp_path / "cut")
    smaller._file().size = 10**6
    with pytest.raises(ValueError, match="its labels are larger than the file"):
        smaller.labels(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [b"8", b"1" + b"0" * 18, b"9" * 5000, b"-1", b"", "\u0663".encode()])
def test_a_count_beyond_the_entries_is_refused(tmp_path, count):
    write(tmp_path, {b"num-samples": count, b"image-000000001": b"x", b"label-000000001": b"a"})
    with pytest.raises(
        ValueError, match=r"under num-samples(, but no more than 3 entries|; give an LMDB of text lines)"
    ):
        TextLineFiles(str(tmp_path))


def generator():
    import torch

    return torch.Generator().manual_seed(0)
