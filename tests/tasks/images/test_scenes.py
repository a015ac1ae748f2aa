"""Scenes: what is drawn, where, and whether the captions are true of the pixels."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memnets_tasks import Scenes
from memnets_tasks.images import scenes as module
from memnets_tasks.images.sentences import Shape, captions, relation
from memnets_tasks.images.shapes import COLOURS, SHAPES, draw_shapes

OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def phrases(caption: str) -> list[str]:
    """Noun phrases and relations in turn: "a red circle", "left of", "a blue square"."""
    parts, words = [], caption.removeprefix("there is ").split()
    while words:
        size = 4 if words[0] == "a" and words[1] in ("small", "large") else 3
        size = size if words[0] == "a" else 2 if words[0] in ("left", "right") else 1
        parts.append(" ".join(words[:size]))
        words = words[size:]
    return parts


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.sampled_from(["train", "test", "held-out"]),
    st.integers(0, 99),
)
def test_batch(lengths, split, seed):
    task = Scenes(size=48, split=split)
    batch = task.sample(len(lengths), torch.tensor(lengths), seeded(seed))
    assert batch.images.shape == (len(lengths), 3, 48, 48)
    assert batch.images.dtype == torch.float32
    assert batch.images.min() >= 0
    assert batch.images.max() <= 1
    for n, references, boxes in zip(lengths, batch.captions, batch.boxes):
        assert len(references) == len(set(references)) >= 4
        for caption in references:
            parts = phrases(caption)
            assert len(parts[::2]) == n
            assert all(part in OPPOSITE for part in parts[1::2])
            assert set(caption.split()) <= set(task.vocabulary)
            pairs = {tuple(part.split()[-2:]) for part in parts[::2]}
            assert bool(pairs & module.held_out_pairs()) == (split == "held-out")
        kinds = [part.split()[-1] for part in phrases(references[0])[::2]]
        assert set(boxes) == {kind for kind in kinds if kinds.count(kind) == 1}
        for x0, y0, x1, y1 in boxes.values():
            assert 0 < x0 < x1 < 48
            assert 0 < y0 < y1 < 48


def nearest_colour(pixels: np.ndarray) -> np.ndarray:
    """For each pixel `(n, 3)` the colour of a shape that it has, or -1."""
    distances = np.abs(pixels[:, None] - np.array(list(COLOURS.values()))[None]).max(axis=2)
    return np.where(distances.min(axis=1) < 0.16, distances.argmin(axis=1), -1)


def test_captions_are_true_of_the_pixels():
    """Each colour's pixels, found without the boxes, lie as the caption says and where the boxes are."""
    batch = Scenes(noise=0.0).sample(40, 2, seeded())
    names, seen = list(COLOURS), 0
    for image, references, boxes in zip(batch.images.double(), batch.captions, batch.boxes):
        first, link, second = phrases(references[0])
        (c1, k1), (c2, k2) = first.split()[-2:], second.split()[-2:]
        if c1 == c2 or k1 == k2:
            continue
        seen += 1
        found = nearest_colour(image.permute(1, 2, 0).reshape(-1, 3).numpy()).reshape(64, 64)
        centres = []
        for colour, kind in ((c1, k1), (c2, k2)):
            rows, columns = np.nonzero(found == names.index(colour))
            x0, y0, x1, y1 = boxes[kind]
            inside = (columns + 1 > x0) & (columns < x1) & (rows + 1 > y0) & (rows < y1)
            assert inside.mean() > 0.95
            assert np.ptp(columns) > 0.45 * (x1 - x0)
            centres.append((columns.mean(), rows.mean()))
        (ax, ay), (bx, by) = centres
        truth = {"left of": ax < bx, "right of": ax > bx, "above": ay < by, "below": ay > by}
        assert truth[link]
        assert link in (("left of", "right of") if abs(ax - bx) > abs(ay - by) else ("above", "below"))
    assert seen > 20


def test_shapes_do_not_touch_and_are_small_or_large():
    random = np.random.default_rng(0)
    task = Scenes()
    for _ in range(200):
        scene = task._scene(4, random)
        for a, b in itertools.combinations(scene, 2):
            assert max(abs(a.x - b.x), abs(a.y - b.y)) > a.radius + b.radius + 2
            assert relation(a, b) == OPPOSITE[str(relation(b, a))]
        for shape in scene:
            low, high = (0.08, 0.1) if shape.size == "small" else (0.15, 0.17)
            assert low * 64 <= shape.radius <= high * 64
            assert shape.radius + 1 <= shape.x <= 63 - shape.radius
            assert shape.radius + 1 <= shape.y <= 63 - shape.radius


