"""Bending lines: where points and ink go, and that a line still fits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memnets_tasks.images import warp


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def project(matrix: np.ndarray, x: float, y: float) -> tuple[float, float]:
    a, b, c = (sum(matrix[i, k] * (x, y, 1.0)[k] for k in range(3)) for i in range(3))
    return a / c, b / c


def make_bend(slant: float, tilt: float, taper: float, stretch: tuple[float, float]) -> warp.Bend:
    """Of one line."""
    one = [torch.tensor([value], dtype=torch.float64) for value in (slant, tilt, taper)]
    return warp.Bend(*one, stretch=torch.tensor([stretch], dtype=torch.float64))


class TestWarp:
    @settings(max_examples=20, deadline=None)
    @given(
        st.floats(5, 600),
        st.floats(5, 40),
        st.floats(-0.4, 0.4),
        st.floats(-4, 4),
        st.floats(-0.3, 0.3),
        st.floats(0, 1),
        st.tuples(st.floats(0.5, 2), st.floats(0.5, 2)),
    )
    def test_the_line_fits_whatever_the_bend(self, width, height, slant, tilt, taper, place, stretch):
        bend = make_bend(slant, tilt, taper, stretch)
        sizes, margins = torch.tensor([[width, height]]), torch.tensor([[3.0, 5.0]])
        matrices, widths = warp.bend_matrices(sizes, bend, height=32, margins=margins, place=torch.tensor([place]))
        corners = [project(matrices[0].numpy(), x, y) for x in (0, width) for y in (0, height)]
        xs, ys = zip(*corners)
        assert min(xs) == pytest.approx(3, abs=1e-4)
        assert widths[0] - 1 < max(xs) + 5 <= widths[0] + 1e-4
        assert min(ys) > 1 - 1e-4
        assert max(ys) < 31 + 1e-4

    def test_boxes_by_hand(self):
        rng = np.random.default_rng(0)
        matrices = np.eye(3) + rng.normal(size=(2, 3, 3)) * [[0.1], [0.1], [0.001]]
        boxes = np.sort(rng.uniform(0, 30, (2, 5, 2, 2)), axis=2).reshape(2, 5, 4)
        mapped = warp.map_boxes(torch.tensor(boxes), torch.tensor(matrices)).numpy()
        for b in range(2):
            for i, (x0, y0, x1, y1) in enumerate(boxes[b]):
                points = [project(matrices[b], x, y) for x in (x0, x1) for y in (y0, y1)]
                xs, ys = zip(*points)
                np.testing.assert_allclose(mapped[b, i], [min(xs), min(ys), max(xs), max(ys)], rtol=1e-9)

    def test_images_move_as_points_do(self):
        """The image is looked up through the inverse; a dot must still land where the map itself sends it."""
        bend = make_bend(0.15, 2.0, 0.1, (0.9, 0.8))
        sizes = torch.tensor([[60.0, 20.0]])
        matrices, widths = warp.bend_matrices(
            sizes, bend, height=32, margins=torch.full((1, 2), 4.0), place=torch.tensor([0.5])
        )
        for x, y in ((5, 5), (30, 10), (55, 14)):
            ink = torch.zeros(1, 1, 20, 60)
            ink[0, 0, y - 1 : y + 1, x - 1 : x + 1] = 1  # around the corner (x, y) of four pixels
            image = warp.bend_images(ink, matrices, 32, int(widths))[0, 0].double().numpy()
            rows, columns = np.mgrid[:32, : int(widths)] + 0.5
            found = (columns * image).sum() / image.sum(), (rows * image).sum() / image.sum()
            np.testing.assert_allclose(found, project(matrices[0].numpy(), x, y), atol=0.1)

    def test_blur_by_loops(self):
        images = torch.rand(2, 2, 7, 9, generator=seeded(), dtype=torch.float64)
        sigmas = torch.tensor([0.0, 0.8], dtype=torch.float64)
        blurred = warp.blur(images, sigmas).numpy()
        np.testing.assert_allclose(blurred[0], images[0].numpy())
        taps = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.8**2))
        taps /= taps.sum()
        padded = np.pad(images[1].numpy(), ((0, 0), (2, 2), (2, 2)))
        expected = sum(taps[i] * taps[j] * padded[:, i : i + 7, j : j + 9] for i in range(5) for j in range(5))
        np.testing.assert_allclose(blurred[1], expected, atol=1e-12)
