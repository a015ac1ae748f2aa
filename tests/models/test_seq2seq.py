"""Sentences to sentences: padding, both directions, no attention, what is learnt, and what does not go together."""

import pytest
import torch
from torch.testing import assert_close

import memnets
from memnets.training import SequenceLearner
from memnets_tasks import Copy, NumbersToWords, generator

WORDS = ("a", "b", "c")
SOURCES = ["a b c a", "b", "c c"]


def model_of(words=WORDS, encoder=None, **settings):
    torch.manual_seed(0)
    encoder = encoder or memnets.GRU(6, 8)
    return memnets.Seq2Seq(vocabulary=words, encoder=encoder, **{"hidden_size": 10, "cell": "gru", **settings})


@pytest.mark.parametrize("attention", ["additive", "none"])
@pytest.mark.parametrize(
    "encoder",
    [lambda: memnets.LSTM(6, 8), lambda: memnets.DeltaNet(6, 8, heads=2), lambda: memnets.Transformer(6, 8, heads=2)],
    ids=["lstm", "delta-net", "transformer"],
)
def test_a_sentence_is_translated_as_if_alone(encoder, attention):
    model = model_of(encoder=encoder(), attention=attention).eval()
    together = model(SOURCES, ["b a", "c", "a b c"])
    for n, (source, target) in enumerate(zip(SOURCES, ["b a", "c", "a b c"])):
        alone = model([source], [target])
        count = len(target.split()) + 1
        assert_close(together.logits[n, :count], alone.logits[0])
    assert_close(together.weights.sum(2), (together.targets != -100).float())


def test_the_source_is_read_from_both_ends():
    """The second encoder's outputs are those of its reading the mirrored sentence, mirrored back."""
    model = model_of().eval()
    keys = model.encode(SOURCES)
    for n, source in enumerate(SOURCES):
        words = source.split()
        tokens = torch.tensor([model.symbols.encode(words)])
        forward, _ = model.encoder(model.embedding(tokens))
        backward, _ = model.backward_encoder(model.embedding(tokens.flip(1)))
        expected = torch.cat([forward, backward.flip(1)], dim=-1)[0]
        assert_close(keys.features[n, : len(words)], expected)
        assert keys.mask[n].tolist() == [True] * len(words) + [False] * (4 - len(words))
    bare = model_of(attention="none").eval()
    last = bare.encode(SOURCES).features
    assert last.shape == (3, 1, 16)
    full = keys.features  # the same seed: the same encoders
    assert_close(last[0, 0], torch.cat([full[0, 3, :8], full[0, 0, 8:]]))
    assert_close(last[2, 0], torch.cat([full[2, 1, :8], full[2, 0, 8:]]))


def test_numbers_are_learnt():
    task = NumbersToWords(max_length=2, evaluation_lengths=(2,))
    model = model_of(task.vocabulary, memnets.GRU(16, 24), hidden_size=48, embedding_size=24, attention_size=24)
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
    for step in range(150):
        random = generator(0, "train", step)
        batch = task.sample(24, task.sample_lengths(24, random), random)
        optimizer.zero_grad()
        model.training_outputs(batch).outputs.loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    test = task.sample(100, 2, generator(1, "test", 0))
    assert task.scores(model.predict(test), test)["exact_match"] > 0.9
    (said,) = model.translate(["4 2"], beam_size=3)
    assert said.words == ("forty", "two")
    assert said.weights.shape == (2, 2)
    assert_close(said.weights.sum(1), torch.ones(2))
    assert 0.3 < said.confidence <= 1
    (written,) = model.figures(test, model.predict(test)).values()
    assert written.axes


def test_saved_and_words_exchanged(tmp_path):
    model = model_of().eval()
    before = model(["a b"], ["c"]).logits
    again = memnets.Seq2Seq.from_pretrained(model.save_pretrained(tmp_path), encoder=memnets.GRU(6, 8))
    assert_close(again(["a b"], ["c"]).logits, before)
    change = model.change_vocabulary(["c", "d", "a", "b"])
    assert change.added == ("d",)
    assert_close(model(["a b"], ["c"]).logits[..., [0, 1, 4, 5, 2]], before)


def test_a_learner_takes_it_and_unknown_words_are_read():
    task = NumbersToWords(max_length=2)
    learner = SequenceLearner(model_of(task.vocabulary), task, batch_size=3)
    batch = learner.training_batch(0)
    assert task.loss(learner.model.training_outputs(batch).outputs, batch).isfinite()
    assert "<unknown>" not in learner.model.translate(["zzz 1"])[0].words
    assert learner.model.translate([]) == []


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: model_of(encoder=torch.nn.GRU(3, 3)), TypeError, "encoder is a GRU, but must be a SequenceModule"),
        (lambda: model_of(encoder=memnets.GRU(3, 3, vocabulary=4)), ValueError, "leave its vocabulary"),
        (lambda: model_of(attention="hard"), ValueError, "attention is 'hard', but must be one of additive, none"),
        (lambda: model_of(sampling=2.0), ValueError, "sampling is 2.0"),
        (lambda: model_of().check_task(Copy()), ValueError, "needs a task with a vocabulary"),
        (lambda: model_of().translate(["a", " "]), ValueError, "source 1 is empty"),
        (lambda: model_of().translate(["a"], beam_size=0), ValueError, "beam_size is 0"),
        (lambda: model_of()(["a"], ["b", "c"]), ValueError, "2 targets for 1 sources"),
    ],
)
def test_what_does_not_go_together_is_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
