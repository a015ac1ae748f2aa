"""Figures as files, as pixels and as text."""

import io

import matplotlib
import numpy as np
import pytest
import torch
from figure_cases import SIZES, FakeTrace, copy_task, queue_trace, random_task, two_memories
from matplotlib.figure import Figure
from PIL import Image

from memnets import viz


def test_characters_that_no_font_and_no_svg_takes_are_written_out(tmp_path):
    figure = Figure()
    figure.add_subplot().set_title("a\ud800\x1b")
    assert "a\\ud800\\x1b" in viz.save_figure(figure, tmp_path / "a.svg").read_text()
    figure.axes[0].set_title("\ud800")
    viz.to_array(figure)


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
        part.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        viz.save_figure(figure, path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("weights.png", b"old")]


@pytest.mark.parametrize(("ending", "start"), [(".pdf", b"%PDF"), (".svg", b"<?xml"), (".PNG", b"\x89PNG")])
def test_the_ending_chooses_the_format(tmp_path, ending, start):
    before = matplotlib.rcParams.copy()
    _, _, trace = copy_task()
    path = viz.save_figure(viz.weightings_figure(trace), tmp_path / f"figure{ending}")
    assert path.read_bytes().startswith(start)
    assert [file.name for file in tmp_path.iterdir()] == [f"figure{ending}"]
    assert matplotlib.rcParams.copy() == before


def test_a_pdf_has_fonts_that_publishers_take_and_no_date(tmp_path):
    figure = viz.lengths_figure({1: {"bit_errors": 1.0}})
    data = viz.save_figure(figure, tmp_path / "figure.pdf").read_bytes()
    assert b"/Type3" not in data
    assert b"CreationDate" not in data


def test_save_refuses_another_format(tmp_path):
    with pytest.raises(ValueError, match=r"\.png, \.pdf, \.svg: .* got 'figure\.jpg'"):
        viz.save_figure(Figure(), tmp_path / "figure.jpg")
    assert not list(tmp_path.iterdir())


def test_a_notebook_shows_a_figure_without_a_magic_command():
    """IPython asks an object for its PNG before it prints it."""
    batch, outputs, trace = copy_task()
    figures = [viz.memory_work_figure(batch, outputs, trace), viz.lengths_figure({1: {"bit_errors": 1.0}})]
    for figure in figures:
        with Image.open(io.BytesIO(figure._repr_png_())) as image:
            assert image.format == "PNG"
            assert image.width > 500


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
    write, read = lines.index("write weights"), lines.index("read weights")
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
    read, write = (
        torch.full((1, 500, 1, 1000), 1e-3),
        torch.full((1, 500, 1, 1000), 0.1),
    )  # all slots used: none cropped
    read[0, 321, 0, 777] = 1.0
    tensors = {"read_weights": read, "write_weights": write, "lengths": torch.tensor([500])}
    trace = FakeTrace(tensors, {"read_weights": "weighting", "write_weights": "weighting"})
    text = viz.weightings_text(trace)
    assert text.count("█") == 2  # one in the scale above, one in the picture
    with pytest.raises(ValueError, match="at least 40 characters, got 20"):
        viz.weightings_text(trace, width=20)


def test_text_is_of_the_weightings_over_the_slots_of_the_first_memory():
    """Those over shifts choose no slot, even where there are more shifts than slots."""
    _, _, trace = random_task(R=2, W=1, N=2, S=5)
    lines = viz.weightings_text(trace).split("\n")
    assert [line for line in lines[1:-1] if "|" not in line] == [
        "write weights",
        "read weights, head 0",
        "read weights, head 1",
    ]
    names = [line for line in viz.weightings_text(two_memories()).split("\n") if "weights" in line]
    assert names == ["first: write weights", "first: read weights"]


def test_a_memory_without_weightings_has_no_text_of_them():
    with pytest.raises(ValueError, match=r"of the kind weighting, but the trace holds only value \(vector\)"):
        viz.weightings_text(queue_trace())
