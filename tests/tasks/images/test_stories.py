"""Stories: what is said of a picture follows from what is seen in it and in those before."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from memnets.testing import check_task
from memnets_tasks import Stories, generator
from memnets_tasks.images.plots import EVENTS, PLACES, Scene, plot, says_return, sentence
from memnets_tasks.images.shapes import COLOURS
from memnets_tasks.images.stories import THINGS, StoryBatch


def told(*stories):
    return [SimpleNamespace(sentences=tuple(tuple(text.split()) for text in story)) for story in stories]


def test_it_keeps_the_contract():
    task = Stories(size=16, max_length=4, evaluation_lengths=(5,))
    check_task(task, predictions=lambda batch: told(*batch.sentences))
    batch = task.sample(3, torch.tensor([2, 4, 3]), generator(0, "test", 0))
    assert batch.images.shape == (3, 4, 3, 16, 16)
    assert not batch.images[0, 2:].any()
    assert batch.images.numel() / 12 == task.input_size
    assert {word for story in batch.sentences for text in story for word in text.split()} <= set(task.vocabulary)
    (figure,) = task.figures(batch.shard(1, 3), told(["it", *batch.sentences[1][1:]]), None).values()
    assert f"(not: {batch.sentences[1][0][:10]}" in figure.axes[0].texts[0].get_text()


def test_what_is_said_follows_from_the_pictures_before():
    """Events read off the things and places alone, by a second telling of the rules."""
    random, seen_events = np.random.default_rng(0), set()
    for _ in range(60):
        cast = [THINGS[n] for n in random.permutation(len(THINGS))[:3]]
        last, before = {}, None
        for scene in plot(8, cast, random):
            thing = (scene.colour, scene.kind)
            if thing not in last:
                expected = "new"
            elif thing == before:
                expected = "still" if last[thing] == scene.place else "moved"
            else:
                expected = "again" if last[thing] == scene.place else "elsewhere"
            assert scene.event == expected
            seen_events.add(expected)
            last[thing], before = scene.place, thing
    assert seen_events == set(EVENTS)
    assert sentence(Scene("red", "cross", "at the top", "elsewhere")) == "the same red cross is now at the top"
    assert sentence(Scene("red", "cross", "at the top", "again")) == "the red cross is at the top again"
    assert sentence(Scene("red", "cross", "at the top", "moved")).startswith("it ")


def test_a_thing_is_drawn_where_and_as_it_is_called():
    task = Stories(noise=0.0)
    batch = task.sample(30, 4, generator(0, "test", 0))
    pixels = (torch.arange(task.size) + 0.5) / task.size * 2 - 1
    for images, sentences in zip(batch.images, batch.sentences):
        for image, text in zip(images, sentences):
            for colour in {*text.split()} & set(COLOURS):
                wanted = torch.tensor(COLOURS[colour])
                near = (image - wanted[:, None, None]).abs().amax(0) < 0.16  # (H, W)
                assert near.sum() > 8
                x, y = near.float().sum(0) @ pixels / near.sum(), near.float().sum(1) @ pixels / near.sum()
                (place,) = [name for name in PLACES if name in text]
                assert abs(float(x) - PLACES[place][0]) < 0.25
                assert abs(float(y) - PLACES[place][1]) < 0.25


def test_scores_of_a_corpus():
    sentences = (("a red cross appears at the top", "the red cross is at the top again"),)
    batch = StoryBatch(torch.zeros(1, 2, 3, 16, 16), torch.tensor([2]), sentences, (("new", "again"),))
    task = Stories()
    right, wrong = told(*sentences), told(("the same red cross", "a red cross appears at the top"))
    assert {name: float(value) for name, value in task.scores(right, batch).items()} == {
        "bleu4": 1, "exact_match": 1, "stories": 1, "returns_said": 1, "returns_made_up": 0,
    }  # fmt: skip
    scores = task.corpus_scores([(wrong, batch), (right, batch)])
    assert scores["exact_match"] == scores["stories"] == scores["returns_said"] == scores["returns_made_up"] == 0.5
    assert 0 < scores["bleu4"] < 1
    assert task.errors(wrong, batch).tolist() == [1]
    assert int(task.loss_weight(batch)) == 17
    assert says_return(["the", "same"])
    with pytest.raises(ValueError, match="2 predictions for 1 stories"):
        task.errors(right * 2, batch)
    with pytest.raises(ValueError, match="1 sentences for 2 pictures"):
        task.errors(told(sentences[0][:1]), batch)
    with pytest.raises(ValueError, match="nothing to score"):
        task.corpus_scores([])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 8}, "size is 8; give a whole number of at least 16"),
        ({"noise": -1.0}, "noise is -1.0"),
        ({"max_length": 2}, "max_length is 2, below min_length 3"),
        ({"evaluation_lengths": ()}, "evaluation_lengths is empty"),
    ],
)
def test_what_is_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Stories(**settings)
