"""CTC against a count of all paths, prefix beam search against all texts, and targets of columns from boxes."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from memnets.decoding.ctc import ctc_loss, greedy_decode, log_likelihood, needed_columns, prefix_beam_decode
from memnets.decoding.loss import column_targets, pad_classes


def collapse(path):
    merged = [symbol for n, symbol in enumerate(path) if n == 0 or symbol != path[n - 1]]
    return tuple(symbol for symbol in merged if symbol)


def all_texts(log_probs):
    """Each text's probability, path by path: log_probs (C, V)."""
    columns, classes = log_probs.shape
    texts = {}
    for path in itertools.product(range(classes), repeat=columns):
        probability = np.exp(sum(log_probs[c, symbol] for c, symbol in enumerate(path)))
        texts[collapse(path)] = texts.get(collapse(path), 0.0) + probability
    return texts


def lines(seed, classes=3, columns=5, batch_size=3, sharpness=1.5):
    random = np.random.default_rng(seed)
    scores = torch.from_numpy(random.standard_normal((batch_size, columns, classes)) * sharpness)
    return torch.log_softmax(scores, 2), torch.from_numpy(random.integers(1, columns + 1, size=batch_size))


@given(seed=st.integers(0, 999))
def test_likelihoods_are_sums_over_all_paths(seed):
    log_probs, counts = lines(seed)
    targets = [(), (1,), (2, 2), (1, 2, 1), (2,), (1, 1, 2)]
    for text in targets:
        classes, lengths = pad_classes([text] * 3)
        found = log_likelihood(log_probs, counts, classes, lengths)
        for b, count in enumerate(counts.tolist()):
            expected = all_texts(log_probs[b, :count].numpy()).get(text, 0.0)
            np.testing.assert_allclose(found[b].exp().item(), expected, rtol=1e-6)


@given(seed=st.integers(0, 999), sharpness=st.sampled_from([0.3, 1.5, 6.0]))
def test_a_wide_prefix_beam_finds_every_text_and_its_probability(seed, sharpness):
    log_probs, counts = lines(seed, sharpness=sharpness)
    for b, found in enumerate(prefix_beam_decode(log_probs, counts, beam_size=70)):
        expected = all_texts(log_probs[b, : counts[b]].numpy())
        assert len(found) == len({text for text, _ in found}) == len(expected)
        assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)
        for text, log_probability in found:
            np.testing.assert_allclose(np.exp(log_probability), expected[text], rtol=1e-6)


@given(seed=st.integers(0, 999), beam_size=st.integers(1, 6))
def test_a_narrow_prefix_beam_against_a_plain_one(seed, beam_size):
    """Hannun et al. 2014, algorithm 1, prefix by prefix in probabilities."""
    log_probs, counts = lines(seed, classes=4, columns=7)
    for b, found in enumerate(prefix_beam_decode(log_probs, counts, beam_size=beam_size)):
        beam = {(): (1.0, 0.0)}  # prefix to the probabilities of ending in a blank and in its last class
        for column in np.exp(log_probs[b, : counts[b]].numpy()):
            after = {}
            for prefix, (blank, symbol) in beam.items():
                own = after.setdefault(prefix, [0.0, 0.0])
                own[0] += (blank + symbol) * column[0]
                if prefix:
                    own[1] += symbol * column[prefix[-1]]
                for k in range(1, 4):
                    grown = after.setdefault((*prefix, k), [0.0, 0.0])
                    grown[1] += (blank if prefix and prefix[-1] == k else blank + symbol) * column[k]
            beam = dict(sorted(after.items(), key=lambda item: -sum(item[1]))[:beam_size])
        np.testing.assert_allclose([np.exp(p) for _, p in found], [sum(p) for p in beam.values()], rtol=1e-6)
        assert [text for text, _ in found] == list(beam)


@given(seed=st.integers(0, 999))
def test_greedy_takes_the_best_path(seed):
    log_probs, counts = lines(seed, columns=8)
    for b, text in enumerate(greedy_decode(log_probs, counts)):
        assert text == collapse(log_probs[b, : counts[b]].argmax(1).tolist())


def test_padding_columns_are_not_read():
    log_probs, _ = lines(0, columns=9, batch_size=1)
    short = log_probs[:, :4]
    assert greedy_decode(log_probs, torch.tensor([4])) == greedy_decode(short, torch.tensor([4]))
    assert prefix_beam_decode(log_probs, torch.tensor([4])) == prefix_beam_decode(short, torch.tensor([4]))


