"""Image files as a task's own images: sizes, greys, polarity, and what cannot be read."""

import itertools
import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from memnets_tasks import CaptionFiles, DigitLines, Scenes, TextLineFiles, TextLines
from memnets_tasks.images import write_captions, write_text_lines
from memnets_tasks.images.loading import LineLoader, cut_blank_rows


def save(path, array):
    Image.fromarray(array).save(path)
    return str(path)


def striped(height=10, width=40, ink=255, paper=0):
    """Ink in four columns, each four from an end."""
    array = np.full((height, width), paper, np.uint8)
    array[:, 4:8] = array[:, -8:-4] = ink
    return array


def test_lines_keep_their_aspect_and_are_padded_with_black(tmp_path):
    short = save(tmp_path / "short.png", striped(16, 20))
    long = save(tmp_path / "long.png", striped(32, 100))
    loaded = DigitLines(height=16).load_images([long, short])
    assert loaded.paths == (long, short)
    assert loaded.problems == {}
    assert loaded.batch.images.shape == (2, 1, 16, 50)
    assert loaded.batch.widths.tolist() == [50, 20]
    assert loaded.batch.texts == ("", "")
    assert not loaded.batch.images[1, ..., 20:].any()
    np.testing.assert_allclose(loaded.batch.images[1, 0, :, :20], striped(16, 20) / 255, atol=1e-6)


def test_a_line_saved_and_loaded_is_the_same(tmp_path):
    batch = TextLines().sample(1, 5, torch.Generator().manual_seed(0))
    pixels = (batch.images[0, 0] * 255).round().byte().numpy()
    loaded = TextLines().load_images([save(tmp_path / "a.png", pixels)])
    torch.testing.assert_close(loaded.batch.images, batch.images, atol=0.5 / 255 + 1e-6, rtol=0)


@pytest.mark.parametrize(
    ("task", "light_ink", "dark_ink"),
    [
        (DigitLines(), False, True),
        (TextLines(height=16, backgrounds=False), True, False),
        (TextLines(height=16), False, False),
    ],
    ids=["light ink", "dark ink", "any ink"],
)
def test_only_lines_that_are_the_other_way_round_are_inverted(tmp_path, task, light_ink, dark_ink):
    for name, inverted, array in (
        ("light", light_ink, striped(16, 40)),
        ("dark", dark_ink, striped(16, 40, ink=10, paper=240)),
    ):
        loaded = task.load_images([save(tmp_path / f"{name}.png", array)])
        expected = 255 - array if inverted else array
        np.testing.assert_allclose(loaded.batch.images[0, 0], expected / 255, atol=1e-6)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("ink", [0, 255])
def test_what_is_transparent_is_paper_that_contrasts_with_the_ink(tmp_path, mode, ink):
    """White ink on nothing, as icons and stickers have it, would be lost on white paper."""
    line = np.zeros((16, 30), bool)
    line[:, 4:26:3] = True
    image = Image.fromarray(np.stack([np.where(line, ink, 128)] * 3 + [255 * line], 2).astype(np.uint8))
    transparent = {"transparency": 0} if mode == "P" else {}
    if mode == "P":
        image = Image.fromarray(line.astype(np.uint8)).convert("P")
        image.putpalette([90, 90, 90, ink, ink, ink])
    image.convert(mode).save(tmp_path / "a.png", **transparent)
    loaded = DigitLines().load_images([str(tmp_path / "a.png")])
    np.testing.assert_allclose(loaded.batch.images[0, 0], line, atol=1e-6)


