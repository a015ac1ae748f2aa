"""Scores of reading and describing, against torchmetrics, brute force, and NumPy written from the papers."""

import math
from collections import namedtuple
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memnets_tasks.images import SceneBatch, SceneTask, TextLineBatch, TextTask, metrics

Reading = namedtuple("Reading", "text confidence weights")
Caption = namedtuple("Caption", "words confidence weights")

texts = st.text(alphabet="ab\\.é注", max_size=7)


class Lines(TextTask):
    def sample(self, batch_size, length, generator):
        raise NotImplementedError


class Pictures(SceneTask):
    def sample(self, batch_size, length, generator):
        raise NotImplementedError


def readings(*strings, weights=None):
    return [Reading(text, 1.0, weights) for text in strings]


def line_batch(*strings, boxes=None, width=40):
    boxes = torch.zeros(len(strings), 0, 2) if boxes is None else boxes
    return TextLineBatch(torch.zeros(len(strings), 1, 8, width), torch.full((len(strings),), width), strings, boxes)


@cache
def recursive_distance(a: str, b: str) -> int:
    if not a or not b:
        return len(a) + len(b)
    return min(
        recursive_distance(a[1:], b) + 1,
        recursive_distance(a, b[1:]) + 1,
        recursive_distance(a[1:], b[1:]) + (a[0] != b[0]),
    )


@given(texts, texts)
def test_edit_distance_by_recursion(a, b):
    assert metrics.edit_distance(a, b) == recursive_distance(a, b)


@given(texts, texts)
def test_matches_are_those_of_a_shortest_edit(a, b):
    pairs = metrics.matched_positions(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))
    # Between two matches everything is substituted, and what is left over inserted or deleted.
    edits, (i, j) = 0, (0, 0)
    for k, m in [*pairs, (len(a), len(b))]:
        edits += max(k - i, m - j)
        i, j = k + 1, m + 1
    assert edits == recursive_distance(a, b)


def test_agreement_with_torchmetrics():
    from torchmetrics.functional.text import char_error_rate, edit_distance

    rng = np.random.default_rng(0)
    strings = ["".join(rng.choice(list("abc d\\"), size=rng.integers(1, 30))) for _ in range(40)]
    read, written = strings[:20], strings[20:]
    expected = edit_distance(read, written, reduction="none").tolist()
    assert [metrics.edit_distance(a, b) for a, b in zip(read, written)] == expected
    assert metrics.character_error_rate(read, written) == pytest.approx(float(char_error_rate(read, written)))


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=5))
def test_line_scores(pairs):
    read, written = [a for a, _ in pairs], [b for _, b in pairs]
    edits = [recursive_distance(a, b) for a, b in pairs]
    agreement = [1.0 if a == b == "" else 1 - e / max(len(a), len(b)) for (a, b), e in zip(pairs, edits)]
    assert metrics.one_minus_ned(read, written) == pytest.approx(np.mean(agreement))
    assert metrics.word_accuracy(read, written) == pytest.approx(np.mean([a == b for a, b in pairs]))
    rate = metrics.character_error_rate(read, written)
    assert rate == pytest.approx(sum(edits) / max(1, sum(map(len, written))))


def test_two_empty_strings_agree():
    """Public code divides by the longer length, which is zero."""
    assert metrics.one_minus_ned([""], [""]) == 1
    assert metrics.one_minus_ned(["a"], [""]) == 0
    scores = Lines().scores(readings(""), line_batch(""))
    assert {name: float(value) for name, value in scores.items()} == {
        "character_error_rate": 0,
        "word_accuracy": 1,
        "one_minus_ned": 1,
    }


@pytest.mark.parametrize("text", ["a\\b", "C:\\new", "[^\\w]", "注意力机制", "Ærø Straße", "don't.", " x  y "])
def test_nothing_is_folded_or_lost_before_scoring(text):
    """Public code drops backslashes, scripts other than Latin, and the last character where no end symbol follows."""
    assert metrics.word_accuracy([text], [text]) == 1
    for i in range(len(text)):
        read = text[:i] + text[i + 1 :]
        assert metrics.edit_distance(read, text) == 1
        assert metrics.word_accuracy([read], [text]) == 0
    assert metrics.word_accuracy([text.upper()], [text]) == (text == text.upper())


def test_no_target_and_another_number():
    for score in (metrics.character_error_rate, metrics.word_accuracy, metrics.one_minus_ned, metrics.bleu):
        with pytest.raises(ValueError, match="there is nothing to score; give at least one prediction"):
            score([], [])
        with pytest.raises(ValueError, match="there are 1 predictions for 2 targets"):
            score(["a"], ["a", "b"])


