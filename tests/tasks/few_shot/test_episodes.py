"""Few-shot episodes: labels one step late, classes and images as they were drawn, folders of Omniglot."""

import collections
import copy
import pickle

import pytest
import torch
from PIL import Image

from memnets.testing import check_task
from memnets_tasks import DigitEpisodes, GlyphEpisodes, OmniglotEpisodes
from memnets_tasks.few_shot.episodes import REPORTED, Classes, EpisodeTask, fitted
from solver_cases import outputs_for, seeded


class Marked(EpisodeTask):
    """Classes whose images say what they are: pixel 0 is the class, pixel 1 the image."""

    def __init__(self, ways=3, classes=6, images=4, **options):
        self.made = classes, images
        settings = {"quarter_turns": False, "augment": False, "split": "train", "min_length": 1, "max_length": 6}
        self._set_episodes(ways=ways, size=4, evaluation_lengths=(9,), **{**settings, **options})

    def _load(self, split):
        classes, images = self.made
        pixels = torch.zeros(classes, images, 4, 4)
        pixels[:, :, 0, 0] = torch.arange(classes).unsqueeze(1) + 100 * (split == "test")
        pixels[:, :, 0, 1] = torch.arange(images)
        counts = torch.arange(classes) % images + 1
        return Classes(pixels, counts, tuple(map(str, range(classes))))


