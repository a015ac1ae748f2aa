"""Type made to look like that of other fonts: strokes against loops, bending by where dots go."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memnets_tasks import TextLines
from memnets_tasks.images import font_augmentation as module
from memnets_tasks.images.font_augmentation import augment_strokes, is_tall_sign, lift
from memnets_tasks.images.fonts import PRINTABLE, find_fonts
from memnets_tasks.images.glyphs import GlyphCache


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weigh(row: np.ndarray, amount: float) -> np.ndarray:
    """A row of ink, its strokes' edges moved outwards, or inwards for an amount below zero."""
    out = row.copy()
    for i in range(len(row)):
        near = row[max(0, i - 1) : i + 2]
        wanted = near.max() if amount > 0 else near.min()
        out[i] += abs(amount) * (wanted - row[i])
    return out


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3), st.integers(3, 9), st.integers(1, 12), st.floats(0.1, 2), st.integers(0, 99))
def test_strokes_by_loops(batch, height, width, strength, seed):
    ink = torch.rand(batch, 1, height, width, generator=seeded(seed))
    drawn = torch.rand(2, batch, 1, 1, 1, generator=seeded(seed + 1)).double().numpy()
    amounts = np.clip(strength * (module.WEIGHT[0] + np.ptp(module.WEIGHT) * drawn), -1, 1).reshape(2, batch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SHIFT", 0.0)
        found = augment_strokes(ink, strength, seeded(seed + 1)).double().numpy()
    for b in range(batch):
        rows = np.array([weigh(row, amounts[0, b]) for row in ink[b, 0].double().numpy()])
        expected = np.array([weigh(column, amounts[1, b]) for column in rows.T]).T
        np.testing.assert_allclose(found[b, 0], expected, atol=1e-5)


def test_nothing_without_strength():
    ink, generator = torch.rand(2, 1, 8, 20, generator=seeded()), seeded(1)
    before = generator.get_state()
    assert augment_strokes(ink, 0.0, generator) is ink
    assert torch.equal(generator.get_state(), before)


def test_dots_move_a_little_and_not_together(monkeypatch):
    """A dot every 20 columns: where its ink's middle went is at most the reach of the field, and some way."""
    monkeypatch.setattr(module, "WEIGHT", (0.0, 0.0))
    ink = torch.zeros(64, 1, 32, 160)
    for x in range(10, 160, 20):
        ink[:, 0, 14:18, x - 2 : x + 2] = 1
    found = augment_strokes(ink, 1.0, seeded(3))[:, 0].double().numpy()
    rows, columns = np.mgrid[:32, :160] + 0.5
    moved = []
    for x in range(10, 160, 20):
        part = found[:, :, x - 10 : x + 10]
        total = part.sum((1, 2))
        moved.append([(part * grid[:, x - 10 : x + 10]).sum((1, 2)) / total for grid in (columns - x, rows - 16)])
    steps = np.array(moved)  # (8, 2, 64)
    reach = module.SHIFT * 32
    assert np.abs(steps).max() < 1.3 * reach  # the cubic may pass its knots
    assert (np.abs(steps).max(axis=(0, 2)) > 0.3 * reach).all()
    assert (steps.std(axis=0).max(axis=1) > 0.1 * reach).all()


def test_the_same_seed_gives_the_same_and_others_others():
    ink = torch.rand(2, 1, 16, 40, generator=seeded())
    assert torch.equal(augment_strokes(ink, 1.0, seeded(1)), augment_strokes(ink, 1.0, seeded(1)))
    assert not torch.equal(augment_strokes(ink, 1.0, seeded(1)), augment_strokes(ink, 1.0, seeded(2)))


def test_boxes_still_hold_their_characters():
    """Ink may leave its box by the bend and the bolder stroke, and no more."""
    plain = {"blur": 0.0, "noise": 0.0, "backgrounds": False, "distortion": 0.0}
    batch = TextLines(restyle=1.0, **plain).sample(60, 1, seeded(5))
    for image, width, (left, right) in zip(1 - batch.images[:, 0], batch.widths, batch.boxes[:, 0].tolist()):
        columns = image[:, :width].amax(0).numpy()
        assert columns.max() > 0.3  # thin strokes grow pale, and stay
        inked = np.flatnonzero(columns > columns.max() / 2)
        assert left - 3 < inked.min()
        assert inked.max() < right + 3


def test_strokes_grow_past_the_edges_of_their_line(monkeypatch):
    """A row of dashes reaches the line's own ends, where a bolder stroke needs room."""
    plain = {"blur": 0.0, "noise": 0.0, "backgrounds": False, "distortion": 0.0}
    for name, value in (("WEIGHT", (1.0, 1.0)), ("SHIFT", 0.0)):
        monkeypatch.setattr(module, name, value)
    for name in ("WIDER", "TALLER"):
        monkeypatch.setattr("memnets_tasks.images.text_lines." + name, (0.0, 0.0))
    thin, bold = (TextLines(restyle=amount, charset="H", **plain).sample(20, 1, seeded(5)) for amount in (1e-9, 1.0))
    for one, other, width in zip(thin.images, bold.images, thin.widths):
        ends = []
        for image in (one, other):
            inked = np.flatnonzero((1 - image[0, :, :width]).amax(0).numpy() > 0.3)
            ends.append((inked.min(), inked.max()))
        assert ends[1][0] < ends[0][0] < ends[0][1] < ends[1][1]


def glyph_of(character: str):
    cache, font = GlyphCache(), find_fonts(None, character)[0]
    return cache.glyph(font.path, 40, character)


def test_bars_and_brackets_are_tall_signs_and_letters_and_commas_are_not():
    signs = {c for c in PRINTABLE if is_tall_sign(c, glyph_of(c), 40)}
    assert set("|/\\()[]{}$") <= signs
    assert not signs & set("gpqyQ17,.;:_-+*'\"")


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_lifted_bar_keeps_its_top_and_what_ink_it_has_in_a_row(share):
    bar = glyph_of("|")
    depth = bar.top + len(bar.ink)
    assert depth > 5
    lifted = lift(bar, share)
    assert (lifted.top, lifted.left, lifted.advance) == (bar.top, bar.left, bar.advance)
    assert lifted.top + len(lifted.ink) == round(share * depth)
    middle = len(bar.ink) // 2
    np.testing.assert_allclose(lifted.ink[len(lifted.ink) // 2], bar.ink[middle], atol=1)


def test_only_augmented_lines_have_lifted_signs():
    """At strength 1 a bar's depth is anything from none to whole; at 0 always whole."""
    depths = {}
    for strength in (0.0, 1.0):
        task = TextLines(restyle=strength, charset="|", fonts=[find_fonts(None, "|")[0].path], held_out_family=None)
        random = np.random.default_rng(0)
        found = [task._line("|", random) for _ in range(100)]
        depths[strength] = [line.boxes[0, 3] - line.boxes[0, 1] for line in found]
    assert min(depths[1.0]) < 0.85 * min(depths[0.0])
    assert max(depths[1.0]) > 0.9 * max(depths[0.0])


def test_tall_lines_have_room_to_bend_into(monkeypatch):
    """What is moved past the edges of the ink is lost, and points move by a share of the height."""
    seen = []
    monkeypatch.setattr("memnets_tasks.images.text_lines.augment_strokes", lambda ink, *_: seen.append(ink) or ink)
    TextLines(height=160, restyle=1.0, charset="H").sample(4, 3, seeded())
    most = round(module.SHIFT * 160)
    assert not seen[0][..., :most].any()
    assert not seen[0][:, :, :most].any()
    assert not seen[0][:, :, -most:].any()


def test_widths_differ_more_and_tests_keep_their_type():
    task = TextLines(words="mixed", restyle=1.0)
    straight = TextLines(words="mixed", restyle=0.0)
    widths = [[int(w) for w in one.sample(200, 12, seeded(2)).widths] for one in (task, straight)]
    assert np.std(widths[0]) / np.mean(widths[0]) > 1.2 * np.std(widths[1]) / np.mean(widths[1])
    one, two = task.splits(), straight.splits()
    assert task not in one[:2]
    for kept, other in (*zip(one[:2], two[:2]), (one.unseen["unseen font"], two.unseen["unseen font"])):
        assert torch.equal(kept.sample(4, 6, seeded()).images, other.sample(4, 6, seeded()).images)


def test_a_strength_below_zero():
    with pytest.raises(ValueError, match=r"restyle is -0.5; give a number of at least 0"):
        TextLines(restyle=-0.5)
