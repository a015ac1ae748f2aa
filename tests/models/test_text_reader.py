"""A reader's contract: loss, reading by each way, characters in the checkpoint, errors."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from memnets.cli.lengths import WAYS
from memnets.decoding.cells import CELLS
from memnets.decoding.ctc import log_likelihood
from memnets.decoding.joint import DECODES
from memnets.decoding.loss import pad_classes
from memnets.models.text_reader import TextReader
from memnets.training.adapters import probe
from memnets.training.inspection import draw_all
from memnets.training.lengths import evaluate_lengths
from memnets_tasks.images import TextLineBatch
from reading_cases import BATCH, LETTERS, LineTask, draw, loss_of, read, tiny_reader


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", ["content", "location", "ntm"])
def test_every_cell_reads_and_learns(cell, attention):
    reader = tiny_reader(cell=cell, attention=attention)
    output = reader(BATCH.images, BATCH.widths, BATCH.texts)
    columns = -(-BATCH.images.shape[3] // 2)
    assert output.logits.shape == (4, 5, 5)
    assert output.weights.shape == (4, 5, columns + 2)
    assert output.ctc_log_probs.shape == (4, columns, 5)
    torch.testing.assert_close(output.weights.sum(2), torch.ones(4, 5))
    assert output.targets.tolist()[1:3] == [[4, 0, -100, -100, -100], [0, -100, -100, -100, -100]]
    loss, numbers = loss_of(reader, BATCH)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in reader.parameters())
    assert set(numbers) == {"attention_loss", "ctc_loss", "infeasible"}
    for reading in read(reader):
        assert set(reading.text) <= set(LETTERS)
        assert 0 <= reading.confidence <= 1
        assert reading.weights.shape == (len(reading.text), columns)


def test_the_loss_is_what_it_says():
    reader = tiny_reader(ctc_weight=0.3).double().eval()
    output = reader(BATCH.images, BATCH.widths, BATCH.texts)
    logits = output.logits.detach().numpy()
    log_probs = logits - np.log(np.exp(logits).sum(2, keepdims=True))
    right = [[1, 2, 3, 1, 0], [4, 0], [0], [2, 2, 0]]
    spelled = -np.mean([log_probs[b, t, k] for b, row in enumerate(right) for t, k in enumerate(row)])
    classes, lengths = pad_classes([row[:-1] for row in right])
    aligned = -log_likelihood(output.ctc_log_probs, output.columns, classes, lengths).sum().item() / 7
    loss, numbers = loss_of(reader, BATCH)
    assert numbers["attention_loss"].item() == pytest.approx(spelled)
    assert numbers["ctc_loss"].item() == pytest.approx(aligned)
    assert loss.item() == pytest.approx(0.7 * spelled + 0.3 * aligned)


@pytest.mark.parametrize(("weight", "parts"), [(0.0, {"attention_loss"}), (1.0, {"ctc_loss", "infeasible"})])
def test_a_reader_of_one_kind_has_the_parameters_of_that_kind(weight, parts):
    reader = tiny_reader(ctc_weight=weight)
    loss, numbers = loss_of(reader, BATCH)
    assert set(numbers) == parts
    loss.backward()
    assert all(p.grad is not None for p in reader.parameters())
    readings = read(reader)
    assert all((reading.weights is None) == (weight == 1) for reading in readings)


def test_too_few_columns_are_reported():
    batch = draw(["aaaa", "ab"], spacing=0)
    assert batch.widths.tolist() == [12, 7]
    numbers = loss_of(tiny_reader(), batch)[1]
    assert numbers["infeasible"] == 0.5  # aaaa needs 7 columns of 2 pixels, and has 6


@pytest.mark.parametrize("decode", ["attention", "ctc", "joint"])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_padding_changes_no_reading(decode, beam_size):
    torch.manual_seed(4)
    reader = tiny_reader()
    together = read(reader, decode=decode, beam_size=beam_size)
    for b, reading in enumerate(together):
        width = int(BATCH.widths[b])
        (alone,) = reader.read(
            BATCH.images[b : b + 1, :, :, :width], BATCH.widths[b : b + 1], decode=decode, beam_size=beam_size
        )
        assert alone.text == reading.text
        assert alone.confidence == pytest.approx(reading.confidence, rel=1e-4)
        if alone.weights is not None:
            columns = alone.weights.shape[1]
            torch.testing.assert_close(reading.weights[:, :columns], alone.weights, atol=1e-5, rtol=1e-4)
            assert not reading.weights[:, columns:].any()


@pytest.mark.parametrize("attention", ["location", "ntm", "content"])
@pytest.mark.parametrize("cell", ["lstm", "ntm"])
def test_what_stands_in_the_padding_changes_no_loss_and_no_gradient(attention, cell):
    """In training mode, through encoder, attention, its first state and CTC."""
    still = {"restart": 0.0, "jitter": 0.0, "ctc_weight": 0.4, "recurrent_size": 4}
    reader = tiny_reader(attention=attention, cell=cell, **still).double().train()
    found = []
    for fill in (0.0, 1e3):
        padding = torch.arange(BATCH.images.shape[3]) >= BATCH.widths.view(-1, 1, 1, 1)
        images = BATCH.images.double().masked_fill(padding, fill).requires_grad_()
        loss, _ = loss_of(reader, dataclasses.replace(BATCH, images=images))
        found.append((loss, *torch.autograd.grad(loss, [*reader.parameters(), images])))
    for one, other in zip(*found):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-9)
    assert not found[1][-1].masked_select(padding).any()
    assert found[1][-1].any()


def test_greedy_reading_is_the_decoder_fed_with_what_it_wrote():
    torch.manual_seed(1)
    reader = tiny_reader(attention="content")  # along the line an end is not believed before it is reached
    for b, reading in enumerate(read(reader, max_length=6)):
        image, width = BATCH.images[b : b + 1], BATCH.widths[b : b + 1]
        output = reader.eval()(image, width, [reading.text])
        best = output.logits[0].argmax(1).tolist()
        assert best[:-1] == [LETTERS.index(letter) + 1 for letter in reading.text]
        each = output.logits[0].log_softmax(1).max(1).values
        if len(reading.text) < 6:
            assert best[-1] == 0
        elif best[-1] != 0:
            each = each[:-1]  # no end was reached
        assert reading.confidence == pytest.approx(each.mean().exp().item(), rel=1e-4)
        own = slice(0, -(-int(width) // 2))
        torch.testing.assert_close(output.weights[0, : len(reading.text), own], reading.weights[:, own])


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_end_is_written_where_the_line_has_been_read_and_not_before(beam_size):
    """However likely it seems to an untrained reader, which here writes nothing else."""
    reader = tiny_reader()
    with torch.no_grad():
        reader.decoder.output.bias[0] = 50.0
    readings = read(reader, beam_size=beam_size)
    assert [reading.text for reading in readings] == [""] * 4
    assert [reading.read_to for reading in readings] == [1.0] * 4
    with torch.no_grad():
        reader.decoder.output.bias[0] = 0.0
    for reading in read(reader, beam_size=beam_size, max_length=2):
        assert reading.read_to == 1.0 or len(reading.text) == 2


@pytest.mark.parametrize("decode", ["attention", "ctc", "joint"])
def test_what_max_length_leaves_unread_is_told(decode):
    reader = tiny_reader(ctc_weight=0.5)
    with torch.no_grad():
        reader.ctc.bias[0] = -50.0  # a character at each column
    long = draw(["abcdabcdabcd"])
    whole, cut = (read(reader, long, decode=decode, max_length=n)[0] for n in (None, 1))
    assert len(cut.text) == 1
    assert cut.read_to < 0.5
    assert whole.read_to > cut.read_to


class Endless(nn.Module):
    """Logits that never end."""

    def forward(self, x):
        return torch.cat([torch.full_like(x[:, :1], -1e9), x[:, 1:5]], 1)


def test_a_reading_without_an_end_keeps_its_last_character():
    reader = tiny_reader()
    reader.decoder.output = Endless()
    readings = read(reader, max_length=7)
    assert [len(reading.text) for reading in readings] == [7] * 4
    assert [len(reading.weights) for reading in readings] == [7] * 4
    columns = (-(-BATCH.widths // 2)).tolist()
    assert [len(reading.text) for reading in read(reader, beam_size=2)] == columns
    assert all(0 < reading.confidence <= 1 for reading in readings)


def test_joint_reading_is_the_best_of_all_texts_under_both():
    torch.manual_seed(2)
    reader = tiny_reader(charset="ab", ctc_weight=0.4, attention="content").double().eval()
    batch = draw(["ab"])
    texts = ["".join(t) for n in range(4) for t in itertools.product("ab", repeat=n)]
    scores, parts = {}, {}
    for text in texts:
        output = reader(batch.images, batch.widths, [text])
        log_probs = output.logits.log_softmax(2)[0]
        spelled = sum(log_probs[t, k].item() for t, k in enumerate(output.targets[0].tolist()) if k >= 0)
        classes, lengths = pad_classes([[" ab".index(letter) for letter in text]])
        aligned = log_likelihood(output.ctc_log_probs, output.columns, classes, lengths)
        scores[text] = 0.6 * spelled + 0.4 * aligned.item()
        parts[text] = {"attention": spelled, "ctc": aligned.item(), "joint": scores[text]}
    (reading,) = read(reader, batch, decode="joint", beam_size=20, max_length=3)
    best = max(texts, key=lambda text: scores[text])
    assert reading.text == best
    assert reading.confidence == pytest.approx(math.exp(scores[best] / (len(best) + 1)))
    assert reading.log_probabilities == pytest.approx(parts[best])
    for decode in ("attention", "ctc"):
        (reading,) = read(reader, batch, decode=decode, beam_size=20, max_length=3)
        assert reading.log_probabilities == pytest.approx({decode: parts[reading.text][decode]})


def test_a_ctc_readings_confidence_is_its_probability_a_character():
    reader = tiny_reader(ctc_weight=1.0)
    output = reader.eval()(BATCH.images, BATCH.widths, BATCH.texts)
    for beam_size in (1, 4):
        readings = read(reader, beam_size=beam_size)
        classes, lengths = pad_classes([reader.symbols.encode(reading.text) for reading in readings])
        totals = log_likelihood(output.ctc_log_probs, output.columns, classes, lengths)
        for reading, total in zip(readings, totals.tolist()):
            assert reading.confidence == pytest.approx(math.exp(total / max(len(reading.text), 1)), rel=1e-4)


def test_a_calibrated_reader_reads_the_same_and_is_as_sure_as_it_is_right():
    """Of a reader whose scores are three times too large the temperatures are three times as high."""
    torch.manual_seed(3)
    reader = tiny_reader(ctc_weight=0.5, attention="content")
    batches = [draw(["abca", "d", "bb", "dcba"]), draw(["ca", "bd"])]
    plain = reader.calibrate(batches)
    before = [reading.text for reading in read(reader)]
    with torch.no_grad():
        for layer in (reader.decoder.output, reader.ctc):
            layer.weight *= 3
            layer.bias *= 3
    assert reader.calibrate(batches) == pytest.approx({name: 3 * value for name, value in plain.items()}, rel=0.05)
    assert set(plain) == {"attention_temperature", "ctc_temperature"}
    assert [reading.text for reading in read(reader)] == before
    assert int(reader.calibration.widest) == max(int(batch.widths.max()) for batch in batches)


def test_predictions_are_made_in_the_readers_own_way(monkeypatch):
    reader, asked = tiny_reader(decode="joint"), []
    reader.beam_size = 3
    monkeypatch.setattr("memnets.models.text_reader.read_by_both", lambda *_, **settings: asked.append(settings) or [])
    reader.predict(BATCH)
    assert [each["beam_size"] for each in asked] == [3]
    assert WAYS == DECODES  # what the command line offers


@pytest.mark.parametrize("decode", ["attention", "ctc", "joint"])
def test_an_image_with_nan_is_named_and_not_read(decode):
    """Unlike one with NaN right of its width, which is padding."""
    images = BATCH.images.clone()
    images[1, :, :, -1] = torch.nan
    assert images.shape[3] > BATCH.widths[1]
    assert read(tiny_reader(decode=decode), dataclasses.replace(BATCH, images=images))
    images[2, 0, 3, 0] = torch.nan
    with pytest.raises(ValueError, match="features of image 2 hold NaN or infinity: so does the image, or the weights"):
        read(tiny_reader(decode=decode), dataclasses.replace(BATCH, images=images))


def test_columns_can_be_taught_by_boxes():
    reader = tiny_reader(column_loss="boxes")
    loss, numbers = loss_of(reader, BATCH)
    assert set(numbers) == {"attention_loss", "column_loss"}
    loss.backward()
    unknown = dataclasses.replace(BATCH, boxes=torch.zeros(4, 0, 2))
    assert torch.isfinite(loss_of(reader, unknown)[0])  # of the line without a character all is known
    lines = draw(["abca", "d"])
    with pytest.raises(ValueError, match="the batch knows no character's place: use column_loss='ctc'"):
        loss_of(reader, dataclasses.replace(lines, boxes=torch.zeros(2, 0, 2)))


def test_scheduled_sampling_is_for_training_alone():
    torch.manual_seed(0)
    reader = tiny_reader(sampling=1.0)
    plain = tiny_reader()
    plain.load_state_dict(reader.state_dict())
    assert loss_of(reader.train(), BATCH)[0] != loss_of(plain.train(), BATCH)[0]
    assert loss_of(reader.eval(), BATCH)[0] == loss_of(plain.eval(), BATCH)[0]


def test_reading_leaves_the_mode_as_it_was_and_has_no_dropout():
    reader = tiny_reader(dropout=0.9).train()
    one, two = read(reader), read(reader)
    assert [r.confidence for r in one] == [r.confidence for r in two]
    assert reader.training
    assert reader.encoder.training


def test_reading_leaves_in_evaluation_what_the_user_put_there():
    """Else the statistics of an encoder's batch normalisation would move from the first validation on."""
    reader = tiny_reader().train()
    reader.encoder.eval()
    read(reader)
    evaluate_lengths(reader, LineTask(), [2], sequences=2)
    probe(reader, LineTask(), BATCH)
    draw_all(reader, LineTask())
    assert reader.training
    assert not any(part.training for part in reader.encoder.modules())
    assert reader.decoder.training


