"""Lines read at several sizes: what they look like, which reading counts, and where attention then is."""

import math

import pytest
import torch

from memnets.decoding.ctc import log_likelihood
from memnets.decoding.loss import pad_classes
from memnets.decoding.sizes import shrink
from reading_cases import draw, tiny_reader

BATCH = draw(["abca", "d", "bb"])


def decided_reader():
    """Untrained, by CTC, and of one mind at each column: at other sizes it reads other texts."""
    torch.manual_seed(0)
    reader = tiny_reader(ctc_weight=1.0)
    with torch.no_grad():
        reader.ctc.weight *= 20
    return reader.double().eval()


def test_a_line_is_made_smaller_by_itself_between_its_outermost_rows():
    images = torch.rand(2, 1, 8, 12)
    small, widths = shrink(images, torch.tensor([12, 7]), 0.5)
    assert widths.tolist() == [6, 4]
    assert small.shape == (2, 1, 8, 6)
    assert not small[1, 0, :, 4:].any()
    torch.testing.assert_close(small[:, :, :2], small[:, :, 2:3].expand(-1, -1, 2, -1))  # rows above repeat the first
    torch.testing.assert_close(small[:, :, 6:], small[:, :, 5:6].expand(-1, -1, 2, -1))
    flat, _ = shrink(torch.full((1, 1, 8, 12), 0.3), torch.tensor([12]), 0.7)
    torch.testing.assert_close(flat, torch.full_like(flat, 0.3))
    images[1, :, :, 7:] = 1e6  # what is right of a line changes nothing
    torch.testing.assert_close(shrink(images, torch.tensor([12, 7]), 0.5)[0], small)
    assert shrink(images, torch.tensor([12, 7]), 1)[0] is images
    half = images.clamp(max=1).bfloat16()
    torch.testing.assert_close(shrink(half, torch.tensor([12, 7]), 0.5)[0], small.bfloat16(), atol=0.02, rtol=0.02)


@torch.no_grad()
def test_by_ctc_the_text_counts_that_is_likeliest_over_all_sizes():
    reader = decided_reader()
    images, sizes = BATCH.images.double(), (1, 0.75, 0.5)
    views = [shrink(images, BATCH.widths, size) for size in sizes]
    alone = [reader.read(*view) for view in views]
    found = reader.read(images, BATCH.widths, sizes=sizes)
    for b, reading in enumerate(found):
        totals = {}
        for text in {readings[b].text for readings in alone}:
            classes, lengths = pad_classes([reader.symbols.encode(text)] * len(images))
            outputs = [reader(*view, [text] * len(images)) for view in views]
            each = [log_likelihood(o.ctc_log_probs, o.columns, classes, lengths)[b].exp() for o in outputs]
            totals[text] = (float(sum(each)), float(max(each)))
        assert reading.text == max(totals, key=totals.__getitem__)
        likeliest = totals[reading.text][1]
        assert reading.log_probabilities["ctc"] == pytest.approx(math.log(likeliest))
        assert reading.confidence == pytest.approx(likeliest ** (1 / max(1, len(reading.text))))
    assert [reading.text for reading in found] != [reading.text for reading in alone[0]]  # the sizes disagree


@pytest.mark.parametrize("decode", ["attention", "joint"])
def test_by_attention_the_surest_reading_counts_and_looks_at_the_line_as_it_is(decode):
    torch.manual_seed(2)
    reader = tiny_reader().eval()
    alone = [reader.read(*shrink(BATCH.images, BATCH.widths, size), decode=decode) for size in (1, 0.5)]
    found = reader.read(BATCH.images, BATCH.widths, decode=decode, sizes=(1, 0.5))
    columns = [-(-int(width) // 2) for width in BATCH.widths]
    chosen = []
    for b, reading in enumerate(found):
        size = max((0, 1), key=lambda n: alone[n][b].confidence)
        own = alone[size][b]
        chosen.append(size)
        assert (reading.text, reading.confidence) == (own.text, own.confidence)
        assert reading.weights.shape == (len(reading.text), max(columns))
        torch.testing.assert_close(reading.weights.sum(1), own.weights.sum(1))
        assert not reading.weights[:, columns[b] :].any()
    assert set(chosen) == {0, 1}


def test_a_reader_reads_at_its_own_sizes_unless_told_others():
    reader = decided_reader()
    once = [reading.text for reading in reader.predict(BATCH)]
    reader.sizes = (1, 0.75, 0.5)
    assert [reading.text for reading in reader.predict(BATCH)] != once
    assert [reading.text for reading in reader.read(BATCH.images, BATCH.widths, sizes=(1,))] == once
    for sizes in ((), (0.5, 1.2), (0.0,)):
        with pytest.raises(ValueError, match=r"sizes is .*above 0 and up to 1"):
            reader.read(BATCH.images, BATCH.widths, sizes=sizes)
