"""Bending lines of text as a camera would, and finding where their characters went."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Bend(NamedTuple):
    """How each of B lines is bent, in numbers that mean the same for long lines and very long ones.

    Lines of less than three times the image's height are tilted and tapered in proportion to their width, or a
    single character would be turned as far as a whole line.

    Attributes:
        slant: ``(B,)``; pixels to the left for each pixel downwards.
        tilt: ``(B,)``; pixels the right end lies lower than the middle.
        taper: ``(B,)``; the share by which the right end is smaller than the middle.
        stretch: ``(B, 2)``; factors of width and height before all that.
    """

    slant: Tensor
    tilt: Tensor
    taper: Tensor
    stretch: Tensor


def bend_matrices(sizes: Tensor, bend: Bend, *, height: int, margins: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """The projective map of each line into an image of ``height`` rows that holds all of it.

    A line is sheared, tilted and tapered about its middle, made smaller where it would not fit, and moved.

    Args:
        sizes: ``(B, 2)``, float64; width and height of each straight line, in pixels.
        bend: How to bend.
        height: Rows of the images.
        margins: ``(B, 2)``; pixels left and right of the line.
        place: ``(B,)``, 0 to 1; where the line stands in the rows left over, from the top.

    Returns:
        Matrices ``(B, 3, 3)``, float64, from points (x, y, 1) of the straight line to the image; and the images'
        widths ``(B,)``, int64.
    """
    stretch = bend.stretch.double()
    width, line_height = (sizes.double() * stretch).unbind(1)
    one, zero = torch.ones_like(width), torch.zeros_like(width)
    half = (width / 2).clamp_min(1.5 * height)
    rows = [
        [one, -bend.slant.double(), zero],
        [bend.tilt.double() / half, one, zero],
        [bend.taper.double() / half, zero, one],
    ]
    bent = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)  # (B, 3, 3), about the middle
    bent = bent @ _moves(-width / 2, -line_height / 2) @ torch.diag_embed(F.pad(stretch, (0, 1), value=1.0))

    corners = F.pad(sizes.double(), (2, 0)).unsqueeze(1)  # (B, 1, 4)
    x0, y0, x1, y1 = map_boxes(corners, bent)[:, 0].unbind(1)
    scale = ((height - 2) / (y1 - y0)).clamp_max(1.0)
    spare = height - 2 - scale * (y1 - y0)
    moved = _moves(margins[:, 0].double() - scale * x0, 1 + spare * place.double() - scale * y0)
    grown = torch.diag_embed(torch.stack([scale, scale, one], dim=1))
    widths = torch.ceil(scale * (x1 - x0) + margins.double().sum(dim=1)).long().clamp_min(1)
    return moved @ grown @ bent, widths


def _moves(x: Tensor, y: Tensor) -> Tensor:
    matrices = torch.eye(3, dtype=x.dtype, device=x.device).repeat(len(x), 1, 1)
    matrices[:, 0, 2], matrices[:, 1, 2] = x, y
    return matrices


def map_points(points: Tensor, matrices: Tensor) -> Tensor:
    """Points ``(B, P, 2)`` after projective maps ``(B, 3, 3)``: ``(B, P, 2)``."""
    mapped = F.pad(points, (0, 1), value=1.0) @ matrices.transpose(1, 2)  # (B, P, 3)
    return mapped[..., :2] / mapped[..., 2:]


def map_boxes(boxes: Tensor, matrices: Tensor) -> Tensor:
    """Upright boxes around boxes that were bent.

    Args:
        boxes: ``(B, L, 4)``; x0, y0, x1, y1. A box with NaN stays NaN.
        matrices: ``(B, 3, 3)``.

    Returns:
        ``(B, L, 4)``, of the dtype of ``matrices``.
    """
    corners = boxes[..., [0, 1, 2, 1, 0, 3, 2, 3]].to(matrices.dtype)  # (B, L, 8), four points
    points = map_points(corners.flatten(1).unflatten(1, (-1, 2)), matrices)  # (B, 4 L, 2)
    points = points.unflatten(1, (-1, 4))  # (B, L, 4, 2)
    return torch.cat([points.amin(dim=2), points.amax(dim=2)], dim=-1)


def bend_images(ink: Tensor, matrices: Tensor, height: int, width: int, *, room: int = 0) -> Tensor:
    """Straight lines as they look bent, interpolated bilinearly.

    Args:
        ink: ``(B, 1, h, w)``, float32; zero outside.
        matrices: ``(B, 3, 3)``, from the straight line to the image.
        height: Rows of the result.
        width: Columns of the result.
        room: Pixels that ``ink`` has around the lines, which begin at (``room``, ``room``).

    Returns:
        ``(B, 1, height, width)``, float32.
    """
    inverse = torch.linalg.inv(matrices)
    h, w = ink.shape[-2:]
    to_grid = inverse.new_tensor([[2 / w, 0, 2 * room / w - 1], [0, 2 / h, 2 * room / h - 1], [0, 0, 1]])
    inverse = (to_grid @ inverse).float()  # (B, 3, 3), from pixels to -1 .. 1
    x = torch.arange(width, device=ink.device) + 0.5
    y = torch.arange(height, device=ink.device) + 0.5
    along = inverse[:, :, 0, None] * x + inverse[:, :, 2, None]  # (B, 3, width)
    down = inverse[:, :, 1, None] * y  # (B, 3, height)
    mapped = along[:, :, None, :] + down[:, :, :, None]  # (B, 3, height, width)
    grid = (mapped[:, :2] / mapped[:, 2:]).permute(0, 2, 3, 1)  # (B, height, width, 2)
    return F.grid_sample(ink, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur over five pixels each way, a width for each image; sigma 0 leaves an image as it is.

    Args:
        images: ``(B, C, H, W)``.
        sigma: ``(B,)``, pixels, up to about 1.
    """
    offsets = torch.arange(-2, 3, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp_min(1e-3).unsqueeze(1)) ** 2)  # (B, 5)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    channels = images.shape[1]
    weight = kernel.repeat_interleave(channels, dim=0)[:, None, :, None]  # (B C, 1, 5, 1)
    flat = images.flatten(0, 1).unsqueeze(0)  # (1, B C, H, W)
    flat = F.conv2d(flat, weight, padding=(2, 0), groups=flat.shape[1])
    flat = F.conv2d(flat, weight.transpose(2, 3), padding=(0, 2), groups=flat.shape[1])
    return flat.squeeze(0).unflatten(0, images.shape[:2])
