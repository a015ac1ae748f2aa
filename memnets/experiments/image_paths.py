"""Which image files a user means: files, folders, patterns, and lists of them."""

import glob
from collections.abc import Sequence
from pathlib import Path

from ..base.errors import UsageError
from ..base.files import leads_out
from ..base.regular_files import UnusableFile, read_regular

SUFFIXES = {".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".gif", ".tif", ".tiff", ".webp"}
"""Of a folder these are taken."""

MOST_BYTES = 1 << 28
"""Largest list that is read."""


def find_images(given: Sequence[str], lists: Sequence[str] = ()) -> list[str]:
    """The paths that are meant, in the order given; those of a folder or a pattern by name.

    Args:
        given: files, folders (searched with what is in them), and patterns such as ``"scans/*.png"``. A file that is
            not there is kept, to be named as such where it is read.
        lists: text files with a path on each line, relative to the list's folder, which none may leave.

    Raises:
        UsageError: a folder or pattern has no image, or a list cannot be read, is empty, or names what lies elsewhere.
    """
    found: list[str] = []
    for name in given:
        path = Path(name)
        if path.is_dir():
            found += _of_folder(path)
        elif not path.exists() and glob.has_magic(name):
            found += sorted(glob.glob(name, recursive=True)) or _none(name)
        else:
            found.append(name)
    for name in lists:
        found += _of_list(Path(name))
    return found


def _of_folder(folder: Path) -> list[str]:
    inside = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return [str(path) for path in sorted(inside) if not leads_out(path, folder)] or _none(str(folder))


def _of_list(path: Path) -> list[str]:
    try:
        lines = read_regular(path, MOST_BYTES).decode("utf-8-sig").splitlines()
    except (UnusableFile, UnicodeDecodeError) as error:
        reason = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise UsageError(f"--list is {path}, which {reason}: give a file with a path on each line") from error
    names = [line.strip() for line in lines if line.strip()]
    for name in names:
        if leads_out(path.parent / name, path.parent):
            raise UsageError(f"--list: {path} names {name!r}, outside its folder: give such images one by one")
    return [str(path.parent / name) for name in names] or _none(str(path))


def _none(where: str) -> list[str]:
    raise UsageError(
        f"{where} has no image in it: give files, a folder with {', '.join(sorted(SUFFIXES))}, or a pattern"
    )