def test_transparent_corners_are_paper_too(tmp_path):
    """Of a scan both ink and paper can be seen."""
    array = np.full((16, 40, 4), 255, np.uint8)
    array[4:12, 6:34:3, :3] = 0
    array[:4, :4, 3] = 0
    loaded = LineLoader(16).load_images([save(tmp_path / "a.png", array)])
    assert loaded.batch.images[0, 0, 0, 0] == 1
    assert loaded.batch.images[0, 0].mean() > 0.7


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("left", "right"), [(0, 0), (2, 4), (5, 90), (60, 1)])
def test_wide_blank_ends_are_cut_to_those_of_training(tmp_path, left, right, dark):
    """A reader that was always shown narrow ones takes wide ones for characters."""
    ink = np.zeros((16, 20), np.uint8)
    ink[:, :4] = ink[:, 17:] = 200  # an end of ink from top to bottom is no blank
    random = np.random.default_rng(0)
    line = np.pad(ink, [(0, 0), (left, right)]) + random.integers(0, 20, (16, left + 20 + right)).astype(np.uint8)
    loaded = DigitLines(max_spacing=4).load_images([save(tmp_path / "a.png", 255 - line if dark else line)])
    kept = line[:, max(0, left - 4) : left + 20 + min(right, 4)]
    np.testing.assert_allclose(loaded.batch.images[0, 0], kept / 255, atol=1e-6)
    files = LineLoader(16).load_images([str(tmp_path / "a.png")])
    assert files.batch.images.shape[-1] == line.shape[1], "what margins files have is not known"


@pytest.mark.parametrize("dark", [False, True])
def test_a_line_low_in_its_image_is_cut_to_the_size_of_training(tmp_path, dark):
    """Digits fill the height but for `jitter`; small ones between much blank would be read as others."""
    dots = np.random.default_rng(0).random((14, 30)) < 0.2
    ink = np.kron(dots, np.full((3, 3), 255)).astype(np.uint8)
    ink[[0, -1], :9] = 255
    for above, below in ((60, 60), (0, 200), (150, 10)):
        line = np.pad(ink, [(above, below), (0, 0)])
        loaded = DigitLines(jitter=1).load_images([save(tmp_path / "a.png", 255 - line if dark else line)])
        kept = np.pad(ink, [(min(above, 3), min(below, 3)), (0, 0)])  # a pixel at the height of 16
        image = loaded.batch.images[0, 0].numpy() * 255
        size = round(90 * 16 / len(kept)), 16
        np.testing.assert_allclose(image, Image.fromarray(kept).resize(size, Image.Resampling.BILINEAR), atol=1.01)
        whole = TextLines(height=16).load_images([str(tmp_path / "a.png")])
        assert whole.batch.images.shape[3] < image.shape[1], "a dash is low in its line as well"


@pytest.mark.parametrize("distortion", [0.0, 1.0])
def test_digits_of_the_task_are_never_cut(distortion):
    task = DigitLines(distortion=distortion)
    batch = task.sample(400, 1, torch.Generator().manual_seed(0))
    for image, width in zip(batch.images, batch.widths):
        line = (image[0, :, :width] * 255).byte().numpy()
        assert cut_blank_rows(line, 14 / 16) is line


@pytest.mark.parametrize("task", [DigitLines(), TextLines(), LineLoader(16)], ids=["digits", "text", "files"])
def test_what_is_no_line_is_said_to_be_none(tmp_path, task):
    blank = [save(tmp_path / f"{grey}.png", np.full((16, 300), grey, np.uint8)) for grey in (0, 252)]
    tall = save(tmp_path / "tall.png", striped(30, 200).T.copy())
    problems = task.load_images([*blank, tall]).problems
    assert all("image is blank" in problems[path] for path in blank)
    assert "times as tall as wide; turn it, or crop it to one line" in problems[tall]


@pytest.mark.parametrize("ink", [0, 255])
def test_text_that_runs_down_the_page_is_no_line_and_a_single_tall_sign_is_one(tmp_path, ink):
    font = ImageFont.load_default(40)

    def drawn(text, turned=False):
        left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
        image = Image.new("L", (right - left + 6, bottom - top + 6), 255 - ink)
        ImageDraw.Draw(image).text((3 - left, 3 - top), text, font=font, fill=ink)
        return save(
            tmp_path / f"{ord(text[0])}-{turned}.png", np.asarray(image.rotate(90, expand=True) if turned else image)
        )

    upright = [drawn(sign) for sign in "1lIij!|:;?%(]}\u00cf\u00f7"]
    assert LineLoader(32).load_images(upright).problems == {}
    down = drawn("Vertical", turned=True)
    assert "signs stand above each other; turn it" in LineLoader(32).load_images([down]).problems[down]