class TestAlignment:
    boxes = torch.tensor([[0.0, 4.0], [10.0, 18.0], [20.0, 26.0]])  # centres 2, 14, 23; mean width 6

    def test_distance_in_widths_of_a_glyph(self):
        weights = torch.zeros(3, 10)  # one column is four pixels: centres 2, 6, ..., 38
        weights[0, 0] = 1.0
        weights[1, 3:5] = 0.25  # not normalised: pixels 14 and 18, centre 16
        weights[2, 9] = 1.0
        errors = metrics.alignment_errors("abc", "abc", weights, self.boxes, 40)
        assert errors == pytest.approx([0, 2 / 6, 15 / 6])

    def test_a_last_column_that_the_image_cuts_moves_no_other(self):
        """81 pixels are 21 columns of 4; taken for 21 even ones, the last would lie 3 pixels to the left."""
        weights = torch.zeros(1, 21)
        weights[0, 20] = 1.0
        assert metrics.alignment_errors("a", "a", weights, torch.tensor([[78.0, 86.0]]), 81) == [0]

    def test_only_characters_read_correctly_count_also_after_one_too_many(self):
        weights = torch.eye(4, 10)  # pixels 2, 6, 10, 14
        errors = metrics.alignment_errors("xabz", "abc", weights, self.boxes, 40)
        assert errors == pytest.approx([4 / 6, 4 / 6])  # "a" at 6 for 2, "b" at 10 for 14

    def test_the_last_character_counts_without_a_row_for_an_end_symbol(self):
        weights = torch.eye(3, 10)
        assert len(metrics.alignment_errors("abc", "abc", weights, self.boxes, 40)) == 3
        assert len(metrics.alignment_errors("abc", "abc", torch.eye(4, 10), self.boxes, 40)) == 3

    def test_unknown_boxes_and_empty_rows_are_left_out(self):
        boxes = self.boxes.clone()
        boxes[1] = math.nan
        weights = torch.eye(3, 10)
        weights[2] = 0
        assert metrics.alignment_errors("abc", "abc", weights, boxes, 40) == pytest.approx([0.0])
        assert metrics.alignment_errors("abc", "abc", weights, torch.zeros(0, 2), 40) == []

    def test_shapes(self):
        with pytest.raises(ValueError, match=r"weights have shape \(3,\)"):
            metrics.alignment_errors("abc", "abc", torch.ones(3), self.boxes, 40)


class TestTextTask:
    def test_a_corpus_is_no_mean_of_batches(self):
        task = Lines()
        pairs = [(readings("ab"), line_batch("xy")), (readings("abcdefgh"), line_batch("abcdefgh"))]
        scores = task.corpus_scores(pairs)
        assert float(scores["character_error_rate"]) == pytest.approx(2 / 10)
        assert float(scores["word_accuracy"]) == 0.5
        assert next(iter(scores)) == "character_error_rate"
        assert all(value.dtype == torch.float32 and value.shape == () for value in scores.values())

    def test_errors_of_each_line(self):
        errors = Lines().errors(readings("abc", "", "xyz"), line_batch("abd", "ab", ""))
        assert errors.dtype == torch.float32
        assert errors.tolist() == pytest.approx([1 / 3, 1, 3])

    def test_alignment_is_there_where_it_can_be_measured(self):
        boxes = torch.tensor([[[0.0, 4.0], [10.0, 18.0]]])
        read = readings("ab", weights=torch.eye(2, 10))
        scores = Lines().scores(read, line_batch("ab", boxes=boxes))
        assert float(scores["alignment_error"]) == pytest.approx((0 + 8 / 6) / 2)
        assert "alignment_error" not in Lines().scores(read, line_batch("ab"))
        assert "alignment_error" not in Lines().scores(readings("ab"), line_batch("ab", boxes=boxes))

    def test_another_number_of_predictions(self):
        with pytest.raises(ValueError, match="there are 1 predictions for a batch of 2; give one for each image"):
            Lines().scores(readings("a"), line_batch("a", "b"))
        with pytest.raises(ValueError, match="there are 1 predictions for a batch of 2"):
            Lines().errors(readings("a"), line_batch("a", "b"))
        with pytest.raises(ValueError, match="there is nothing to score"):
            Lines().corpus_scores([])


