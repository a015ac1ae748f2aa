"""A story told: batches, lengths, cells of any kind, what needs the pictures before, and what does not fit."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

import memnets
from memnets.training.inspection import draw_all
from memnets_tasks import Copy, Stories
from memnets_tasks.images.plots import EVENTS, PLACES, plot, sentence, vocabulary
from memnets_tasks.images.stories import StoryBatch

NETWORKS = {
    "none": lambda: None,
    "lstm": lambda: memnets.LSTM(8, 6),
    "ntm": lambda: memnets.NTM(8, 6, slots=4, width=3, backend="reference"),
    "delta-net": lambda: memnets.DeltaNet(8, 6, heads=2),
}
WORDS = ("it", "moves", "again")


def model_of(network="lstm", words=WORDS, **settings):
    torch.manual_seed(0)
    sizes = {"input_size": 768, "feature_size": 8, "hidden_size": 10, "embedding_size": 6}
    return memnets.StoryTeller(vocabulary=words, network=NETWORKS[network](), **{**sizes, **settings})


@pytest.mark.parametrize("network", NETWORKS)
def test_a_story_is_told_as_if_alone(network):
    model, images = model_of(network).eval(), torch.rand(2, 3, 3, 16, 16)
    stories = [["it moves", "it", "again it"], ["it", "moves it again"]]
    together = model(images, stories, torch.tensor([3, 2]))
    alone = model(images[1:, :2], stories[1:])
    assert_close(together.logits[3:, : alone.logits.shape[1]], alone.logits)
    assert together.logits.shape == (5, 4, 5)
    first, second = model.tell(images, [3, 2], max_length=4)
    assert (len(first.sentences), len(second.sentences)) == (3, 2)
    assert model.tell(images[1:, :2], max_length=4)[0].sentences == second.sentences
    assert all(0 < value <= 1 for value in second.confidences)
    assert len(model.tell(images, beam_size=3, max_length=4)[0].sentences) == 3


def coded(count, length, random):
    """Stories whose pictures hold what is to be seen as numbers: quick to learn, as pictures are not."""
    things = [(colour, kind) for colour in ("red", "blue") for kind in ("cross", "circle")]
    told = [plot(length, things[:3], random) for _ in range(count)]
    images = torch.zeros(count, length, 3, 16, 16)
    for b, story in enumerate(told):
        for t, scene in enumerate(story):
            images[b, t, 0, 0, things.index((scene.colour, scene.kind))] = 1
            images[b, t, 0, 1, list(PLACES).index(scene.place)] = 1
    sentences = tuple(tuple(map(sentence, story)) for story in told)
    events = tuple(tuple(scene.event for scene in story) for story in told)
    return StoryBatch(images, torch.full((count,), length), sentences, events)


def test_what_came_before_is_learnt_and_cannot_be_without_a_story():
    task, scores = Stories(size=16), {}
    for name, steps in {"gru": 180, "none": 60}.items():
        torch.manual_seed(0)
        network = memnets.GRU(16, 64) if name == "gru" else None
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(768, 16), nn.Tanh())
        sizes = {"feature_size": 16, "hidden_size": 48, "embedding_size": 32}
        words = vocabulary([(c, k) for c in ("red", "blue") for k in ("cross", "circle")])
        model = memnets.StoryTeller(input_size=768, vocabulary=words, network=network, encoder=encoder, **sizes)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        random = np.random.default_rng(0)
        for _ in range(steps):
            optimizer.zero_grad()
            model.training_outputs(coded(16, 4, random)).outputs.loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        test = coded(60, 4, np.random.default_rng(1))
        assert {event for story in test.events for event in story} == set(EVENTS)
        scores[name] = task.scores(model.predict(test), test)
    assert scores["gru"]["exact_match"] > 0.7, scores
    assert scores["gru"]["returns_said"] > 0.9
    assert scores["gru"]["returns_made_up"] < 0.05
    assert scores["none"]["exact_match"] < scores["gru"]["exact_match"] - 0.1  # right where a thing comes first
    assert scores["none"]["returns_said"] - scores["none"]["returns_made_up"] < 0.4
    assert scores["gru"]["bleu4"] > scores["none"]["bleu4"] + 0.1


def test_saved_words_exchanged_and_drawn(tmp_path):
    model, images = model_of().eval(), torch.rand(1, 2, 3, 16, 16)
    before = model(images, [["it", "moves"]]).logits
    again = memnets.StoryTeller.from_pretrained(model.save_pretrained(tmp_path), network=NETWORKS["lstm"]())
    assert_close(again(images, [["it", "moves"]]).logits, before)
    assert model.change_vocabulary(["again", "it", "moves", "new"]).added == ("new",)
    assert_close(model(images, [["it", "moves"]]).logits[..., [0, 1, 3, 4, 2]], before)
    task = Stories(size=16, max_length=3, evaluation_lengths=(3,))
    figures = draw_all(model_of("ntm", task.vocabulary), task)
    assert {"story", "memory-at-work", "weightings"} <= set(figures)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (
            lambda: model_of(network="lstm", feature_size=9),
            ValueError,
            "network has input_size 8, but feature_size is 9",
        ),
        (lambda: model_of(input_size=769), ValueError, "input_size is 769, which is no frame of 3 channels"),
        (lambda: model_of().tell(torch.rand(1, 3, 16, 16)), ValueError, r"must be \(stories, pictures, 3, 16, 16\)"),
        (lambda: model_of().tell(torch.full((1, 2, 3, 16, 16), torch.nan)), ValueError, "NaN"),
        (lambda: model_of()(torch.rand(1, 2, 3, 16, 16), [["it"]]), ValueError, "1 sentences for 2 pictures"),
        (lambda: model_of(encoder=nn.Flatten()).tell(torch.rand(1, 1, 3, 16, 16)), ValueError, "gives 768 numbers"),
        (lambda: model_of().check_task(Copy()), ValueError, "needs a task with a vocabulary"),
        (
            lambda: model_of(words=Stories().vocabulary).check_task(Stories()),
            ValueError,
            "input_size is 768, but the task",
        ),
        (
            lambda: memnets.StoryTeller(input_size=768, vocabulary=["a"], network=nn.GRU(2, 2)),
            TypeError,
            "network is a GRU, but must be a SequenceModule",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