def test_context_only_takes_no_notice_of_what_was_written():
    reader = tiny_reader(context_only=True).eval()
    one = reader(BATCH.images, BATCH.widths, ["abca", "d", "", "bb"]).logits
    two = reader(BATCH.images, BATCH.widths, ["dddd", "d", "", "bb"]).logits
    assert torch.equal(one, two)


def test_features_computed_beforehand_are_read():
    reader = TextReader(charset="ab", encoder=nn.Identity(), feature_size=6, hidden_size=8)
    batch = TextLineBatch(torch.rand(2, 6, 1, 9), torch.tensor([9, 4]), ("ab", "a"), torch.zeros(2, 0, 2))
    loss_of(reader, batch)[0].backward()
    assert len(read(reader, batch)) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attention": "self"}, "attention is 'self', but must be one of location, ntm, content"),
        ({"cell": "dnc"}, "cell is 'dnc', but must be one of lstm, gru, rnn, feedforward, ntm$"),
        ({"cell": "my.Cell"}, r"feedforward, ntm; a class of your own is written \{class_path: my.Cell\} in a file"),
        ({"ctc_weight": 1.5}, r"ctc_weight is 1.5, but must lie within 0\.\.1"),
        ({"sampling": -1}, r"sampling is -1, but must lie within 0\.\.1"),
        ({"decode": "beam"}, "decode is 'beam', but must be one of attention, ctc, joint"),
        ({"decode": "ctc", "ctc_weight": 0.0}, "decode is 'ctc', but the reader was made with ctc_weight=0.0: 0 leave"),
        ({"decode": "joint", "ctc_weight": 1.0}, "decode is 'joint', but the reader was made with ctc_weight=1.0"),
        ({"column_loss": "mse"}, "column_loss is 'mse', but must be one of ctc, boxes"),
        ({"encoder": nn.Identity()}, "Identity has no output_size: say with feature_size"),
        ({"feature_size": 3}, "feature_size is 3, but the encoder's output_size is 12"),
        ({"dropout": 1.0}, "dropout is 1.0, but must be at least 0 and below 1"),
        ({"hidden_size": 0}, "hidden_size is 0, but must be at least 1"),
        ({"shift_ahead": 0}, "shift_ahead is 0, but must be at least 1"),
    ],
)
def test_settings_that_do_not_go_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        tiny_reader(**settings)