def test_a_slow_solver_that_remembers_which_class_had_which_label():
    task, seen = Marked(), 0
    for length in (1, 9, 4, torch.randint(1, 7, (700,), generator=seeded(5))):
        count = len(length) if isinstance(length, torch.Tensor) else 110
        batch = task.sample(count, length, seeded())
        lengths = torch.as_tensor(length).expand(count)
        for b in range(count):
            steps = 3 * int(lengths[b])
            assert int(batch.lengths[b]) == steps == int(batch.mask[b].sum())
            labels = {}
            for t in range(steps):
                shown, late = batch.inputs[b, t, :16], batch.inputs[b, t, 16:]
                if t == 0:
                    assert not late.any()
                else:
                    assert late.tolist() == [float(n == batch.targets[b, t - 1]) for n in range(3)]
                label = int(batch.targets[b, t])
                assert labels.setdefault(int(shown[0]), label) == label, "a class keeps its label in an episode"
                assert shown[1] <= int(shown[0]) % 4, "an image that the class has"
            assert sorted(labels.values()) == [0, 1, 2]
            assert collections.Counter(batch.targets[b, :steps].tolist()) == dict.fromkeys(range(3), steps // 3)
            seen += 1
    assert seen >= 1000


def test_no_image_comes_twice_before_all_have_come():
    task = Marked(classes=4, images=4)
    for inputs in task.sample(100, 6, seeded()).inputs:
        images = collections.Counter((int(step[0]), int(step[1])) for step in inputs)
        for (class_, _), count in images.items():
            has = class_ % 4 + 1
            assert count in (6 // has, -(-6 // has))


def test_labels_are_dealt_anew_and_the_order_is_random():
    task = Marked(classes=3)
    batch = task.sample(600, 2, seeded())
    first = collections.Counter((int(i[0, 0]), int(t[0])) for i, t in zip(batch.inputs, batch.targets))
    assert len(first) == 9
    assert all(abs(count - 600 / 9) < 5 * (600 / 9) ** 0.5 for count in first.values())


def test_accuracy_by_appearance():
    task = Marked()
    batch = task.sample(20, 4, seeded())
    seen = torch.zeros_like(batch.targets)
    for b, t in torch.cartesian_prod(torch.arange(20), torch.arange(12)).tolist():
        seen[b, t] = (batch.targets[b, : t + 1] == batch.targets[b, t]).sum()
    scores = task.scores(outputs_for(batch, 3, seen > 1), batch)
    assert {name: float(value) for name, value in scores.items() if name.startswith("accuracy_")} == pytest.approx(
        {f"accuracy_appearance{n}": {1: 0.0, 5: torch.nan}.get(n, 1.0) for n in REPORTED if n < 9}, nan_ok=True
    )
    assert float(scores["accuracy"]) == 0.75


def test_the_classes_of_the_test_are_others():
    test = Marked().splits().test
    assert (test.sample(10, 2, seeded()).inputs[:, :, 0] >= 100).all()
    assert test.splits().test is test


def test_a_class_is_turned_as_a_whole():
    task = Marked(quarter_turns=True, classes=3, images=1)
    original = task.classes.images.flatten(0, 1)
    turns = {tuple(image.rot90(n).flatten().tolist()): n for image in original for n in range(4)}
    batch = task.sample(60, 3, seeded())
    drawn = collections.Counter()
    for inputs, targets in zip(batch.inputs, batch.targets):
        for label in range(3):
            pictures = inputs[targets == label, :16]
            assert (pictures == pictures[0]).all()
            drawn[turns[tuple(pictures[0].tolist())]] += 1
    assert all(drawn[n] > 15 for n in range(4)), drawn


def test_pictures_are_turned_and_moved_a_little_in_training_alone():
    pytest.importorskip("sklearn")
    task = DigitEpisodes(quarter_turns=False)
    still = task.splits().test
    images = {tuple(image.flatten().tolist()) for image in still.classes.images.flatten(0, 1)}
    shown = still.sample(2, 10, seeded()).inputs[..., :64]
    assert all(tuple(picture.tolist()) in images for picture in shown.flatten(0, 1))
    moved = task.sample(20, 10, seeded()).inputs[..., :64].flatten(0, 1)
    plain = torch.stack([*task.classes.images.flatten(0, 1)]).flatten(1)
    nearest = torch.cdist(moved, plain).min(1).values
    assert nearest.min() > 0
    assert nearest.mean() < 3, "and still look like digits"
    assert float(moved.mean()) == pytest.approx(float(plain[plain.any(1)].mean()), rel=0.2)


def test_digits_and_glyphs_keep_the_contract():
    pytest.importorskip("sklearn")
    glyphs = GlyphEpisodes(size=12, characters="ABDEFGHJK", ways=3)
    for task in (DigitEpisodes(), glyphs):
        check_task(task)
        check_task(task.splits().test)
    assert glyphs.classes.names == tuple("ABEFHJ")
    assert glyphs.splits().test.classes.names == tuple("DGK")
    assert int(glyphs.classes.counts.min()) >= 10, "one image a font"
    again = pickle.loads(pickle.dumps(glyphs))
    assert torch.equal(again.sample(2, 3, seeded()).inputs, glyphs.sample(2, 3, seeded()).inputs)


def test_ink_is_fitted_into_the_middle_of_a_square():
    picture = fitted(torch.ones(30, 10), 20, margin=0.0)
    assert picture.shape == (20, 20)
    assert torch.allclose(picture, picture.flip(1), atol=1e-5)
    assert float(picture[:, 10].min()) == pytest.approx(1)
    assert float(picture[:, 1].max()) == 0


def drawing(path, character, number):
    image = Image.new("1", (105, 105), 1)
    image.paste(0, (10 * character, 5 * number, 10 * character + 12, 5 * number + 30))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def omniglot(tmp_path):
    for folder, alphabets in (("images_background", ("Greek", "Latin")), ("images_evaluation", ("Tengwar",))):
        for alphabet in alphabets:
            for character in range(1, 4):
                for number in range(1, 5):
                    name = f"{character:04d}_{number:02d}.png"
                    drawing(tmp_path / folder / alphabet / f"character{character:02d}" / name, character, number)
    return tmp_path


def test_omniglots_folders(omniglot):
    task = OmniglotEpisodes(str(omniglot), ways=3)
    assert task.classes.names[:2] == ("Greek/character01", "Greek/character02")
    assert task.classes.counts.tolist() == [4] * 6
    assert task.splits().test.classes.names == tuple(f"Tengwar/character{n:02d}" for n in (1, 2, 3))
    first = task.classes.images[0, 0]
    assert first.shape == (20, 20)
    assert float(first.mean()) == pytest.approx(12 * 30 / 105**2, rel=0.01), "ink is 1"
    check_task(task)
    assert copy.deepcopy(task).classes.names == task.classes.names


def test_what_is_wrong_with_omniglots_folders_is_named(omniglot, tmp_path):
    with pytest.raises(ValueError, match="ways is 7, but there are 6 classes to train with"):
        OmniglotEpisodes(str(omniglot), ways=7)
    with pytest.raises(ValueError, match="ways is 4, but there are 3 classes to test with"):
        OmniglotEpisodes(str(omniglot), ways=4)
    with pytest.raises(ValueError, match="holds no images_background; give the folder"):
        OmniglotEpisodes(str(omniglot / "images_background"))
    bad = omniglot / "images_evaluation" / "Tengwar" / "character01" / "0001_09.png"
    bad.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"0001_09\.png cannot be read as a drawing"):
        OmniglotEpisodes(str(omniglot), ways=3, size=18)


def test_bad_arguments():
    with pytest.raises(ValueError, match="split is 'validation'; give one of 'train', 'test'"):
        Marked(split="validation")
    with pytest.raises(ValueError, match="ways is 1"):
        Marked(ways=1)
    with pytest.raises(ValueError, match="length is 0; give at least 1 images of each class"):
        Marked().sample(1, 0, seeded())
