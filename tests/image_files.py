"""Small image files, for tests of what reads them."""

import io

from PIL import Image


def png(width: int = 20, height: int = 10, shade: int = 128, mode: str = "L", kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height), shade if mode == "L" else (shade,) * len(mode)).save(file, format=kind)
    return file.getvalue()
