"""Beam search against all sequences there are, and the ways in which public ones lose a result."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from memnets.decoding.beam import beam_search, repeat_for_beams


class State(NamedTuple):
    table: Tensor
    """(B, V, V): scores of the next symbol after each; symbol 0 is start and end."""
    steps: Tensor


class Record(NamedTuple):
    seen: Tensor


def step(symbols, state):
    log_probs = torch.log_softmax(state.table[torch.arange(len(symbols)), symbols] + 0.3 * state.steps, 1)
    return log_probs, State(state.table, state.steps + 1), Record(symbols * 10 + state.steps[:, 0].long())


def search(tables, **settings):
    state = State(tables, torch.zeros(len(tables), 1))
    beam_size = settings.get("beam_size", 1)
    return beam_search(step, repeat_for_beams(state, beam_size), len(tables), **settings)


def log_probability(table, symbols):
    total, last = 0.0, 0
    for t, symbol in enumerate(symbols):
        scores = table[last].numpy() + 0.3 * t
        total += scores[symbol] - np.log(np.exp(scores).sum())
        last = symbol
    return total


def all_sequences(table, longest, penalty):
    """Every sequence that ends within ``longest`` symbols, best first."""
    found = []
    for length in range(longest + 1):
        for symbols in itertools.product(range(1, len(table)), repeat=length):
            score = log_probability(table, (*symbols, 0))
            found.append((score / (length + 1) ** penalty, symbols, score))
    return sorted(found, reverse=True)


def tables(seed, batch_size=2, symbols=3):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((batch_size, symbols, symbols)) * 2)


@given(seed=st.integers(0, 999), penalty=st.sampled_from([0.0, 0.7, 1.0]))
def test_a_wide_beam_finds_the_best_of_all(seed, penalty):
    both = tables(seed)
    for table, found in zip(both, search(both, beam_size=40, max_length=3, length_penalty=penalty)):
        expected = all_sequences(table, 3, penalty)
        ended = [hypothesis for hypothesis in found if hypothesis.finished]
        assert [hypothesis.symbols for hypothesis in ended] == [symbols for _, symbols, _ in expected]
        for hypothesis, (_, _, score) in zip(ended, expected):
            np.testing.assert_allclose(hypothesis.log_probability, score, rtol=1e-4)


@given(seed=st.integers(0, 999))
def test_a_beam_of_one_is_greedy(seed):
    both = tables(seed)
    for table, (found,) in zip(both, search(both, max_length=5)):
        symbols, last = [], 0
        for _ in range(6):
            last = int(table[last].argmax())
            if last == 0:
                break
            symbols.append(last)
        assert found.symbols == tuple(symbols[:5])
        assert found.finished == (len(symbols) <= 5 and last == 0)
        ending = (0,) if found.finished else ()
        np.testing.assert_allclose(
            found.log_probability, log_probability(table, (*found.symbols, *ending)), rtol=1e-4, atol=1e-6
        )


def test_where_nothing_ends_there_is_a_result_with_all_its_symbols():
    """Public code crashes here, or cuts the last symbol off as if it were the end."""
    table = torch.zeros(1, 3, 3)
    table[..., 0] = -torch.inf
    table[..., 2] = 3
    for beam_size in (1, 3):
        best = search(table, beam_size=beam_size, max_length=4)[0][0]
        assert best.symbols == (2, 2, 2, 2)
        assert not best.finished
        np.testing.assert_allclose(best.log_probability, log_probability(table[0], best.symbols), rtol=1e-5)
        assert best.record.seen.tolist() == [0, 21, 22, 23]


def test_records_follow_the_beam_that_won():
    """Greedy goes to 1 first; the best sequence starts with 2."""
    table = torch.tensor([[[-9.0, 0.2, 0.0], [0.0, 0.0, 0.0], [9.0, -9.0, -9.0]]])
    best = search(table, beam_size=3, max_length=3)[0][0]
    assert best.symbols == (2,)
    assert best.record.seen.tolist() == [0]
    second = search(table, beam_size=3, max_length=3)[0][1]
    assert second.symbols == (1,)


@given(seed=st.integers(0, 999), beam_size=st.integers(1, 9))
def test_no_hypothesis_comes_twice(seed, beam_size):
    """Those cut off at the limit differ in the symbol past it, which is not theirs."""
    for found in search(tables(seed), beam_size=beam_size, max_length=2):
        symbols = [hypothesis.symbols for hypothesis in found]
        assert len(set(symbols)) == len(symbols)


@given(seed=st.integers(0, 999), beam_size=st.integers(1, 9), penalty=st.sampled_from([0.0, 0.7, 2.0]))
@example(seed=0, beam_size=2, penalty=0.0)
def test_ended_ones_come_first_and_then_the_best(seed, beam_size, penalty):
    """Also among those cut off, by their own symbols: not by what would have followed."""
    both = tables(seed)
    for table, found in zip(both, search(both, beam_size=beam_size, max_length=2, length_penalty=penalty)):
        scores = []
        for hypothesis in found:
            whole = (*hypothesis.symbols, *[0] * hypothesis.finished)
            score = log_probability(table, whole)
            np.testing.assert_allclose(hypothesis.log_probability, score, rtol=1e-4, atol=1e-6)
            scores.append((hypothesis.finished, score / max(len(whole), 1) ** penalty + 1e-6))
        assert all(one[0] > other[0] or one[1] >= other[1] - 2e-6 for one, other in itertools.pairwise(scores))
        assert [ended for ended, _ in scores] == sorted((ended for ended, _ in scores), reverse=True)


def test_ways_to_go_on_past_the_limit_do_not_crowd_out_an_end():
    """After 1 the end is the third likeliest, behind 1 and 2, which a limit of one symbol does not allow."""
    table = torch.tensor([[[-9.0, 3.0, -3.0, -9.0], [0.0, 1.0, 0.9, -9.0], [0.0] * 4, [0.0] * 4]])
    best = search(table, beam_size=2, max_length=1)[0][0]
    assert best.symbols == (1,)
    assert best.finished


def test_nothing_possible_still_gives_a_result():
    def nowhere(symbols, state):
        return torch.full((len(symbols), 3), -torch.inf), state, None

    ((found,),) = beam_search(nowhere, State(torch.zeros(2, 1), torch.zeros(2, 1)), 1, beam_size=2, max_length=3)
    assert found.log_probability == -math.inf


def test_each_item_has_its_own_limit():
    table = torch.zeros(2, 3, 3)
    table[..., 0] = -torch.inf
    found = search(table, beam_size=2, max_length=torch.tensor([1, 5]))
    assert [len(hypotheses[0].symbols) for hypotheses in found] == [1, 5]
    alone = search(table[:1], beam_size=2, max_length=1)
    assert found[0][0].log_probability == pytest.approx(alone[0][0].log_probability)


def test_an_end_at_once_is_an_empty_sequence():
    table = torch.zeros(1, 3, 3)
    table[..., 0] = 9
    best = search(table, max_length=4)[0][0]
    assert best.symbols == ()
    assert best.finished
    assert best.record is None


def test_a_penalty_of_one_prefers_longer_ones():
    table = torch.full((1, 2, 2), 0.0)
    table[0, 0] = torch.tensor([0.4, 0.0])  # after the start: ending is a little likelier
    table[0, 1] = torch.tensor([3.0, 0.0])
    assert search(table, beam_size=4, max_length=3, length_penalty=0.0)[0][0].symbols == ()
    assert search(table, beam_size=4, max_length=3, length_penalty=1.0)[0][0].symbols == (1,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beam_size": 0}, "beam_size is 0, but must be at least 1"),
        ({"max_length": 0}, "max_length is 0, but must be at least 1"),
        ({"max_length": torch.tensor([1, 2])}, r"max_length has shape \(2,\), but must be a number or \(1,\)"),
        ({"length_penalty": -1.0}, r"length_penalty is -1.0, but must lie within 0\.\.5"),
        ({"length_penalty": 1e30}, r"length_penalty is 1e\+30, but must lie within 0\.\.5"),
        ({"length_penalty": math.nan}, r"length_penalty is nan, but must lie within 0\.\.5"),
    ],
)
def test_numbers_out_of_range_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        search(torch.zeros(1, 3, 3), **settings)