def test_pictures_are_their_middle_squares_in_colour(tmp_path):
    array = np.zeros((48, 96, 3), np.uint8)
    array[:, :48] = (255, 0, 0)
    loaded = Scenes(size=48).load_images([save(tmp_path / "a.png", array)])
    assert loaded.batch.images.shape == (1, 3, 48, 48)
    np.testing.assert_allclose(loaded.batch.images[0], array[:, 24:72].transpose(2, 0, 1) / 255, atol=1e-6)
    assert loaded.batch.captions == ((),)


def test_what_cannot_be_read_is_named_and_the_rest_is_there(tmp_path):
    good = save(tmp_path / "good.png", striped(16, 20))
    cut, empty, wide = (tmp_path / name for name in ("cut.png", "empty.png", "wide.png"))
    cut.write_bytes((tmp_path / "good.png").read_bytes()[:60])
    empty.write_bytes(b"")
    save(wide, np.zeros((2, 1000), np.uint8))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    bad = [str(path) for path in (cut, empty, wide, pipe, tmp_path, tmp_path / "none.png")] + ["a\0b"]
    loaded = DigitLines().load_images([bad[0], good, *bad[1:]])
    assert loaded.paths == (good,)
    assert len(loaded.batch.images) == 1
    assert list(loaded.problems) == bad
    reasons = (
        "image cannot be decoded",
        "empty image file",
        "image wider than max_width, 4096 pixels",
        "image is no regular file",
        "image is no regular file (give the images in it, as DIR/*.png)",
    )
    for problem, reason in zip(loaded.problems.values(), (*reasons, "image is not there", "image cannot be read")):
        assert problem.startswith(reason)
    none = DigitLines().load_images(bad[:2])
    assert none.batch is None
    assert none.paths == ()


def test_what_is_held_out(tmp_path):
    test = DigitLines(split="test")
    assert test.splits().test is test
    digits = DigitLines(distortion=1.0, jitter=2, max_length=5)
    unseen = digits.splits().test
    assert (unseen.split, unseen.distortion, unseen.jitter, unseen.max_length) == ("test", 0.0, 2, 5)
    assert (digits.split, digits.distortion) == ("train", 1.0)
    plain = DigitLines(split="test", jitter=2, max_length=5)
    drawn = [task.sample(4, 5, torch.Generator().manual_seed(0)) for task in (unseen, plain)]
    assert torch.equal(drawn[0].images, drawn[1].images)

    for task in (TextLines(), TextLines(words="generated", split="test")):
        assert task.splits().test is task
    lines = TextLines(words="generated", font_split="held-out", noise=0.01)
    unseen = lines.splits().test
    test = TextLines(words="generated", font_split="held-out", noise=0.01, split="test")
    drawn = [task.sample(3, 12, torch.Generator().manual_seed(0)) for task in (unseen, test, lines)]
    assert drawn[0].texts == drawn[1].texts != drawn[2].texts
    assert torch.equal(drawn[0].images, drawn[1].images)

    scenes = Scenes(size=48).splits().test
    assert (scenes.split, scenes.size, scenes.splits().test) == ("test", 48, scenes)
    held_out = Scenes(split="held-out")
    assert held_out.splits() == (held_out, held_out, {})


