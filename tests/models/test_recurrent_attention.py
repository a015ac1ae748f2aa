"""Looking in steps: what a glimpse sees, what teaches where to look, padding and halves, and that it learns to look."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

import memnets
from memnets import viz
from memnets.base.state import state_tensors
from memnets.models.recurrent_attention import rewards_to_come
from memnets.training.inspection import draw_all
from memnets.vision.glimpses import glimpses
from memnets_tasks import Batch, ClutteredDigits, Copy, TokenTask, generator

NETWORKS = {
    "lstm": lambda: memnets.LSTM(6, 8),
    "ntm": lambda: memnets.NTM(6, 8, slots=4, width=3, backend="reference"),
    "transformer": lambda: memnets.Transformer(6, 8, heads=2),
}


def model_of(network="lstm", **settings):
    torch.manual_seed(0)
    sizes = {"glimpses": 2, "glimpse_size": 4, "scales": 2, "sensor_size": 5, **settings}
    return memnets.RecurrentAttention(144, 3, network=NETWORKS[network](), **sizes)


def seen_by_a_loop(image, place, size, scale):
    """Bilinear, from the definition: means over cells of 2^scale pixels, between whose middles is interpolated."""
    cell = 2**scale
    height, width = (side // cell for side in image.shape)
    cells = image.reshape(height, cell, width, cell).mean((1, 3))
    patch = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            y = (place[1] + 1) / 2 * height - 0.5 + i - (size - 1) / 2
            x = (place[0] + 1) / 2 * width - 0.5 + j - (size - 1) / 2
            for row in (int(np.floor(y)), int(np.floor(y)) + 1):
                for column in (int(np.floor(x)), int(np.floor(x)) + 1):
                    if 0 <= row < height and 0 <= column < width:
                        patch[i, j] += (1 - abs(y - row)) * (1 - abs(x - column)) * cells[row, column]
    return patch


def test_a_glimpse_equals_the_loop():
    torch.manual_seed(0)
    images, places = torch.rand(3, 1, 8, 12, dtype=torch.float64), 2.4 * torch.rand(3, 2, dtype=torch.float64) - 1.2
    found = glimpses(images, places, 3, 3)
    assert found.shape == (3, 3, 1, 3, 3)
    for b in range(3):
        for scale in range(3):
            wanted = seen_by_a_loop(images[b, 0].numpy(), places[b].numpy(), 3, scale)
            np.testing.assert_allclose(found[b, scale, 0].numpy(), wanted, atol=1e-12)
    middle = glimpses(images, torch.zeros(3, 2, dtype=torch.float64), 4, 1)
    assert_close(middle[:, 0], images[:, :, 2:6, 4:8])


@pytest.mark.parametrize("network", NETWORKS)
def test_padding_and_halves_change_nothing(network):
    model, images = model_of(network).eval(), torch.rand(2, 3, 144)
    whole, last = model(images, lengths=[3, 2])
    alone, _ = model(images[1:, :2])
    assert_close(whole[1, :2], alone[0])
    assert not whole[1, 2:].any()
    first, state = model(images[:, :1])
    second, state = model(images[:, 1:], state)
    assert_close(torch.cat([first, second], dim=1)[0], whole[0])
    if network != "transformer":
        assert_close([part[0] for part in state_tensors(state)], [part[0] for part in state_tensors(last)])


def test_the_next_glimpse_goes_where_the_policy_says():
    model, images = model_of(glimpses=3), torch.rand(2, 2, 144)
    model.eval()
    _, looks, state = model.look(images)
    assert looks.places.shape == (2, 2, 3, 2)
    path, following = looks.places.flatten(1, 2), looks.next_places.flatten(1, 2)
    assert not path[:, 0].any()
    assert_close(path[:, 1:], following[:, :-1])
    assert_close(following, looks.means.flatten(1, 2).detach())
    assert_close(state.place, following[:, -1])
    model.train()
    _, looks, _ = model.look(images)
    assert (looks.next_places - looks.means).abs().mean() > 0.05
    assert looks.next_places.abs().max() <= 1


def test_rewards_are_of_what_a_choice_may_still_change():
    right = torch.tensor([[[0, 1, 1], [1, 0, 1], [0, 0, 0]]]).float()  # three steps of three glimpses
    assert rewards_to_come(right, early=False).tolist() == [[[2, 2, 1], [1, 1, 0], [0, 0, 0]]]
    assert rewards_to_come(right, early=True).tolist() == [[[2, 2, 1], [0.5, 1, 0], [0, 0, 0]]]


def test_early_answers_are_taught_and_rewarded():
    ones = torch.ones(4, 2, dtype=torch.int64)
    batch = Batch(
        torch.rand(4, 2, 144), ones, torch.tensor([[True, True]] * 3 + [[True, False]]), torch.tensor([2, 2, 2, 1])
    )
    losses = []
    for weight in (0.0, 0.5):
        model = model_of(glimpses=3, early_answers=weight)
        torch.manual_seed(3)
        losses.append(model._reinforce(model.look(batch.inputs, lengths=batch.lengths)[1], batch)[0])
        torch.manual_seed(3)
        losses.append(model.training_outputs(batch).auxiliary_loss)
    assert_close(losses[0], losses[1])
    torch.manual_seed(3)
    logits = model.look(batch.inputs, lengths=batch.lengths)[1].logits[:, :, :2][batch.mask]  # (7, 2, O)
    early = nn.functional.cross_entropy(logits.flatten(0, 1), torch.ones(14, dtype=torch.int64))
    assert_close(losses[3] - losses[2], 0.5 * early)


def test_what_teaches_where_to_look_is_the_gradient_of_williams():
    """By hand: minus the mean over choices of (l - mu) / sigma^2 (R - b), and (b - R)^2, of all but the last choice."""
    model = model_of(deviation=0.2)
    ones = torch.ones(4, 1, dtype=torch.int64)
    batch = Batch(torch.rand(4, 1, 144), torch.tensor([[0], [1], [2], [0]]), ones.bool(), ones[:, 0])
    torch.manual_seed(3)
    made = model.training_outputs(batch)
    torch.manual_seed(3)
    logits, looks, _ = model.look(batch.inputs)
    reward = logits.detach().double().softmax(-1).gather(-1, batch.targets.unsqueeze(-1))[:, 0, 0]
    apart = (looks.next_places - looks.means)[:, 0, 0].double()
    advantage = reward - looks.baselines[:, 0, 0].double()
    log_chance = torch.distributions.Normal(0, 0.2).log_prob(apart).sum(1) + np.log(2 * np.pi)
    wanted = (-log_chance * advantage.detach() + advantage**2).mean()
    assert_close(made.auxiliary_loss.double(), wanted, rtol=1e-5, atol=1e-6)
    made.auxiliary_loss.backward()
    slope = 1 - looks.means[:, 0, 0].double() ** 2  # of tanh, at each mean
    wanted = -(apart / 0.04 * advantage.unsqueeze(1) * slope).mean(0).detach()
    assert_close(model.policy.bias.grad.double(), wanted, rtol=1e-4, atol=1e-6)
    assert model.sensor.weight.grad.any()
    assert model.output.weight.grad is None
    assert model.eval().training_outputs(batch).auxiliary_loss is None


class Corner(TokenTask):
    """Say how bright the side is that a dot in the middle points at; a glimpse of the middle sees no side."""

    def __init__(self):
        self.input_size, self.output_size = 144, 2
        self.min_length = self.max_length = 1
        self.evaluation_lengths, self.length_unit = (1,), "images"

    def sample(self, batch_size, length, generator):
        corner = torch.randint(2, (batch_size,), generator=generator)
        value = torch.randint(2, (batch_size,), generator=generator)
        images = torch.zeros(batch_size, 12, 12)
        rows, ink = torch.arange(batch_size), (1 + value.float()) / 2
        images[rows, 6, 5 + corner] = 1.0
        for y in range(3, 9):
            for x in range(3):
                images[rows, y, torch.where(corner == 1, 9 + x, x)] = ink
        ones = torch.ones(batch_size, 1, dtype=torch.int64)
        return Batch(images.view(batch_size, 1, 144), value.unsqueeze(1), ones.bool(), ones[:, 0])


def test_it_learns_where_to_look():
    """The first glimpse sees where to look next; without going there, one answer in two is right."""
    task = Corner()
    torch.manual_seed(0)
    network = memnets.GRU(24, 32)
    model = memnets.RecurrentAttention(
        144, 2, network=network, glimpses=2, glimpse_size=4, scales=1, sensor_size=24, deviation=0.5
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    numbers = []
    for step in range(120):
        batch = task.sample(64, 1, generator(0, "train", step))
        optimizer.zero_grad()
        made = model.training_outputs(batch)
        (task.loss(made.outputs, batch) + made.auxiliary_loss).backward()
        optimizer.step()
        numbers.append(made.numbers)
    test = task.sample(200, 1, generator(1, "test", 0))
    assert task.scores(model.eval().predict(test), test)["accuracy"] > 0.95
    mean = {name: np.mean([float(row[name]) for row in numbers]) for name in numbers[0]}
    assert mean["gradient_variance"] < 0.7 * mean["gradient_variance_without_baseline"]


def test_the_path_is_drawn():
    model = memnets.RecurrentAttention(576, 10, network=NETWORKS["lstm"](), glimpses=2, glimpse_size=4, scales=2)
    task = ClutteredDigits(size=24, digit_size=8, clutter=1, clutter_size=4, max_length=2)
    figures = draw_all(model, task)
    assert set(figures) == {"glimpses", "digits"}
    assert len(figures["glimpses"].axes) == 1 + 4 * 2
    with pytest.raises(ValueError, match=r"path has shape \(3, 2\) and seen \(2, 1, 4, 4\)"):
        viz.glimpses_figure(torch.rand(8, 8), torch.zeros(3, 2), torch.rand(2, 1, 4, 4), "")


def test_saved_and_loaded(tmp_path):
    model, images = model_of().eval(), torch.rand(1, 2, 144)
    again = memnets.RecurrentAttention.from_pretrained(model.save_pretrained(tmp_path), network=NETWORKS["lstm"]())
    assert_close(again(images)[0], model(images)[0])


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: memnets.RecurrentAttention(9, 2, network=nn.LSTM(2, 2)), TypeError, "network is a LSTM, but must be"),
        (
            lambda: memnets.RecurrentAttention(9, 2, network=memnets.LSTM(2, 2, vocabulary=3)),
            ValueError,
            "leave its vocabulary",
        ),
        (lambda: model_of(deviation=0), ValueError, "deviation is 0, but must be above 0"),
        (lambda: model_of(glimpses=0), ValueError, "glimpses is 0, but must be at least 1"),
        (lambda: model_of(scales=4)(torch.rand(1, 1, 144)), ValueError, "12 x 12 pixels, but with 4 scales .* of 8"),
        (lambda: model_of()(torch.rand(1, 2, 9)), ValueError, "inputs has 9 features"),
        (lambda: model_of().check_task(Copy()), ValueError, "input_size is 144, but Copy needs"),
    ],
)
def test_what_does_not_fit_is_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