def cider_by_matrices(predictions: list[list[str]], references: list[list[str]]) -> float:
    """Vedantam et al. 2015: equation 1 as dense vectors over all n-grams, then equations 2, 3 and section 6.

    Frequencies are counts, as in the authors' code: clipping compares how often an n-gram is said, whatever the
    captions' lengths.
    """
    images = len(references)
    scores = np.zeros((images, 4))
    for n in range(1, 5):

        def grams(words, n=n):
            return [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]

        captions = [*predictions, *(caption.split() for captions in references for caption in captions)]
        everything = sorted({gram for words in captions for gram in grams(words)})
        place = {g: i for i, g in enumerate(everything)}
        inside = np.zeros((images, len(everything)))
        for image, captions in enumerate(references):
            for caption in captions:
                for gram in grams(caption.split()):
                    inside[image, place[gram]] = 1
        idf = np.log(images) - np.log(np.maximum(1, inside.sum(axis=0)))

        def vector(words, n=n, grams=grams, place=place, idf=idf):
            counts = np.zeros(len(idf))
            for gram in grams(words, n):
                counts[place[gram]] += 1
            return counts * idf

        for image, captions in enumerate(references):
            c = predictions[image]
            for caption in captions:
                s = caption.split()
                h_c, h_s = vector(c), vector(s)
                norms = np.linalg.norm(h_c) * np.linalg.norm(h_s)
                if norms:
                    similarity = np.minimum(h_c, h_s) @ h_s / norms
                    penalty = np.exp(-((len(c) - len(s)) ** 2) / (2 * 6.0**2))
                    scores[image, n - 1] += 10 * penalty * similarity / len(captions)
    return float(scores.mean(axis=1).mean())


def corpus(seed: int, images: int = 6) -> tuple[list[list[str]], list[list[str]]]:
    rng = np.random.default_rng(seed)
    words = ["a", "red", "blue", "circle", "square", "left", "of", "above", "small", "the"]

    def caption():
        return [str(word) for word in rng.choice(words, size=rng.integers(1, 9))]

    references = [[" ".join(caption()) for _ in range(rng.integers(1, 4))] for _ in range(images)]
    predictions = [captions[0].split()[: rng.integers(1, 9)] + caption()[:2] for captions in references]
    return predictions, references


class TestCider:
    @pytest.mark.parametrize("seed", range(6))
    def test_matrices(self, seed):
        predictions, references = corpus(seed)
        expected = cider_by_matrices(predictions, references)
        assert expected > 0.1
        assert metrics.cider(predictions, references) == pytest.approx(expected, rel=1e-9)

    def test_pycocoevalcap(self):
        module = pytest.importorskip("pycocoevalcap.cider.cider")
        predictions, references = corpus(3)
        score, _ = module.Cider().compute_score(
            dict(enumerate(references)), {i: [" ".join(words)] for i, words in enumerate(predictions)}
        )
        assert metrics.cider(predictions, references) == pytest.approx(score, rel=1e-6)

    def test_perfect_captions_reach_ten(self):
        references = [["a red circle lies here"], ["two blue squares stand there"]]
        assert metrics.cider([r[0].split() for r in references], references) == pytest.approx(10)

    def test_repeating_a_rare_word_gains_nothing(self):
        """What section 6 of the paper clips: CIDEr without D can be fooled so."""
        references = [["a red circle here"], ["a blue square there"]]
        once = metrics.cider([["a", "red", "circle", "here"], ["x"]], references)
        often = metrics.cider([["red"] * 4, ["x"]], references)
        assert often < once / 4

    def test_one_image_alone_scores_zero(self):
        assert metrics.cider([["a", "b"]], [["a b"]]) == 0

    def test_errors(self):
        with pytest.raises(ValueError, match="there are 1 predictions for 2 images"):
            metrics.cider([["a"]], [["a"], ["b"]])
        with pytest.raises(ValueError, match="image 1 has no reference caption"):
            metrics.cider([["a"], ["b"]], [["a"], []])


def bleu_by_hand(predictions, references, order):
    """Papineni et al. 2002, section 2.3: BP exp(sum_n log p_n / N), modified precisions over the corpus."""
    matched, total = np.zeros(order), np.zeros(order)
    ours = theirs = 0
    for words, captions in zip(predictions, references):
        captions = [c.split() for c in captions]
        ours += len(words)
        theirs += min((abs(len(c) - len(words)), len(c)) for c in captions)[1]
        for n in range(1, order + 1):
            grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
            total[n - 1] += len(grams)
            for gram in set(grams):
                most = max(sum(tuple(c[i : i + n]) == gram for i in range(len(c))) for c in captions)
                matched[n - 1] += min(grams.count(gram), most)
    if not matched.all():
        return 0.0
    return math.exp(min(0, 1 - theirs / ours)) * math.exp(np.log(matched / total).mean())


