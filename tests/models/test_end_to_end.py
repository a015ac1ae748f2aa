"""The memory network over sentences of words: against the loops, in parts, and learning to answer."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import memnets
from cases import assert_same_state, run_oracle
from memnets.base.state import state_tensors


def model(**options):
    torch.manual_seed(0)
    sizes = {"vocabulary": 9, "output_size": 9, "sentence_ends": (1, 2), "ages": 3}
    return memnets.EndToEndMemory(6, 5, **sizes | options).double()


def tokens(steps=14, seed=0):
    return torch.randint(9, (3, steps), generator=torch.Generator().manual_seed(seed))


def test_sentences_equal_the_loops():
    module, inputs = model(hops=2), tokens()
    outputs, state = module(inputs)
    expected, last = run_oracle(module, inputs)
    np.testing.assert_allclose(outputs.detach().numpy(), expected, rtol=1e-9, atol=1e-12)
    for got, want in zip(state_tensors(state), last, strict=True):
        np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-9, atol=1e-12)


def test_a_sentence_may_be_cut_anywhere():
    module, inputs, lengths = model(), tokens(), [14, 9, 0]
    whole, last = module(inputs, lengths=lengths)
    state, parts = None, []
    for start in range(0, 14, 3):
        within = [min(max(n - start, 0), len(inputs[0, start : start + 3])) for n in lengths]
        part, state = module(inputs[:, start : start + 3], state, within)
        parts.append(part)
    assert_close(torch.cat(parts, 1), whole)
    assert_same_state(state, last)


def test_it_learns_where_someone_went_last():
    """As task 1 of bAbI: "person place . person place . ... person -", and the place of the person's last sentence."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)

    def stories(batch, sentences=5):
        persons = torch.randint(2, 5, (batch, sentences), generator=generator)  # 0 is "-" and 1 "."
        places = torch.randint(5, 9, (batch, sentences), generator=generator)
        asked = persons.gather(1, torch.randint(sentences, (batch, 1), generator=generator))
        last = (persons == asked) * torch.arange(1, sentences + 1)
        told = torch.stack([persons, places, torch.ones_like(places)], 2).flatten(1)
        return torch.cat([told, asked, torch.zeros_like(asked)], 1), places.gather(1, last.argmax(1, True)).squeeze(1)

    network = memnets.EndToEndMemory(16, 16, vocabulary=9, output_size=9, sentence_ends=(0, 1), ages=6, hops=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(250):
        given, wanted = stories(64)
        loss = torch.nn.functional.cross_entropy(network(given)[0][:, -1], wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    given, wanted = stories(500)
    with torch.no_grad():
        right = (network(given)[0][:, -1].argmax(-1) == wanted).float().mean()
    assert right > 0.95


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"hops": 0}, "hops is 0, but must be at least 1"),
        ({"sentence_ends": (9,)}, "sentence_ends has 9, but vocabulary is 9"),
        ({"sentence_ends": (1,), "vocabulary": None}, "sentence_ends has 1, but vocabulary is None"),
    ],
)
def test_what_does_not_fit(options, found):
    with pytest.raises(ValueError, match=found):
        model(**options)