def test_infeasible_lines_are_counted_and_not_set_to_zero():
    """``zero_infinity`` would count them as lines that are read without a loss."""
    log_probs, _ = lines(0, columns=3)
    log_probs.requires_grad_()
    classes, lengths = pad_classes([(1, 2), (1, 1), (1, 2, 1, 2)])
    assert needed_columns(classes, lengths).tolist() == [2, 3, 4]
    loss, infeasible = ctc_loss(log_probs, torch.tensor([3, 2, 3]), classes, lengths)
    assert infeasible == 2
    expected = -np.log(all_texts(log_probs[0].detach().numpy())[(1, 2)]) / 2
    np.testing.assert_allclose(loss.item(), expected)
    loss.backward()
    assert log_probs.grad is not None
    assert log_probs.grad[0].any()
    assert not log_probs.grad[1:].any()


def test_a_batch_without_a_feasible_line_has_a_loss_of_zero_and_says_so():
    log_probs, _ = lines(0, columns=2)
    log_probs.requires_grad_()
    loss, infeasible = ctc_loss(log_probs, torch.tensor([2, 2, 2]), *pad_classes([(1, 1)] * 3))
    assert (loss.item(), int(infeasible)) == (0, 3)
    loss.backward()
    assert log_probs.grad is not None
    assert not log_probs.grad.any()


def test_the_loss_is_a_mean_over_characters():
    log_probs, _ = lines(1)
    counts, texts = torch.tensor([5, 5, 5]), [(1, 2), (), (2,)]
    total = -log_likelihood(log_probs, counts, *pad_classes(texts)).sum()
    torch.testing.assert_close(ctc_loss(log_probs, counts, *pad_classes(texts)).loss, total / 3)


def test_columns_belong_to_the_middle_of_their_character():
    nan = float("nan")
    boxes = torch.tensor([[[0.0, 8], [8, 16], [16, 18]], [[4, 12], [nan, nan], [nan, nan]]])
    classes, lengths = torch.tensor([[1, 1, 2], [3, 1, 0]]), torch.tensor([3, 2])
    targets = column_targets(boxes, classes, lengths, torch.tensor([10, 7]), 2.0)
    assert targets[0].tolist() == [0, 1, 1, 0, 0, 1, 1, 0, 2, 0]
    assert targets[1].tolist() == [-100, -100, -100, 3, 3, -100, -100, -100, -100, -100]


@given(seed=st.integers(0, 999), pixels=st.sampled_from([1.0, 2.0, 4.0]))
def test_every_known_character_has_a_column_and_reading_the_columns_gives_the_text(seed, pixels):
    random = np.random.default_rng(seed)
    widths = random.integers(3 * pixels, 6 * pixels + 1, size=(1, 5))
    edges = np.cumsum(np.concatenate([[0], widths[0]])).astype(np.float32)
    boxes = torch.from_numpy(np.stack([edges[:-1], edges[1:]], 1))[None]
    classes = torch.from_numpy(random.integers(1, 3, size=(1, 5)))
    count = torch.tensor([int(np.ceil(edges[-1] / pixels))])
    targets = column_targets(boxes, classes, torch.tensor([5]), count, pixels)
    one_hot = torch.nn.functional.one_hot(targets, 3).double().log()
    assert greedy_decode(one_hot, count) == [tuple(classes[0].tolist())]


def test_the_places_of_columns_do_not_hang_on_the_default_precision():
    """A trainer sets it, to bfloat16 for one, which has no 300.5."""
    boxes = torch.arange(0, 2400, 8.0).view(1, 300, 1) + torch.tensor([0.0, 7.0])
    given = boxes, torch.ones(1, 300, dtype=torch.long), torch.tensor([300]), torch.tensor([1200]), 2.0
    expected = column_targets(*given)
    default = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.bfloat16)
        assert torch.equal(column_targets(*given), expected)
    finally:
        torch.set_default_dtype(default)


@pytest.mark.parametrize("order", [[2, 1, 0], [0, 1, 2, 0, 1, 2]])
def test_columns_taught_by_boxes_are_the_same_in_any_order_of_reading(order):
    boxes, classes = torch.tensor([[[0.0, 8], [10, 18], [20, 24]]]), torch.tensor([[3, 1, 2]])
    counts = torch.tensor([14])
    forward = column_targets(boxes, classes, torch.tensor([3]), counts, 2)
    other = column_targets(boxes[:, order], classes[:, order], torch.tensor([len(order)]), counts, 2)
    assert torch.equal(forward, other)
    assert greedy_decode(torch.eye(4)[forward], counts) == [(3, 1, 2)]


def test_boxes_that_do_not_fit_are_named():
    classes, lengths, counts = torch.tensor([[1, 2]]), torch.tensor([2]), torch.tensor([4])
    with pytest.raises(ValueError, match=r"boxes has shape \(1, 3, 2\), but must be \(1, 2, 2\)"):
        column_targets(torch.zeros(1, 3, 2), classes, lengths, counts, 4)
    with pytest.raises(ValueError, match="a box ends before it starts"):
        column_targets(torch.tensor([[[0.0, 3], [5, 4]]]), classes, lengths, counts, 4)
