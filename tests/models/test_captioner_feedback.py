"""What a captioner's cell is given of the last look."""

from types import SimpleNamespace

import pytest
import torch

from memnets import Captioner

WORDS = ["a", "blue", "circle", "red"]


def blind(feedback: str) -> Captioner:
    """Looks everywhere alike, and writes from the cell's output alone."""
    torch.manual_seed(0)
    captioner = Captioner(vocabulary=WORDS, feedback=feedback, hidden_size=8).eval()
    torch.nn.init.zeros_(captioner.decoder.attention.score.weight)
    torch.nn.init.zeros_(captioner.decoder.of_context.weight)
    return captioner


@pytest.mark.parametrize(("feedback", "same"), [("place", True), ("context", False)])
def test_with_place_the_cell_knows_nothing_of_what_was_seen(feedback, same):
    captioner = blind(feedback)
    captions = [["a", "red", "circle"]] * 2
    images = torch.rand(2, 3, 16, 16)
    logits = captioner(images, captions).logits
    assert torch.allclose(logits[0], logits[1]) == same


def test_with_place_the_cell_is_given_where_it_looked():
    captioner = blind("place")
    given = []
    captioner.decoder.cell.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    keys, grid = captioner.encode(torch.rand(1, 3, 24, 32))
    assert grid == (3, 4)
    weights = torch.rand(1, 12).softmax(1)
    captioner.decoder.attention.forward = lambda *_: weights
    state = captioner.decoder.initial_state(keys)
    for _ in range(2):
        _, state = captioner.decoder(torch.zeros(1, dtype=torch.int64), keys, state)
    x = torch.tensor([-1, -1 / 3, 1 / 3, 1]).repeat(3)
    y = torch.tensor([-1.0, 0, 1]).repeat_interleave(4)
    assert given[0].shape == (1, 64 + 2)
    assert torch.allclose(given[1][:, -2:], weights @ torch.stack([x, y], dim=1))


def test_saves_and_loads(tmp_path):
    captioner = blind("place")
    captioner.save_pretrained(tmp_path)
    again = Captioner.from_pretrained(tmp_path).eval()
    images = torch.rand(1, 3, 16, 16)
    assert again.config["feedback"] == "place"
    assert torch.allclose(again(images, [["a"]]).logits, captioner(images, [["a"]]).logits)


def test_an_unknown_feedback():
    with pytest.raises(ValueError, match="feedback is 'all', but must be one of context, place"):
        Captioner(vocabulary=WORDS, feedback="all")


def test_without_attention_the_decoder_has_the_mean_of_what_is_seen():
    torch.manual_seed(0)
    captioner = Captioner(
        vocabulary=WORDS, attention="none", hidden_size=8, encoder=torch.nn.Identity(), feature_size=5
    )
    captioner.eval()
    maps, mask = torch.rand(2, 5, 2, 3), torch.ones(2, 2, 3, dtype=torch.bool)
    mask[1, :, 2] = False
    keys, grid = captioner.encode(maps, mask)
    assert grid == (1, 1)
    expected = torch.stack([maps[0].flatten(1).mean(1), maps[1, :, :, :2].flatten(1).mean(1)])
    assert torch.allclose(keys.features[:, 0], expected)
    moved = maps.flip(3)  # where things are does not matter
    captions = [["a", "red"]] * 2
    assert torch.allclose(captioner(moved, captions).logits, captioner(maps, captions).logits, atol=1e-6)
    assert captioner.describe(maps)[0].weights is None
    assert captioner.coverage_weight == 0
    batch = SimpleNamespace(images=maps, captions=(("a red",), ("a blue circle",)), mask=mask)
    assert captioner.training_outputs(batch).outputs.loss.isfinite()
    for settings, message in (
        ({"attention": "hard"}, "attention is 'hard'"),
        ({"attention": "none", "feedback": "place"}, "feedback is 'place', but without attention"),
    ):
        with pytest.raises(ValueError, match=message):
            Captioner(vocabulary=WORDS, **settings)
