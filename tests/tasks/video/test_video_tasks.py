"""Clips: what is shown moves as the labels say, and folders of frames are read."""

import pytest
import torch

from memnets.testing import check_task
from memnets_tasks import FrameFolders, Gestures, MovingShapes, generator
from memnets_tasks.video import clips


def drawn(task, length, count=60, seed=0):
    return task.sample(count, length, generator(seed, "test", 0))


@pytest.fixture(autouse=True)
def clean(request, monkeypatch):
    """Without specks, so that a frame's centre of mass is the shape's."""
    if "centre" in request.node.name:
        monkeypatch.setattr(clips, "SPECKS", 0.0)


def centres(task, batch):
    """Centre of mass of each frame, (B, T, 2): x and y in pixels."""
    frames = batch.inputs.unflatten(-1, (task.size, task.size))
    pixels = torch.arange(task.size) + 0.5
    mass = frames.sum((2, 3))
    return torch.stack([(frames.sum(2) * pixels).sum(-1) / mass, (frames.sum(3) * pixels).sum(-1) / mass], dim=-1)


@pytest.mark.parametrize("task", [MovingShapes(), Gestures()], ids=lambda task: type(task).__name__)
def test_they_keep_the_contract(task):
    check_task(task)
    batch = drawn(task, torch.tensor([6, 12, 9]).repeat(20))
    assert (batch.inputs.clamp(0, 1) == batch.inputs).all()
    assert "16 x 16 pixels; wanted" in task.text(batch, 0)
    figures = task.figures(batch, torch.randn(*batch.mask.shape, task.output_size), None)
    assert len(figures["film"].axes) == 6


def test_the_centre_of_a_moving_shape_moves_as_labelled():
    task = MovingShapes()
    batch = drawn(task, 12)
    moved = centres(task, batch).diff(dim=1)  # (B, T - 1, 2)
    ways = torch.tensor([(2, 0), (-2, 0), (0, 2), (0, -2), (0, 0)])[batch.targets[:, 1:]]
    assert (moved - ways).abs().max() < 0.35  # pixels at the edge of the frame
    assert set(batch.targets[:, 1:].flatten().tolist()) == set(range(5))
    assert not batch.mask[:, 0].any()


def test_the_centre_of_a_gesture_goes_its_way():
    task = Gestures()
    batch = drawn(task, 12, 200)
    path = centres(task, batch)
    wanted = batch.targets[:, -1]
    whole = path[:, -1] - path[:, 0]
    for label, (axis, sign) in enumerate([(0, 1), (0, -1), (1, 1), (1, -1)]):
        chosen = whole[wanted == label]
        assert len(chosen) > 10
        assert (sign * chosen[:, axis] > 4).all()
        assert (chosen[:, 1 - axis].abs() < 1).all()
    around = path - path.mean(1, keepdim=True)
    turn = (around[:, :-1, 0] * around[:, 1:, 1] - around[:, :-1, 1] * around[:, 1:, 0]).sum(1)  # y points down
    assert (turn[wanted == 4] > 0).all()
    assert (turn[wanted == 5] < 0).all()
    assert (whole[wanted >= 4].norm(dim=1) < 1.5).all()


def write_clips(folder, classes=("a", "b"), count=20, frames=3):
    from PIL import Image

    for label in classes:
        for clip in range(count):
            (folder / label / f"{clip:02}").mkdir(parents=True)
            for frame in range(frames + clip % 2):
                grey = 40 * frame + (20 if label == "b" else 0)
                Image.new("L", (30, 20), grey).save(folder / label / f"{clip:02}" / f"{9 + frame}.png")
    return str(folder)


def test_folders_of_frames(tmp_path):
    path = write_clips(tmp_path)
    (tmp_path / "a" / "03" / "10.png").write_bytes(b"no image")
    (tmp_path / "b" / "empty").mkdir()
    task = FrameFolders(path, size=12)
    validation, test, _ = task.splits()
    assert task.labels == ("a", "b")
    assert task.skipped == {
        "a clip with a frame that is no image: image cannot be decoded": 1,
        "a clip with fewer than two frames": 1,
    }
    assert (len(task), len(validation), len(test)) == (19 - 1 + 18, 2, 1)
    assert (task.min_length, task.max_length, task.input_size) == (3, 4, 144)
    batch = next(iter(task.batches(40)))
    for frames, target, length in zip(batch.inputs, batch.targets, batch.lengths.tolist()):
        expected = torch.arange(length) * 40 / 255 + (20 / 255 if target[length - 1] else 0)
        torch.testing.assert_close(frames[:length].mean(1), expected)
        assert (frames[:length].std(1) < 1e-6).all()
    assert FrameFolders(path, size=12, max_frames=2).max_length == 2
    check_task(task)


def test_what_is_out_of_range_or_no_folder_of_clips_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere is no folder; give one with a folder for each class"):
        FrameFolders("nowhere")
    with pytest.raises(ValueError, match="has clips of the class 'a' alone; give at least two"):
        FrameFolders(write_clips(tmp_path / "alone", classes=("a",)), size=12)
    with pytest.raises(ValueError, match="has no clip for the validation; give a class at least twenty clips"):
        FrameFolders(write_clips(tmp_path / "few", count=2))
    with pytest.raises(ValueError, match="size is 4; give a whole number of at least 12"):
        MovingShapes(size=4)
    with pytest.raises(ValueError, match="min_length is 2; give a whole number of at least 4"):
        Gestures(min_length=2)
