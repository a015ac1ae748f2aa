"""Real learning at a small size: lines are read by each way, and by location far beyond the lengths trained on."""

import pytest
import torch
from torch.nn.utils import clip_grad_norm_

from memnets.models.text_reader import TextReader
from memnets.vision.columns import ColumnEncoder
from reading_cases import loss_of, random_lines, random_scenes, tiny_captioner, tiny_reader
from right_to_left_cases import ARABIC, HEBREW, lines_from_the_right, needs_raqm


def train(model, sample, steps, rate=0.01):
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model, sample(generator))[0].backward()
        clip_grad_norm_(model.parameters(), 5)
        optimizer.step()
        schedule.step()
    return model.eval()


def accuracy(reader, length, **settings):
    batch = random_lines(50, length, length, torch.Generator().manual_seed(1000 + length))
    readings = reader.read(batch.images, batch.widths, **settings)
    return sum(reading.text == text for reading, text in zip(readings, batch.texts)) / 50


def short_lines(generator):
    return random_lines(16, 1, 6, generator)


def shorter_lines(generator):
    return random_lines(16, 1, 3, generator)


def test_a_reader_learns_with_ctc():
    reader = train(tiny_reader(ctc_weight=1.0), short_lines, 100)
    assert accuracy(reader, 6) > 0.9
    assert accuracy(reader, 18, beam_size=4) > 0.9


@needs_raqm
def test_lines_of_hebrew_and_arabic_are_learnt_from_labels_in_logical_order():
    torch.manual_seed(0)
    encoder = ColumnEncoder(height=16, channels=(8, 16), pixels_per_column=2, output_size=24)
    reader = TextReader(charset=HEBREW + "12" + ARABIC, encoder=encoder, ctc_weight=1.0)
    reader = train(reader, lambda g: lines_from_the_right(16, int(torch.randint(10**6, (), generator=g))), 180)
    batch = lines_from_the_right(60, 10**6)
    right = [reading.text == text for reading, text in zip(reader.read(batch.images, batch.widths), batch.texts)]
    assert sum(right[::2]) >= 28  # Hebrew
    assert sum(right[1::2]) >= 28  # Arabic, whose letters join


@pytest.fixture(scope="module")
def by_content():
    torch.manual_seed(0)
    return train(tiny_reader(attention="content", hidden_size=24, recurrent_size=16), shorter_lines, 300)


@pytest.fixture(scope="module")
def by_location():
    torch.manual_seed(0)
    return train(tiny_reader(attention="location", ctc_weight=0.0), short_lines, 250)


def test_a_reader_learns_by_content(by_content):
    assert accuracy(by_content, 2) > 0.9
    assert accuracy(by_content, 6) < 0.5  # and not more than it was trained on


def test_a_reader_by_location_reads_lines_three_times_as_long_as_trained(by_location):
    assert accuracy(by_location, 6) > 0.95
    assert accuracy(by_location, 18) > 0.9


def test_what_stands_behind_a_gap_is_read_too(by_location):
    """A gap wider than any of training looks like the end of the line, and was taken for it at a high confidence."""
    batch = random_lines(40, 3, 6, torch.Generator().manual_seed(5))
    ends = list(batch.widths.tolist())
    lines = [image[..., :end] for image, end in zip(batch.images, ends)]
    joined = [torch.cat([one, torch.zeros(1, 8, 8), other], 2) for one, other in zip(lines[::2], lines[1::2])]
    texts = [one + other for one, other in zip(batch.texts[::2], batch.texts[1::2])]
    for image, text in zip(joined, texts):
        for beam_size in (1, 3):
            (reading,) = by_location.read(image[None], torch.tensor([image.shape[2]]), beam_size=beam_size)
            assert reading.text == text
            assert reading.read_to == 1


def test_attention_by_location_stands_on_the_character_it_reads(by_location):
    batch = random_lines(20, 18, 18, torch.Generator().manual_seed(9))
    for reading, text, boxes in zip(by_location.predict(batch), batch.texts, batch.boxes):
        if reading.text != text:
            continue
        weights = reading.weights / reading.weights.sum(1, keepdim=True)  # the last has begun to see the end
        centre = (weights * (torch.arange(weights.shape[1]) + 0.5) * 2).sum(1)
        off = centre - boxes.mean(1)
        assert off.abs().max() < 4  # pixels; characters are 5 to 7 apart


def test_a_captioner_learns_and_looks_where_the_square_is():
    captioner = train(tiny_captioner(hidden_size=24, attention_size=24), lambda g: random_scenes(8, g), 150)
    batch = random_scenes(40, torch.Generator().manual_seed(7))
    for beam_size in (1, 3):
        captions = captioner.describe(batch.images, beam_size=beam_size)
        assert sum(" ".join(c.words) in known for c, known in zip(captions, batch.captions)) > 36
