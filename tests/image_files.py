"""Small image files, for tests of what reads them."""

import io

from PIL import Image


def png(width: int = 20, height: int = 10, shade: int = 128, mode: str = "L", kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image = Image.new(mode, (width, height), shade if mode == "L" else (shade,) * len(mode))
    ink = (shade + 128) % 256
    image.paste(ink if mode == "L" else (ink,) * len(mode), (1, 1, 8, 8))  # else it would be blank
    image.save(file, format=kind)
    return file.getvalue()
