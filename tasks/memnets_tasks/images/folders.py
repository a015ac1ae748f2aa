"""Reading images that a list of names points to, inside one folder and nowhere else."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from memnets.base.regular_files import UnusableFile, read_within
from memnets_tasks.images.pictures import MAX_BYTES, UnreadableImage


class ImageFolder:
    """The files below a folder, by relative name.

    Args:
        folder: The folder of the data set, which nothing is read outside of, through no link either.
        below: The folder in it that names are relative to.
    """

    def __init__(self, folder: Path, below: str = "") -> None:
        self.folder, self.below = folder, below

    def read(self, key: str) -> bytes:
        """The bytes of a file.

        Raises:
            UnreadableImage: If it is not there, no regular file, too large, unreadable, or outside the folder.
        """
        name = self._inside(PurePosixPath(key.replace("\\", "/")))
        if not name.parts or name.is_absolute() or ".." in name.parts or PureWindowsPath(key).drive or "\0" in key:
            raise UnreadableImage("path outside the folder of images", key)
        try:
            return read_within(self.folder, str(self.below / name), MAX_BYTES)
        except UnusableFile as error:
            raise UnreadableImage.of_file(error) from error

    def has(self, key: bytes) -> bool:
        """Whether a file of that name is there and can be read."""
        try:
            return bool(self.read(key.decode("utf-8", "replace")))
        except UnreadableImage:
            return False

    def _inside(self, name: PurePosixPath) -> PurePosixPath:
        """An absolute name within the folder as one that is relative to it; others as they are."""
        top = PurePosixPath(self.folder.absolute().as_posix()) / self.below
        return name.relative_to(top) if name.is_absolute() and name.is_relative_to(top) else name


def existing_file(path: str | Path) -> Path:
    """The path, ``~`` expanded; ValueError unless a file or folder is there."""
    path = Path(path).expanduser()
    if not path.exists():
        raise ValueError(f"path is {str(path)!r}, which is not there; give the file or folder of the data set")
    if not path.is_file() and not path.is_dir():
        raise ValueError(f"path is {str(path)!r}, which is a pipe or device; give the file or folder of the data set")
    return path