def test_drawing_fills_the_shape_and_its_box_only():
    black = torch.zeros(len(SHAPES), 3, 64, 64)
    kinds = torch.arange(len(SHAPES)).unsqueeze(1)
    count = len(SHAPES)
    images = draw_shapes(
        kinds, torch.ones(count, 1, 3), torch.tensor([[[30.0, 34.0]]] * count), torch.full((count, 1), 20.0), black
    )
    areas = {name: float(image[0].sum()) for name, image in zip(SHAPES, images)}
    r = 20.0
    expected = {
        "circle": np.pi * (0.95 * r) ** 2,
        "square": (2 * 0.82 * r) ** 2,
        "triangle": 0.5 * 1.8 * r * 1.8 * r,
        "diamond": 2 * r * r / 1.5,
        "cross": 4 * r * r * (2 * 0.95 * 0.32 - 0.32**2),
        "ring": np.pi * r * r * (0.95**2 - 0.49**2),
    }
    for name, area in expected.items():
        assert areas[name] == pytest.approx(area, rel=0.02), name
    outside = torch.ones(64, 64, dtype=torch.bool)
    outside[14:54, 10:50] = False
    assert not images[:, :, outside].any()
    triangle = images[list(SHAPES).index("triangle"), 0]
    assert triangle[:34].sum() < triangle[34:].sum(), "it stands on its base"


def test_a_shape_that_is_not_there_leaves_the_background():
    background = torch.rand(1, 3, 48, 48, generator=seeded())
    none = draw_shapes(
        torch.tensor([[-1]]), torch.ones(1, 1, 3), torch.full((1, 1, 2), 24.0), torch.full((1, 1), 9.0), background
    )
    assert torch.equal(none, background)


def test_captions_of_two():
    scene = [Shape("small", "red", "circle", 10, 30, 5), Shape("large", "blue", "square", 50, 32, 10)]
    assert captions(scene) == (
        "a red circle left of a blue square",
        "a blue square right of a red circle",
        "a small red circle left of a large blue square",
        "a large blue square right of a small red circle",
        "there is a red circle left of a blue square",
        "there is a blue square right of a red circle",
        "there is a small red circle left of a large blue square",
        "there is a large blue square right of a small red circle",
    )
    assert relation(scene[0], scene[1]._replace(x=12, y=60)) == "above"
    assert relation(scene[0], scene[1]._replace(x=40, y=60)) is None


def test_held_out_pairs_take_no_colour_and_no_shape_from_training():
    pairs = module.held_out_pairs()
    assert len(pairs) == 6
    assert {colour for colour, _ in pairs} == set(COLOURS)
    assert {kind for _, kind in pairs} == set(SHAPES)
    said = " ".join(c[0] for seed in range(6) for c in Scenes().sample(32, 3, seeded(seed)).captions)
    assert all(f"{colour} {kind}" not in said for colour, kind in pairs)
    assert all(f"{c} {k}" in said for c in COLOURS for k in SHAPES if (c, k) not in pairs)


def test_a_function_of_the_generator_alone():
    random = seeded(4)
    first, second = Scenes().sample(3, 2, random), Scenes().sample(3, 2, random)
    again = Scenes().sample(3, 2, seeded(4))
    assert torch.equal(first.images, again.images)
    assert first.captions == again.captions != second.captions
    assert first.boxes == again.boxes


def test_perfect_and_wrong_captions():
    from collections import namedtuple

    caption = namedtuple("Caption", "words confidence weights")
    task = Scenes()
    batch = task.sample(6, 3, seeded())
    right = [caption(tuple(references[-1].split()), 1.0, None) for references in batch.captions]
    wrong = [caption((*p.words[:-1], "of"), 1.0, None) for p in right]
    assert task.errors(right, batch).sum() == 0
    assert task.errors(wrong, batch).sum() == 6
    scores = task.scores(right, batch)
    assert float(scores["bleu4"]) == pytest.approx(1)
    assert float(scores["cider"]) > float(task.scores(wrong, batch)["cider"]) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 40}, "size is 40; give a whole number of at least 48"),
        ({"split": "val"}, "split is 'val'; give one of 'train', 'test', 'held-out'"),
        ({"noise": -0.1}, "noise is -0.1"),
        ({"max_length": 5}, "a length is 5 shapes; give at most 4"),
        ({"evaluation_lengths": (2, 6)}, "a length is 6 shapes; give at most 4"),
    ],
)
def test_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Scenes(**arguments)


def test_sample_arguments():
    with pytest.raises(ValueError, match="length is 5; give at most 4 shapes"):
        Scenes().sample(1, 5, seeded())
    with pytest.raises(ValueError, match="length is 0; give at least 1 shapes"):
        Scenes().sample(1, 0, seeded())
