"""Reading images that a list of names points to, inside one folder and nowhere else."""

import errno
from pathlib import Path, PurePosixPath, PureWindowsPath

from memnets_tasks.images.pictures import UnreadableImage


class ImageFolder:
    """The files below a folder, by relative name.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, key: str) -> bytes:
        """The bytes of a file.

        Raises:
            UnreadableImage: If it is not there, cannot be read, or lies outside the folder.
        """
        name = PurePosixPath(key.replace("\\", "/"))
        if not name.parts or name.is_absolute() or ".." in name.parts or PureWindowsPath(key).drive or "\0" in key:
            raise UnreadableImage("path outside the folder of images", key)
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
            reason = "image is not there" if missing else "image cannot be read"
            raise UnreadableImage(reason, str(error)) from error


def existing_file(path: str | Path) -> Path:
    """The path, `~` expanded; ValueError unless it is there."""
    path = Path(path).expanduser()
    if not path.exists():
        raise ValueError(f"path is {str(path)!r}, which is not there; give the file or folder of the data set")
    return path
