"""Digits one an image: contracts, parts that no writer is in twice, clutter, and the files of MNIST, damaged or not."""

import gzip
import struct

import pytest
import torch
from torch.testing import assert_close

import memnets
from memnets.testing import check_task
from memnets_tasks import BinaryDigits, ClutteredDigits, DigitClasses, generator
from memnets_tasks.images import idx

SMALL = {"size": 24, "digit_size": 8, "clutter": 2, "clutter_size": 4}


def drawn(task, length=1, count=20):
    return task.sample(count, length, generator(0, "test", 0))


@pytest.mark.parametrize(
    "task",
    [DigitClasses(size=8, max_length=2), ClutteredDigits(**SMALL, max_length=3, evaluation_lengths=(2, 3))],
    ids=lambda task: type(task).__name__,
)
def test_they_keep_the_contract(task):
    check_task(task)
    batch = drawn(task, torch.tensor([1, 2]).repeat(10))
    assert (batch.inputs.clamp(0, 1) == batch.inputs).all()
    wanted = " ".join(map(str, batch.targets[1].tolist()))
    assert task.text(batch, 1).endswith(f"wanted {wanted}")
    figure = task.figures(batch.shard(1, 20), torch.randn(1, 2, 10), None)["digits"]
    assert len(figure.axes) == 2


def test_a_task_of_binary_images_keeps_it_too():
    task = BinaryDigits(size=8)
    model = memnets.VAE(64, hidden_size=8, latent_size=2)
    check_task(task, predictions=model.predict)
    batch = drawn(task)
    assert set(batch.inputs.unique().tolist()) == {0.0, 1.0}
    made = model.predict(batch).detach()
    scores = task.scores(made, batch)
    assert_close(scores["bound"], task.errors(made, batch).double().mean(), check_dtype=False)
    assert_close(scores["bound"], scores["reconstruction"] + scores["divergence"])
    assert_close(float(scores["bound"]), float(task.loss(made, batch)))
    shown = task.text(batch, 0).splitlines()[1:]
    assert len(shown) == 4
    assert any("\u2588" in line for line in shown)


def test_no_image_is_in_two_parts_and_each_is_scored_once():
    for task in (DigitClasses(size=8), BinaryDigits(size=8)):
        validation, test, unseen = task.splits()
        assert unseen["unseen writers"] is test
        assert [len(part) for part in (task, validation, test)] == [1287, 150, 360]
        batches = list(test.batches(100))
        assert [len(batch) for batch in batches] == [100, 100, 100, 60]
    rows = [
        batch.inputs
        for part in (DigitClasses(size=8), *DigitClasses(size=8).splits()[:2])
        for batch in part.batches(2000)
    ]
    everything = torch.cat(rows)
    assert len(everything.unique(dim=0)) > 0.99 * len(everything)


def test_training_moves_images_by_whole_pixels():
    task = DigitClasses(size=8, shift=1)
    (whole,) = task.batches(1287)
    known = torch.nn.functional.pad(whole.inputs.view(-1, 8, 8), (1, 1, 1, 1))
    image = drawn(task, count=1).inputs.view(8, 8)
    places = [(y, x) for y in range(3) for x in range(3) if (known[:, y : y + 8, x : x + 8] == image).all((1, 2)).any()]
    assert places


def test_digits_in_clutter_lie_side_by_side_in_the_order_wanted():
    task = ClutteredDigits(**{**SMALL, "clutter": 0}, max_length=3)
    batch = drawn(task, 3, 60)
    assert (batch.inputs == batch.inputs[:, :1]).all()
    (whole,) = DigitClasses(size=8, shift=0).batches(1287)
    first = batch.inputs[0, 0].view(24, 24)
    names = []
    for left in range(17):
        for top in range(17):
            part = first[top : top + 8, left : left + 8].flatten()
            same = (whole.inputs[:, 0] == part).all(1)
            names += [(left, int(whole.targets[same][0, 0]))] if same.any() else []
    assert [value for _, value in sorted(names)] == batch.targets[0].tolist()
    assert all(b - a >= 8 for (a, _), (b, _) in zip(sorted(names), sorted(names)[1:]))
    ink = (
        drawn(ClutteredDigits(**SMALL), 1, 60).inputs.mean()
        / drawn(ClutteredDigits(**SMALL | {"clutter": 0}), 1, 60).inputs.mean()
    )
    assert ink > 1.2