@pytest.mark.parametrize("seed", range(4))
def test_bleu(seed):
    predictions, references = corpus(seed, images=12)
    expected = [bleu_by_hand(predictions, references, n) for n in range(1, 5)]
    assert metrics.bleu(predictions, references) == pytest.approx(expected, abs=1e-5)


def test_of_two_references_as_near_the_shorter_says_how_long_a_caption_should_be():
    """As in the paper's own scripts, whatever the order in which they stand."""
    for references in (["a b c d", "a b"], ["a b", "a b c d"]):
        assert metrics.bleu([["a", "b", "c"]], [references])[0] == pytest.approx(1.0)


def test_bleu_of_captions_without_a_word():
    assert metrics.bleu([[], []], [["a b"], ["c"]]) == (0.0,) * 4
    assert metrics.bleu([[], ["c"]], [["a b"], ["c"]])[0] > 0


class TestSceneTask:
    captions = (("a red circle", "there is a red circle"), ("a blue square",))
    boxes = ({"circle": (0.0, 0.0, 8.0, 8.0)}, {"square": (8.0, 8.0, 16.0, 16.0)})
    batch = SceneBatch(torch.zeros(2, 3, 16, 16), captions, boxes)

    def said(self, *captions, weights=None):
        return [Caption(tuple(caption.split()), 1.0, weights) for caption in captions]

    def test_exact_to_any_reference(self):
        predictions = self.said("there is a red circle", "a blue")
        assert Pictures().errors(predictions, self.batch).tolist() == [0, 1]
        scores = Pictures().scores(predictions, self.batch)
        assert float(scores["exact_match"]) == 0.5
        assert list(scores) == ["bleu1", "bleu2", "bleu3", "bleu4", "cider", "exact_match"]

    def test_pointing(self):
        weights = torch.zeros(3, 4, 4)  # a cell is four pixels
        weights[2, 1, 1] = 1.0  # the middle of the cell is at (6, 6)
        scores = Pictures().scores(self.said("a red circle", "a blue square", weights=weights), self.batch)
        assert float(scores["pointing_accuracy"]) == 0.5
        hits = metrics.pointing_hits(("circle",), weights[2:], {"circle": (0, 0, 5, 8)}, (16, 16))
        assert hits == [False]

    def test_rows_and_columns_are_not_mixed_up(self):
        weights = torch.zeros(1, 2, 8)
        weights[0, 1, 0] = 1.0  # x 1, y 12 of 16 by 16
        assert metrics.pointing_hits(("dot",), weights, {"dot": (0, 8, 2, 16)}, (16, 16)) == [True]
        assert metrics.pointing_hits(("dot",), weights, {"dot": (8, 0, 16, 2)}, (16, 16)) == [False]
        with pytest.raises(ValueError, match=r"weights have shape \(1, 16\)"):
            metrics.pointing_hits(("dot",), weights.flatten(1), {}, (16, 16))

    def test_cider_of_a_corpus_uses_all_its_batches(self):
        halves = [
            SceneBatch(self.batch.images[i : i + 1], self.captions[i : i + 1], self.boxes[i : i + 1]) for i in (0, 1)
        ]
        predictions = self.said("a red circle", "a blue square")
        whole = Pictures().scores(predictions, self.batch)
        parts = Pictures().corpus_scores([([p], half) for p, half in zip(predictions, halves)])
        assert {k: float(v) for k, v in parts.items()} == {k: float(v) for k, v in whole.items()}
        assert float(whole["cider"]) > 1
        assert float(Pictures().scores([predictions[0]], halves[0])["cider"]) == 0

    def test_another_number_of_predictions(self):
        with pytest.raises(ValueError, match="there are 1 predictions for a batch of 2"):
            Pictures().scores(self.said("a"), self.batch)
        with pytest.raises(ValueError, match="there are 3 predictions for a batch of 2"):
            Pictures().errors(self.said("a", "b", "c"), self.batch)


def test_batches_move_and_are_cut_for_several_processes():
    batch = line_batch("a", "b", "c").to("cpu")
    half = batch.shard(1, 2)
    assert (len(batch), len(half)) == (3, 1)
    assert half.texts == ("b",)
    assert half.images.shape == (1, 1, 8, 40)
    scene = TestSceneTask.batch.to("cpu")
    half = scene.shard(0, 2)
    assert half.captions == TestSceneTask.captions[:1]
    assert half.boxes == TestSceneTask.boxes[:1]
    assert line_batch("a").to("meta").boxes.device.type == scene.to("meta").images.device.type == "meta"
