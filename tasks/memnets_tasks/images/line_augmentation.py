"""Lines of image files made to look a little different each time, as the built-in tasks draw theirs."""

import numpy as np
import numpy.typing as npt

SLANT, TILT, NARROWER, LOWER = 0.2, 0.04, 0.15, 0.1
"""At strength 1: most shear, most rise over a height of width, most change of log width, and of height."""

BLUR, NOISE, STROKES, CONTRAST = 0.8, 0.05, 0.5, 0.3
"""At strength 1: most blur in pixels, noise in shares of black to white, change of strokes, and loss of contrast."""


def augment_line(line: npt.NDArray[np.uint8], strength: float, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A line ``(H, w)`` slanted, tilted, stretched, its strokes bolder or thinner, blurred, noisy and paler.

    What comes in at the edges is of the paper's grey, the median.

    Args:
        line: The image.
        strength: 0 leaves it as it is; 1 is about what ``TextLines`` does.
        random: Source of randomness.

    Returns:
        ``(H, w')``.
    """
    from PIL import Image, ImageFilter

    if not strength:
        return line

    def draw(most: float) -> float:
        return float(random.uniform(-most, most)) * strength

    height, width = line.shape
    paper = int(np.median(line))
    wide = max(1, round(width * np.exp(draw(NARROWER))))
    slant, tilt, tall = draw(SLANT), draw(TILT), 1 + abs(draw(LOWER))
    across, down = width / wide, tall
    middle = height / 2
    shear = (across, slant, -slant * middle, tilt, down, middle * (1 - down) - tilt * wide / 2)
    image = Image.fromarray(line)
    if wide > 4 * height:  # a tilt of the same angle would lift the ends of a long line out of the image
        shear = (*shear[:3], 0.0, down, middle * (1 - down))
    image = image.transform((wide, height), Image.Transform.AFFINE, shear, Image.Resampling.BICUBIC, fillcolor=paper)
    bolder = image.filter(ImageFilter.MinFilter(3) if random.random() < 0.5 else ImageFilter.MaxFilter(3))
    image = Image.blend(image, bolder, abs(draw(STROKES)))
    image = image.filter(ImageFilter.GaussianBlur(abs(draw(BLUR))))
    values = np.asarray(image).astype(np.float32)
    values = paper + (values - paper) * (1 - abs(draw(CONTRAST)))
    values += random.normal(size=values.shape) * abs(draw(NOISE)) * 255
    return values.clip(0, 255).round().astype(np.uint8)