def test_bad_calls_are_named():
    reader = tiny_reader()
    with pytest.raises(ValueError, match="there are 1 texts for 4 images"):
        reader(BATCH.images, BATCH.widths, ["a"])
    with pytest.raises(ValueError, match="texts is the text 'abcd', but must be a sequence, of one an image"):
        reader(BATCH.images, BATCH.widths, "abcd")
    with pytest.raises(ValueError, match=r"images has dtype torch.uint8, but must be floating point: divide bytes"):
        reader.read((BATCH.images * 255).byte(), BATCH.widths)
    with pytest.raises(ValueError, match="Conv2d gave 24 features a place, but the model was made for 20: make it"):
        TextReader(charset="a", encoder=nn.Conv2d(1, 24, 8), feature_size=20).read(BATCH.images, BATCH.widths)
    with pytest.raises(ValueError, match="holds 'e'"):
        reader(BATCH.images, BATCH.widths, ["a", "b", "c", "e"])
    with pytest.raises(TypeError, match="widths is a list, but must be a tensor"):
        reader.read(BATCH.images, BATCH.widths.tolist())
    with pytest.raises(ValueError, match="beam_size is 0"):
        read(reader, beam_size=0)
    with pytest.raises(ValueError, match="max_length is 0"):
        read(reader, max_length=0)
    with pytest.raises(ValueError, match="decode is 'greedy'"):
        read(reader, decode="greedy")
