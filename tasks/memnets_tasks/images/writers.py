"""Writing batches in the formats that are read here, for other programs and for keeping."""

import contextlib
import glob
import json
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from memnets.base.extras import require
from memnets.base.files import write_atomically
from memnets_tasks.images.batches import SceneBatch, TextLineBatch
from memnets_tasks.images.caption_formats import FLICKR_LISTS, SPLITS
from memnets_tasks.images.lmdb_lines import COUNT
from memnets_tasks.images.pictures import png
from memnets_tasks.images.text_formats import BadLabel, clean_label

_WRITING, _LOCK = ".being-written", "writing.lock"


def write_text_lines(
    folder: str | Path, batches: Iterable[TextLineBatch], format: Literal["lmdb", "gt", "labels", "iam"]
) -> Path:
    """Write lines of text as PNG images with a list of their labels.

    All is written or nothing is; the images are held in memory until then.

    Args:
        folder: Where; it must be empty or not there.
        batches: Lines, cut to their widths.
        format: As in ``TextLineFiles``.

    Returns:
        The path to give to ``TextLineFiles``.

    Raises:
        ValueError: If the folder holds something, the format is unknown, there is no line, or the format cannot
            hold a label.
    """
    folder = _empty_folder(folder)
    if format not in _TEXT_WRITERS:
        raise ValueError(f"format is {format!r}; give one of {', '.join(map(repr, _TEXT_WRITERS))}")
    lines = [(png(image), _storable(text, format)) for batch in batches for image, text in _lines_of(batch)]
    if not lines:
        raise ValueError("there is no line to write; give at least one batch")
    return _TEXT_WRITERS[format](folder, lines)


def _lines_of(batch: TextLineBatch) -> Iterator[tuple[npt.NDArray[np.uint8], str]]:
    images = (batch.images[:, 0].cpu() * 255).round().byte().numpy()
    for image, width, text in zip(images, batch.widths.tolist(), batch.texts):
        yield image[:, :width], text


def _storable(label: str, format: str) -> str:
    try:
        kept = clean_label(label)
    except BadLabel as error:
        raise ValueError(f"the text {label!r} cannot be written: {error}") from error
    if format == "iam" and "|" in label:
        raise ValueError(f"the text {label!r} holds '|', which parts words in lines.txt; choose another format")
    return kept


def _write_gt(folder: Path, lines: list[tuple[bytes, str]]) -> Path:
    names = [f"images/{n:09d}.png" for n in range(1, len(lines) + 1)]
    text = "".join(f"{name}\t{label}\n" for name, (_, label) in zip(names, lines))
    write_atomically(
        {folder / name: data for name, (data, _) in zip(names, lines)} | {folder / "gt.txt": text.encode()}
    )
    return folder / "gt.txt"


def _write_labels(folder: Path, lines: list[tuple[bytes, str]]) -> Path:
    labels = {f"{n:09d}.png": label for n, (_, label) in enumerate(lines, start=1)}
    files = {folder / "images" / name: data for name, (data, _) in zip(labels, lines)}
    write_atomically(files | {folder / "labels.json": json.dumps(labels, ensure_ascii=False, indent=0).encode()})
    return folder / "labels.json"


def _write_iam(folder: Path, lines: list[tuple[bytes, str]]) -> Path:
    files, rows = {}, ["#--- lines.txt ---#"]
    for n, (data, label) in enumerate(lines):
        form = f"a{n // 10000:02d}-{n // 100 % 100:03d}u"
        name = f"{form}-{n % 100:02d}"
        files[folder / "lines" / form[:3] / form / f"{name}.png"] = data
        rows.append(f"{name} ok 154 {len(label.split())} 0 0 0 0 {label.replace(' ', '|')}")
    write_atomically(files | {folder / "lines.txt": ("\n".join(rows) + "\n").encode()})
    return folder / "lines.txt"


def _write_lmdb(folder: Path, lines: list[tuple[bytes, str]]) -> Path:
    require("lmdb", "filelock", purpose="writing LMDB")

    import filelock
    import lmdb

    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    being_written = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=_WRITING))
    lock = filelock.FileLock(being_written / _LOCK)
    lock.acquire()
    try:
        size = 2 * sum(len(data) + 4096 for data, _ in lines) + (1 << 24)
        with (
            lmdb.open(str(being_written), map_size=size) as environment,
            environment.begin(write=True) as transaction,
        ):
            for n, (data, label) in enumerate(lines, start=1):
                transaction.put(f"image-{n:09d}".encode(), data)
                transaction.put(f"label-{n:09d}".encode(), label.encode())
            transaction.put(COUNT, str(len(lines)).encode())
        lock.release()
        for name in ("lock.mdb", _LOCK):
            (being_written / name).unlink(missing_ok=True)
        being_written.chmod(0o755)
        being_written.replace(folder)
    except lmdb.Error as error:
        raise OSError(f"{folder} cannot be written ({error}); make room there, or choose another folder") from error
    finally:
        lock.release()
        shutil.rmtree(being_written, ignore_errors=True)  # there only where it was not put in place
    return folder