def test_what_is_validated_on_is_neither_trained_on_nor_evaluated_on():
    digits = DigitLines(distortion=1.0, max_length=5)
    validation = digits.splits().validation
    assert (validation.split, validation.distortion, validation.max_length) == ("validation", 0.0, 5)
    assert validation.splits() == (validation, validation, {})
    both = DigitLines(split="train+validation")
    assert both.splits().validation is both
    assert both.splits().test.split == "test"

    lines = TextLines(words="generated")
    tasks = {"train": lines, **lines.splits()._asdict()}
    del tasks["unseen"]
    assert {name: task.split for name, task in tasks.items()} == {name: name for name in tasks}
    seen = {}
    for name, task in tasks.items():
        texts = [task.sample(16, 12, torch.Generator().manual_seed(seed)).texts for seed in range(3)]
        seen[name] = {word for batch in texts for text in batch for word in text.split()}
    for one, other in itertools.combinations(seen.values(), 2):
        assert one
        assert other
        assert not one & other
    for task in (TextLines(), Scenes()):  # random strings and scenes never come twice
        assert task.splits().validation is task


def test_evaluations_name_what_is_new():
    assert list(DigitLines().splits().unseen) == ["unseen images"]
    lines = dict(TextLines(words="generated").splits().unseen)
    page = lines.pop("photographed page", None)  # where scikit-image is installed
    assert page is None or page.split == "test"
    assert {name: (task.split, task.font_split) for name, task in lines.items()} == {
        "unseen words": ("test", "train"),
        "unseen font": ("test", "held-out"),
    }
    drawn = TextLines(words="generated", split="test", font_split="held-out")
    images = [task.sample(3, 9, torch.Generator().manual_seed(0)).images for task in (lines["unseen font"], drawn)]
    assert torch.equal(*images)
    strings = TextLines()
    assert list(strings.splits().unseen) == ["unseen font"]
    assert strings.splits().unseen["unseen font"].split == "train"
    assert list(TextLines(held_out_family=None).splits().unseen) == []
    assert TextLines(words="generated", split="test").splits().unseen == {}
    scenes = Scenes().splits().unseen
    assert {name: task.split for name, task in scenes.items()} == {"unseen scenes": "test", "unseen pairs": "held-out"}


def test_lines_of_files_are_validated_and_evaluated_on_the_files_named(tmp_path):
    paths = {}
    for n, name in enumerate(("train", "validation", "test")):
        batch = DigitLines().sample(4, 2 + n if n else 40, torch.Generator().manual_seed(n))
        paths[name] = str(write_text_lines(tmp_path / name, [batch], "gt"))
    task = TextLineFiles(paths["train"], validation_path=paths["validation"], test_path=paths["test"], height=16)
    splits = task.splits()
    for other, name, length in ((splits.validation, "validation", 3), (splits.test, "test", 4)):
        assert (other.path, other.height, other.charset) == (paths[name], 16, task.charset)
        assert (other.min_length, other.max_length) == (length, length)
        assert other.splits() == (other, other, {})
    assert [other.path for other in splits.unseen.values()] == [paths["test"]]
    assert TextLineFiles(paths["train"]).splits().unseen == {}
    with pytest.raises(ValueError, match=r"none.txt', which is not there"):
        TextLineFiles(paths["train"], test_path=str(tmp_path / "none.txt"))


@pytest.mark.parametrize("format", ["karpathy", "flickr8k", "coco"])
def test_captions_of_files_are_held_out_where_the_files_say_which(format, tmp_path):
    batches = [Scenes(size=48).sample(4, 1, torch.Generator().manual_seed(n)) for n in range(2)]
    splits = {"train": batches[:1], "test": batches[1:]}
    path = write_captions(tmp_path, splits, format)["train"]
    task = CaptionFiles(str(path), min_word_count=1, size=48)
    splits = task.splits()
    unseen = splits.test
    if format == "coco":
        assert unseen is task
        return
    assert (unseen.split, len(unseen), unseen.vocabulary, unseen.size) == ("test", 4, task.vocabulary, 48)
    assert splits.validation is task  # the file names no such pictures
    assert list(splits.unseen) == ["unseen pictures"]
    (seen,) = unseen.batches(4)
    assert seen.captions == batches[1].captions
