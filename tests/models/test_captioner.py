"""A captioner's contract: loss with coverage and gate, describing, words in the checkpoint, errors."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import nn

from memnets.attention.additive import coverage
from memnets.decoding.cells import CELLS
from memnets.models.captioner import Captioner
from memnets.vision.freezing import freeze
from memnets.vision.grid import GridEncoder
from memnets_tasks.images import SceneBatch
from reading_cases import loss_of, random_scenes, tiny_captioner


def scenes(images, captions, mask=None) -> SceneBatch:
    return SceneBatch(images, captions, ({},) * len(images), mask)


BATCH = random_scenes(3, torch.Generator().manual_seed(0))
FIRST = [captions[0].split() for captions in BATCH.captions]


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_describes_and_learns(cell):
    captioner = tiny_captioner(cell=cell)
    output = captioner(BATCH.images, FIRST)
    assert output.logits.shape == (3, 5, 9)
    assert output.weights.shape == (3, 5, 2, 4)
    torch.testing.assert_close(output.weights.sum((2, 3)), torch.ones(3, 5))
    loss, numbers = loss_of(captioner, BATCH)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in captioner.parameters())
    assert set(numbers) == {"word_loss", "coverage", "gate"}
    for caption in captioner.describe(BATCH.images, max_length=6):
        length = len(caption.words)
        assert set(caption.words) <= set(captioner.vocabulary)
        assert caption.weights.shape == (length, 2, 4)
        assert caption.gates.shape == (length,)
        assert 0 <= caption.confidence <= 1


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_loss_is_what_it_says(reduction):
    captioner = tiny_captioner(coverage_weight=0.5, coverage_reduction=reduction).double()
    items = [0, 0, 1, 1, 2, 2]
    words = [caption.split() for captions in BATCH.captions for caption in captions]
    output = captioner(BATCH.images[items], words)
    log_probs = output.logits.log_softmax(2).detach().numpy()
    right = [[*captioner.symbols.encode(caption), 0] for caption in words]
    spelled = -np.mean([log_probs[b, t, k] for b, row in enumerate(right) for t, k in enumerate(row)])
    used = np.mean([output.gates[b, t].item() for b, row in enumerate(right) for t in range(len(row))])
    seen = output.weights.detach().clone().flatten(2)
    for b, row in enumerate(right):
        assert not seen[b, len(row) :].any()
    missed = coverage(seen, reduction=reduction).item()
    loss, numbers = loss_of(captioner, BATCH)
    assert numbers["word_loss"].item() == pytest.approx(spelled)
    assert numbers["coverage"].item() == pytest.approx(missed)
    assert numbers["gate"].item() == pytest.approx(used)
    assert loss.item() == pytest.approx(spelled + 0.5 * missed)


def test_a_caption_may_be_a_text():
    """Taken for a sequence of words, its letters would all be learnt as the unknown one."""
    captioner = tiny_captioner().eval()
    words, texts = (captioner(BATCH.images, captions) for captions in (FIRST, [" ".join(words) for words in FIRST]))
    assert torch.equal(words.targets, texts.targets)
    assert torch.equal(words.logits, texts.logits)


def test_the_first_state_comes_from_the_mean_features():
    captioner = tiny_captioner().double()
    keys, _ = captioner.encode(BATCH.images)
    state = captioner.decoder.initial_state(keys).cell
    mean = keys.features.mean(1)
    for layer, part in zip(captioner.decoder.start.layers, state):
        expected = np.tanh(mean.detach().numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy())
        np.testing.assert_allclose(part[:, 0].detach(), expected)


def test_one_reference_a_step_is_drawn_from_the_seed():
    captioner = tiny_captioner(references="one")
    losses = []
    for seed in (0, 0, 1, 2, 3):
        torch.manual_seed(seed)
        losses.append(loss_of(captioner, BATCH)[0].item())
    assert losses[0] == losses[1]
    assert len(set(losses)) > 1


def test_some_references_of_each_image_and_no_more_than_there_are():
    captioner = tiny_captioner(references=2)
    taught = []
    captioner._teach = lambda keys, grid, captions, sampling: taught.append((len(keys.mask), captions)) or 1 / 0
    batch = scenes(BATCH.images, (("a",), ("b", "c", "d"), ("e", "f")))
    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            loss_of(captioner, batch)
    assert all(len(captions) == rows == 5 for rows, captions in taught)
    assert {tuple(captions[1][0] + captions[2][0]) for _, captions in taught} == set(permutations("bcd", 2))


def test_unknown_words_are_learnt_as_one_and_never_said():
    captioner = tiny_captioner()
    batch = scenes(BATCH.images, (("an unheard thing",),) * 3)
    optimizer = torch.optim.Adam(captioner.parameters(), lr=0.05)
    for _ in range(12):
        optimizer.zero_grad()
        loss_of(captioner, batch)[0].backward()
        optimizer.step()
    output = captioner(batch.images, [["an", "unheard", "thing"]] * 3)
    assert output.targets[0].tolist() == [1, 1, 1, 0]
    assert output.logits[0, 0].argmax() == 1
    for caption in captioner.describe(batch.images, beam_size=2):
        assert set(caption.words) <= set(captioner.vocabulary)


class Endless(nn.Module):
    def forward(self, x):
        return torch.cat([torch.full_like(x[:, :1], -1e9), x[:, 1:9]], 1)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_caption_that_does_not_end_is_given_all_the_same(beam_size):
    captioner = tiny_captioner()
    captioner.decoder.output = Endless()
    captions = captioner.describe(BATCH.images, beam_size=beam_size, max_length=5)
    assert [len(caption.words) for caption in captions] == [5] * 3
    assert [len(caption.weights) for caption in captions] == [5] * 3


def test_greedy_description_is_the_decoder_fed_with_what_it_wrote():
    torch.manual_seed(1)
    captioner = tiny_captioner()
    for b, caption in enumerate(captioner.describe(BATCH.images, max_length=6)):
        output = captioner.eval()(BATCH.images[b : b + 1], [caption.words])
        logits = output.logits[0].detach()
        logits[:, 1] = -torch.inf
        assert logits.argmax(1)[:-1].tolist() == captioner.symbols.encode(caption.words)
        each = logits.log_softmax(1).max(1).values
        if len(caption.words) == 6 and logits[-1].argmax() != 0:
            each = each[:-1]
        assert caption.confidence == pytest.approx(math.exp(each.mean()), rel=1e-4)
        torch.testing.assert_close(output.weights[0, :-1], caption.weights)
        torch.testing.assert_close(output.gates[0, :-1], caption.gates)


@pytest.mark.parametrize("cell", ["lstm", "ntm"])
def test_features_of_several_sizes_are_never_looked_at_past_their_own(cell):
    """What stands in the padding changes no word, no loss and no gradient; coverage asks nothing of it."""
    settings = {"feature_size": 5, "hidden_size": 8, "dropout": 0.0, "cell": cell, "coverage_weight": 1.0}
    captioner = Captioner(vocabulary=["a", "b"], encoder=nn.Identity(), **settings).double()
    features, mask = torch.rand(2, 5, 1, 6).double(), torch.arange(6) < torch.tensor([6, 2]).view(2, 1, 1)
    found = []
    for fill in (0.0, 1e6):
        images = torch.where(mask.unsqueeze(1), features, fill).requires_grad_()
        batch = scenes(images, (("a b",), ("b", "a a")), mask)
        loss, numbers = loss_of(captioner, batch)
        found.append((loss, numbers["coverage"], *torch.autograd.grad(loss, [*captioner.parameters(), images])))
        assert not found[-1][-1].masked_select(~mask.unsqueeze(1)).any()
        second = captioner.predict(batch)[1]
        (alone,) = captioner.describe(features[1:, :, :, :2])
        assert second.words == alone.words
        assert second.confidence == pytest.approx(alone.confidence)
    for one, other in zip(*found):
        torch.testing.assert_close(one, other)
    for bad, message in (
        (mask[:, 0], r"mask is torch.bool of shape \(2, 6\), but must be torch.bool of shape \(2, 1, 6\)"),
        (mask.float(), "mask is torch.float32 of shape"),
        (mask & (torch.arange(2) < 1).view(2, 1, 1), "mask leaves image 1 no place to look at"),
    ):
        with pytest.raises(ValueError, match=message):
            captioner.describe(features, mask=bad)


def test_features_computed_beforehand_and_a_frozen_encoder_serve():
    captioner = Captioner(vocabulary=["a", "b"], encoder=nn.Identity(), feature_size=5, hidden_size=8)
    batch = scenes(torch.rand(2, 5, 3, 4), (("a b",), ("b", "a a")))
    loss_of(captioner, batch)[0].backward()
    assert captioner.describe(batch.images)[0].weights.shape[1:] == (3, 4)
    captioner = tiny_captioner(encoder=freeze(GridEncoder(channels=(8, 16), output_size=10))).train()
    before = {name: tensor.clone() for name, tensor in captioner.encoder.state_dict().items()}
    loss_of(captioner, BATCH)[0].backward()
    assert all(torch.equal(tensor, before[name]) for name, tensor in captioner.encoder.state_dict().items())


def test_the_words_are_in_the_checkpoint_and_can_be_changed(tmp_path):
    captioner = tiny_captioner(vocabulary=["red", "l'\u00e9t\u00e9"])
    torch.save(captioner.state_dict(), tmp_path / "captioner.pt")
    weights = torch.load(tmp_path / "captioner.pt", weights_only=True)
    other = tiny_captioner(vocabulary=["new", "l'\u00e9t\u00e9", "red"])
    with pytest.warns(UserWarning, match=r"2 kept; 1 added, untrained \('new'\)"):
        other.load_state_dict(weights)
    assert torch.equal(other.decoder.output.weight[3:], captioner.decoder.output.weight[[3, 2]])
    assert torch.equal(other.decoder.output.weight[:2], captioner.decoder.output.weight[:2])
    change = other.change_vocabulary(["red", "two"])
    assert (change.kept, change.added, change.dropped) == (("red",), ("two",), ("new", "l'\u00e9t\u00e9"))
    assert torch.equal(other.decoder.embedding.weight[2], captioner.decoder.embedding.weight[2])


def test_saving_and_loading(tmp_path):
    captioner = Captioner(vocabulary=("a", "b"), hidden_size=8, gate=False).eval()
    loaded = Captioner.from_pretrained(captioner.save_pretrained(tmp_path))
    assert torch.equal(loaded(BATCH.images, [["a"]] * 3).logits, captioner(BATCH.images, [["a"]] * 3).logits)
    assert loaded.vocabulary == ("a", "b")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"coverage_reduction": "none"}, "coverage_reduction is 'none', but must be one of sum, mean"),
        ({"coverage_weight": -1.0}, "coverage_weight is -1.0, but must be at least 0"),
        ({"references": "first"}, "references is 'first', but must be one of one, all, or a number from 1"),
        ({"references": 0}, "references is 0, but must be one of one, all, or a number from 1"),
        ({"cell": "dnc"}, "cell is 'dnc'"),
        ({"vocabulary": []}, "vocabulary is empty"),
    ],
)
def test_settings_that_do_not_go_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        tiny_captioner(**settings)


def test_bad_calls_are_named():
    captioner = tiny_captioner()
    with pytest.raises(ValueError, match="there are 1 captions for 3 images"):
        captioner(BATCH.images, [["a"]])
    with pytest.raises(ValueError, match="captions is the text 'red', but must be a sequence, of one an image"):
        captioner(BATCH.images, "red")
    with pytest.raises(ValueError, match="captions of image 0 is the text 'a red', but must be a tuple of captions"):
        loss_of(captioner, scenes(BATCH.images, ("a red", "red", "a")))
    with pytest.raises(ValueError, match=r"images has shape \(0, 3, 8, 16\), but must hold at least one pixel"):
        captioner.describe(BATCH.images[:0])
    with pytest.raises(ValueError, match=r"images has dtype torch.uint8, but must be floating point: divide bytes"):
        captioner.describe((BATCH.images * 255).byte())
    with pytest.raises(ValueError, match="Conv2d gave 24 features a place, but the model was made for 20: make it"):
        Captioner(vocabulary=["a"], encoder=nn.Conv2d(3, 24, 8), feature_size=20).describe(BATCH.images)
    with pytest.raises(ValueError, match="image 1 has no caption"):
        loss_of(captioner, scenes(BATCH.images, (("a",), (), ("a",))))
    with pytest.raises(ValueError, match="max_length is 0"):
        captioner.describe(BATCH.images, max_length=0)
    with pytest.raises(ValueError, match=r"Flatten gave \(3, 384\), but must give maps"):
        Captioner(vocabulary=["a"], encoder=nn.Flatten(), feature_size=3).describe(BATCH.images)


def test_an_image_with_nan_is_named_and_not_described():
    """The likeliest of words that are all NaN is any, the unknown one among them."""
    images = random_scenes(2, torch.Generator().manual_seed(0)).images
    images[1, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="features of image 1 hold NaN or infinity: so does the image, or the weights"):
        tiny_captioner().describe(images)
