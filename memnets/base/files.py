"""Writing files whole or not at all, and within their folder."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}(\.tmp|\.part)?")
"""What files in the making are called; a process that is killed leaves them."""


def write_atomically(files: Mapping[Path, bytes]) -> None:
    """Put each file in place whole; until all are on disk none is replaced, and nothing is left beside them."""
    written: dict[Path, str] = {}
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, written[path] = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(written[path], 0o666 & ~_umask())
        for path, temporary in written.items():
            os.replace(temporary, path)
    except BaseException:
        for temporary in written.values():
            Path(temporary).unlink(missing_ok=True)
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left of files in the making; of a folder in which no other process writes."""
    if not folder.is_dir() or folder.is_symlink():
        return
    for path in folder.iterdir():
        if TEMPORARY.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            path.unlink(missing_ok=True)


def leads_out(path: Path, root: Path) -> bool:
    """Whether ``path``, which stands within ``root``, is a link out of it, or stands in a folder that is one."""
    return not path.resolve().is_relative_to(root.resolve())


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
