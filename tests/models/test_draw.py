"""DRAW against a loop, its bound, and that it learns to draw; the plain autoencoder beside it."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import memnets
from memnets import viz
from memnets.training.inspection import draw_all, save_all
from memnets_tasks import BinaryDigits, Copy, generator
from oracles import draw

SMALL = {"hidden_size": 6, "latent_size": 2, "steps": 3, "read_size": 2, "write_size": 3}


def images_of(count=3, size=8):
    task = BinaryDigits(size=size)
    return task, task.sample(count, 1, generator(0, "test", 0))


def grey(value):
    """A batch with one pixel that is not black or white."""
    _, batch = images_of()
    batch.inputs[1, 0, 5] = value
    return batch


def test_a_drawing_equals_the_loop():
    torch.manual_seed(0)
    model = memnets.DRAW(48, **SMALL, cell="rnn", height=6).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    images = (torch.rand(2, 48, dtype=torch.float64) > 0.5).double()
    bound = model(images)
    noise = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(0)).double().numpy()
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    for b in range(2):
        canvas, l_x, l_z = draw.draw(weights, images[b].view(6, 8).numpy(), noise[:, b], 6, 8, (2, 3))
        np.testing.assert_allclose(bound.canvases[b, -1].detach().numpy(), canvas, rtol=1e-9)
        np.testing.assert_allclose(bound.reconstruction[b].item(), l_x, rtol=1e-9)
        np.testing.assert_allclose(bound.divergence[b].item(), l_z, rtol=1e-9)


@pytest.mark.parametrize("cell", ["gru", "ntm"])
@pytest.mark.parametrize("attention", [True, False])
def test_any_cell_with_and_without_attention(cell, attention):
    torch.manual_seed(0)
    model = memnets.DRAW(64, **SMALL, cell=cell, attention=attention)
    _, batch = images_of()
    made = model.training_outputs(batch)
    made.outputs.loss.backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not missing
    assert made.outputs.canvases.shape == (3, 3, 8, 8)
    assert (made.outputs.windows is not None) == attention
    assert made.predictions.canvases.grad_fn is None


def test_the_bound_is_the_same_number_again_and_drawings_are_of_a_seed():
    torch.manual_seed(0)
    model = memnets.DRAW(64, **SMALL)
    _, batch = images_of()
    assert not torch.equal(model.predict(batch).divergence, model.predict(batch).reconstruction)
    assert not torch.equal(model.predict(batch).reconstruction, model.predict(batch).reconstruction)
    model.eval()
    assert torch.equal(model.predict(batch).reconstruction, model.predict(batch).reconstruction)
    first, again, other = (model.draw(2, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert first.shape == (2, 3, 8, 8)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert ((first >= 0) & (first <= 1)).all()


@pytest.mark.parametrize("kind", ["DRAW", "VAE"])
def test_digits_cost_fewer_nats_than_pixels_alone(kind):
    """The bound of digits never seen is below that of independent pixels, each as often ink as in training."""
    task = BinaryDigits(size=12, shift=0)
    torch.manual_seed(0)
    small = {"hidden_size": 48, "latent_size": 6, "steps": 3}
    model = memnets.DRAW(144, **small) if kind == "DRAW" else memnets.VAE(144, hidden_size=64, latent_size=8)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2 if kind == "DRAW" else 5e-3)
    for step in range(130):
        batch = task.sample(32, 1, generator(0, "train", step))
        optimizer.zero_grad()
        task.loss(model.training_outputs(batch).outputs, batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    (train,), (test,) = task.batches(2000), task.splits().test.batches(360)
    chance = train.inputs.mean(0).clamp(0.01, 0.99)
    alone = torch.nn.functional.binary_cross_entropy(chance.expand_as(test.inputs), test.inputs) * 144
    assert task.scores(model.eval().predict(test), test)["bound"] < 0.95 * alone


def test_pictures_and_an_animation(tmp_path):
    torch.manual_seed(0)
    model, task = memnets.DRAW(64, **SMALL), BinaryDigits(size=8)
    figures = draw_all(model, task)
    assert len(figures["drawing"].axes) == 4
    frames = figures["drawn"].frames
    assert frames.shape == (3, 37, 37)
    paths = save_all(figures, tmp_path)
    from PIL import Image

    with Image.open(paths["drawn"]) as film:
        assert (film.format, film.n_frames, film.size) == ("GIF", 3, (148, 148))
        shown = np.asarray(film.convert("L"))[::4, ::4]
    np.testing.assert_allclose(shown, 255 * frames[0].numpy(), atol=3)
    assert set(draw_all(memnets.VAE(64, hidden_size=4), task)) == {"drawing"}
    with pytest.raises(ValueError, match=r"animations are saved as \.gif.*got 'a\.png'"):
        viz.save_figure(figures["drawn"], tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"frames has shape \(2, 3\)"):
        viz.Animation(torch.rand(2, 3)).gif()
    with pytest.raises(ValueError, match=r"canvases has shape \(2, 3, 4\); give \(T, H, W\), of an image \(3, 3\)"):
        viz.drawing_figure(torch.rand(3, 3), torch.rand(2, 3, 4), None, "")


def test_saved_and_loaded(tmp_path):
    for model in (memnets.DRAW(64, **SMALL).eval(), memnets.VAE(64, hidden_size=4).eval()):
        again = type(model).from_pretrained(model.save_pretrained(tmp_path / type(model).__name__))
        _, batch = images_of()
        assert_close(again.predict(batch).reconstruction, model.predict(batch).reconstruction)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: memnets.DRAW(50), ValueError, "input_size is 50, which is no frame of 1 channels and 7 rows"),
        (lambda: memnets.DRAW(64, steps=0), ValueError, "steps is 0, but must be at least 1"),
        (lambda: memnets.DRAW(64, cell="lstn"), ValueError, "cell is 'lstn', but must be one of"),
        (lambda: memnets.VAE(64, layers=0), ValueError, "layers is 0, but must be at least 1"),
        (lambda: memnets.DRAW(64, **SMALL)(torch.rand(1, 63)), ValueError, "inputs has 63 features"),
        (lambda: memnets.DRAW(64, **SMALL).predict(grey(0.5)), ValueError, "a pixel is 0.5, but must be 0 or 1"),
        (lambda: memnets.VAE(64, hidden_size=4).predict(grey(math.nan)), ValueError, "a pixel is nan"),
        (lambda: memnets.DRAW(64, **SMALL).draw(0), ValueError, "count is 0, but must be at least 1"),
        (lambda: memnets.DRAW(64, **SMALL).check_task(Copy()), ValueError, "input_size is 64, but Copy needs"),
    ],
)
def test_what_does_not_fit_is_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