def _remove_abandoned(folder: Path) -> None:
    """Remove what writers of the same folder that were killed have left beside it: old, and held by none."""
    import filelock

    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*{_WRITING}"):
        found = left.lstat()
        young = time.time() - found.st_mtime < 60  # made a moment ago
        if young or not stat.S_ISDIR(found.st_mode) or (left / _LOCK).is_symlink():
            continue
        with contextlib.suppress(filelock.Timeout, OSError):  # its writer is at work
            with filelock.FileLock(left / _LOCK, timeout=0):
                pass
            shutil.rmtree(left, ignore_errors=True)


_TEXT_WRITERS = {"lmdb": _write_lmdb, "gt": _write_gt, "labels": _write_labels, "iam": _write_iam}


def write_captions(
    folder: str | Path,
    batches: Mapping[str, Iterable[SceneBatch]],
    format: Literal["karpathy", "coco", "flickr8k"],
) -> dict[str, Path]:
    """Write pictures as PNG images in ``folder``, with a list of their captions.

    All is written or nothing is; the images are held in memory until then.

    Args:
        folder: Where; it must be empty or not there.
        batches: Pictures by split: "train", "val", "test".
        format: As in ``CaptionFiles``.

    Returns:
        For each split the path to give to ``CaptionFiles``.

    Raises:
        ValueError: If the folder holds something, or a split or the format is unknown.
    """
    folder = _empty_folder(folder)
    unknown = [split for split in batches if split not in SPLITS]
    if unknown or not batches:
        raise ValueError(f"batches has the splits {list(batches)}; give some of {', '.join(map(repr, SPLITS))}")
    if format not in _CAPTION_LISTS:
        raise ValueError(f"format is {format!r}; give one of {', '.join(map(repr, _CAPTION_LISTS))}")
    files: dict[Path, bytes] = {}
    said: dict[str, dict[str, tuple[str, ...]]] = {split: {} for split in batches}
    for split, given in batches.items():
        for batch in given:
            pixels = (batch.images.cpu() * 255).round().byte().permute(0, 2, 3, 1).numpy()
            for image, captions in zip(pixels, batch.captions):
                name = f"{len(files):09d}.png"
                files[folder / name] = png(image)
                said[split][name] = captions
    lists, paths = _CAPTION_LISTS[format](said)
    write_atomically(files | {folder / name: text.encode() for name, text in lists.items()})
    return {split: folder / name for split, name in paths.items()}


_Said = dict[str, dict[str, tuple[str, ...]]]
_Lists = tuple[dict[str, str], dict[str, str]]


def _karpathy_lists(said: _Said) -> _Lists:
    images = [
        {"filename": name, "split": split, "sentences": [{"raw": c, "tokens": c.split()} for c in captions]}
        for split, named in said.items()
        for name, captions in named.items()
    ]
    text = json.dumps({"images": images, "dataset": "memnets"}, ensure_ascii=False)
    return {"dataset_memnets.json": text}, dict.fromkeys(said, "dataset_memnets.json")


def _coco_lists(said: _Said) -> _Lists:
    lists = {}
    for split, named in said.items():
        images = [{"id": n, "file_name": name} for n, name in enumerate(named)]
        pairs = [(n, caption) for n, captions in enumerate(named.values()) for caption in captions]
        annotations = [{"id": i, "image_id": n, "caption": caption} for i, (n, caption) in enumerate(pairs)]
        data = {"images": images, "annotations": annotations}
        lists[f"captions_{split}.json"] = json.dumps(data, ensure_ascii=False)
    return lists, {split: f"captions_{split}.json" for split in said}


def _flickr8k_lists(said: _Said) -> _Lists:
    rows = [
        f"{name}#{n}\t{caption}\n"
        for named in said.values()
        for name, captions in named.items()
        for n, caption in enumerate(captions)
    ]
    lists = {"Flickr8k.token.txt": "".join(rows)}
    for split, listed in FLICKR_LISTS.items():
        lists[f"Flickr_8k.{listed}Images.txt"] = "".join(f"{name}\n" for name in said.get(split, {}))
    return lists, dict.fromkeys(said, "Flickr8k.token.txt")


_CAPTION_LISTS = {"karpathy": _karpathy_lists, "coco": _coco_lists, "flickr8k": _flickr8k_lists}


def _empty_folder(folder: str | Path) -> Path:
    folder = Path(folder).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"folder is {str(folder)!r}, which holds something; give a new folder")
    return folder
