"""Small image files, for tests of what reads them."""

import io
from pathlib import Path

from PIL import Image


def png(width: int = 20, height: int = 10, shade: int = 128, mode: str = "L", kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image = Image.new(mode, (width, height), shade if mode == "L" else (shade,) * len(mode))
    ink = (shade + 128) % 256
    image.paste(ink if mode == "L" else (ink,) * len(mode), (1, 1, 8, 8))  # else it would be blank
    image.save(file, format=kind)
    return file.getvalue()


def gt(folder: Path, lines: list[tuple[str, str]], **images: bytes) -> Path:
    """A gt.txt of (name, label), with images by stem."""
    for stem, data in images.items():
        (folder / f"{stem}.png").write_bytes(data)
    path = folder / "gt.txt"
    path.write_bytes("".join(f"{name}\t{label}\n" for name, label in lines).encode())
    return path