def test_digits_are_bent_in_training_alone():
    plain, bent = (ClutteredDigits(**SMALL | {"clutter": 0, "distortion": bend}) for bend in (0.0, 0.7))
    whole, warped = drawn(plain, 1, 60), drawn(bent, 1, 60)
    assert (whole.targets == warped.targets).all()
    assert (whole.inputs != warped.inputs).flatten(1).any(1).all()
    middles = [
        torch.stack([(b.inputs.view(60, 24, 24) * torch.arange(24)).sum((1, 2)), b.inputs.sum((1, 2))]).unbind()
        for b in (whole, warped)
    ]
    assert (middles[0][0] / middles[0][1] - middles[1][0] / middles[1][1]).abs().max() < 2  # where they were
    assert all(torch.equal(drawn(a).inputs, drawn(b).inputs) for a, b in zip(plain.splits()[:2], bent.splits()[:2]))


def packed(sizes, data, kind=8):
    return bytes([0, 0, kind, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + data


def write_mnist(folder, count=24, packing=gzip.compress, size=5):
    for stem in ("train", "t10k"):
        pixels = bytes(n % 256 for n in range(count * size * size))
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(packing(packed([count, size, size], pixels)))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(packed([count], bytes(n % 10 for n in range(count))))
    return str(folder)


def test_files_of_mnist(tmp_path):
    task = DigitClasses(folder=write_mnist(tmp_path), size=8, shift=0)
    validation, test, _ = task.splits()
    assert [len(part) for part in (task, validation, test)] == [22, 2, 24]
    (batch,) = test.batches(30)
    assert batch.targets.flatten().tolist() == [n % 10 for n in range(24)]
    exact = idx.read_idx(tmp_path, "t10k-images-idx3-ubyte", 3)
    assert exact[1, 0].tolist() == [25, 26, 27, 28, 29]
    assert BinaryDigits(folder=str(tmp_path), size=8).input_size == 64


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has 0 bytes, too few"),
        (b"\x00\x00\x08\x03\x00", "has 5 bytes, too few"),
        (b"PK\x03\x04" + bytes(40), "begins with 504b0304, but an IDX file of this kind with 00000803"),
        (packed([24, 5, 5], bytes(600), kind=13), "begins with 00000d03"),
        (packed([24], bytes(24)), "begins with 00000801"),
        (packed([24, 5, 5], bytes(599)), "says that it holds 24 x 5 x 5 bytes, but holds 599"),
        (packed([24, 5, 5], bytes(601)), "but holds 601"),
        (packed([2**32 - 1] * 3, bytes(9)), "4294967295 x 4294967295 x 4294967295 bytes, but holds 9"),
        (packed([0, 5, 5], b""), "has 0 images, but 24 labels"),
        (gzip.compress(packed([24, 5, 5], bytes(600)), mtime=0)[:-9], "is no whole gzip file"),
        (b"\x1f\x8b" + bytes(30), "is no whole gzip file"),
        (packed([23, 5, 5], bytes(575)), "has 23 images, but 24 labels"),
    ],
)
def test_a_damaged_file_is_named_in_one_line(tmp_path, data, message):
    folder = write_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(ValueError, match=message) as error:
        DigitClasses(folder=folder)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_files_that_are_missing_lead_away_or_unpack_to_too_much(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"holds no train-images-idx3-ubyte and no train-images-idx3-ubyte\.gz"):
        DigitClasses(folder=str(tmp_path))
    folder = write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(packed([24], bytes([11] * 24)))
    with pytest.raises(ValueError, match="has the label 11, but digits are 0 to 9"):
        DigitClasses(folder=folder)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    (tmp_path / "train-labels-idx1-ubyte").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="lies outside its folder"):
        DigitClasses(folder=folder)
    monkeypatch.setattr(idx, "MOST_BYTES", 500)
    with pytest.raises(ValueError, match="unpacks to more than 500 bytes"):
        DigitClasses(folder=folder)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DigitClasses(size=4), "size is 4; give a whole number of at least 8"),
        (lambda: DigitClasses(split="all"), "split is 'all'; give one of 'train', 'validation', 'test'"),
        (lambda: DigitClasses(noise=-1), "noise is -1; give a number of at least 0"),
        (lambda: BinaryDigits(shift=-1), "shift is -1; give a whole number of at least 0"),
        (lambda: ClutteredDigits(distortion=-1), "distortion is -1; give a number of at least 0"),
        (
            lambda: ClutteredDigits(evaluation_lengths=(3,)),
            "3 digits of 20 pixels do not fit .* at most 2",
        ),
        (lambda: ClutteredDigits(clutter_size=21), "clutter_size is 21; give at most 20"),
        (lambda: drawn(ClutteredDigits(), 4), "4 digits of 20 pixels do not fit side by side into 48; give at most 2"),
    ],
)
def test_what_is_out_of_range_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
