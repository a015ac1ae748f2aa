"""Frames through convolutions and over time: padding, halves, encoders of one's own, learning."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import memnets
from memnets_tasks import Copy, Gestures, generator

NETWORKS = {
    "lstm": lambda: memnets.LSTM(6, 8),
    "ntm": lambda: memnets.NTM(6, 8, slots=4, width=3, backend="reference"),
    "transformer": lambda: memnets.Transformer(6, 8, heads=2),
}


def model_of(network="lstm", **settings):
    torch.manual_seed(0)
    return memnets.VideoNetwork(144, 3, network=NETWORKS[network](), **settings)


@pytest.mark.parametrize("network", NETWORKS)
def test_padding_and_halves_change_nothing(network):
    model, frames = model_of(network).eval(), torch.rand(2, 5, 144)
    whole, _ = model(frames, lengths=[5, 3])
    alone, _ = model(frames[1:, :3])
    assert_close(whole[1, :3], alone[0])
    assert not whole[1, 3:].any()
    first, state = model(frames[:, :2])
    second, _ = model(frames[:, 2:], state)
    assert_close(torch.cat([first, second], dim=1)[0], whole[0])


def test_frames_of_colour_that_are_not_square_and_an_encoder_of_ones_own():
    model = memnets.VideoNetwork(3 * 4 * 6, 2, network=memnets.GRU(7, 5), channels=3, height=4)
    assert model(torch.rand(1, 2, 72))[0].shape == (1, 2, 2)
    assert model.frame == (3, 4, 6)
    encoder = nn.Sequential(nn.Conv2d(1, 2, 12), nn.Flatten())
    own = memnets.VideoNetwork(144, 2, network=memnets.GRU(2, 5), encoder=encoder)
    frames = torch.rand(1, 3, 144)
    features = encoder(frames.view(3, 1, 12, 12))
    assert_close(own(frames)[0], own.output(own.network(features.unsqueeze(0))[0]))


def test_gestures_are_learnt():
    task = Gestures(size=12, min_length=4, max_length=6, evaluation_lengths=(6,))
    torch.manual_seed(0)
    model = memnets.VideoNetwork(144, task.output_size, network=memnets.GRU(16, 32))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(110):
        random = generator(0, "train", step)
        batch = task.sample(24, task.sample_lengths(24, random), random)
        optimizer.zero_grad()
        task.loss(model.training_outputs(batch).outputs, batch).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    test = task.sample(200, 6, generator(1, "test", 0))
    assert task.scores(model.predict(test), test)["accuracy"] > 0.9


def test_saved_and_loaded(tmp_path):
    model = model_of().eval()
    again = memnets.VideoNetwork.from_pretrained(model.save_pretrained(tmp_path), network=NETWORKS["lstm"]())
    frames = torch.rand(1, 2, 144)
    assert_close(again(frames)[0], model(frames)[0])


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: memnets.VideoNetwork(9, 2, network=nn.LSTM(2, 2)), TypeError, "network is a LSTM, but must be"),
        (lambda: memnets.VideoNetwork(9, 2, network=memnets.LSTM(2, 2, vocabulary=3)), ValueError, "leave its vocab"),
        (lambda: memnets.VideoNetwork(10, 2, network=memnets.LSTM(2, 2)), ValueError, "input_size is 10, which is no"),
        (lambda: model_of()(torch.rand(1, 2, 9)), ValueError, "inputs has 9 features"),
        (lambda: model_of(encoder=nn.Flatten())(torch.rand(1, 2, 144)), ValueError, "gives 144 numbers a frame"),
        (lambda: model_of().check_task(Copy()), ValueError, "input_size is 144, but Copy needs"),
    ],
)
def test_what_does_not_fit_is_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
