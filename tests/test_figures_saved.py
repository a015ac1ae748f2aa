"""Figures as files, as pixels and as text."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from figure_cases import SIZES, copy_task, random_task
from memnets import viz


def test_save_writes_one_png_and_nothing_else(tmp_path):
    _, _, trace = copy_task()
    path = viz.save_figure(viz.weightings_figure(trace), tmp_path / "new" / "weights.png")
    assert [file.name for file in path.parent.iterdir()] == ["weights.png"]
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert 1000 < image.width < 2500
        assert 300 < image.height < 2500


def test_a_failed_save_keeps_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "weights.png"
    path.write_bytes(b"old")
    _, _, trace = copy_task()
    figure = viz.weightings_figure(trace)

    def fail(part, **_):
        part.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        viz.save_figure(figure, path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("weights.png", b"old")]


def test_save_refuses_another_format(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.png, got 'figure\.pdf'"):
        viz.save_figure(Figure(), tmp_path / "figure.pdf")


def test_to_array_gives_rgb_pixels():
    figure = Figure(figsize=(3, 2), dpi=100, facecolor="#FF8000")
    canvas = figure.canvas
    pixels = viz.to_array(figure)
    assert pixels.shape == (200, 300, 3)
    assert pixels.dtype == np.uint8
    assert pixels[0, 0].tolist() == [255, 128, 0]
    assert figure.canvas is canvas


def test_text_shows_the_walks_of_both_heads():
    _, _, trace = copy_task(counts=(12, 7, 9), slots=128, first_slot=30)
    lines = viz.weightings_text(trace).split("\n")
    write, read = lines.index("write head 0"), lines.index("read head 0")
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 76
    drawn = {int(line.split("|")[0]): line.split("|")[1] for line in lines[write + 1 : read]}
    assert [drawn[30 + n][n] for n in range(12)] == ["█"] * 12
    assert {drawn[30 + n][n + 2] for n in range(9)} == {" "}
    assert all(len(row) == 25 for row in drawn.values())
    assert lines[-1].split() == ["0", "24"]


@pytest.mark.parametrize("sizes", SIZES)
def test_text_stays_small(sizes):
    lines = viz.weightings_text(random_task(**sizes)[2], width=60).split("\n")
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 60


def test_a_single_hot_slot_survives_the_small_text():
    _, _, trace = copy_task(counts=(1,), slots=1000)
    trace["read_weights"] = torch.full((1, 500, 1, 1000), 1e-3)
    trace["write_weights"] = torch.full((1, 500, 1, 1000), 0.1)  # all slots used: none cropped
    trace["read_weights"][0, 321, 0, 777] = 1.0
    trace["lengths"] = torch.tensor([500])
    text = viz.weightings_text(trace)
    assert text.count("█") == 2  # one in the scale above, one in the picture
    with pytest.raises(ValueError, match="at least 40 characters, got 20"):
        viz.weightings_text(trace, width=20)
