"""Looking in steps: what a glimpse sees, what teaches where to look, padding and halves, and that it learns to look."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

import memnets
from memnets import viz
from memnets.base.state import state_tensors
from memnets.experiments.catalogue import find_experiment
from memnets.experiments.config import instantiate, parse_experiment
from memnets.models.recurrent_attention import rewards_to_come
from memnets.training.inspection import draw_all
from memnets.vision.glimpses import glimpses, image_pyramid
from memnets_tasks import Batch, ClutteredDigits, Copy, TokenTask, generator

NETWORKS = {
    "lstm": lambda: memnets.LSTM(6, 8),
    "ntm": lambda: memnets.NTM(6, 8, slots=4, width=3, backend="reference"),
    "transformer": lambda: memnets.Transformer(6, 8, heads=2),
}


SIZES = {"glimpses": 2, "glimpse_size": 4, "scales": 2, "sensor_size": 5}


def model_of(network="lstm", **settings):
    torch.manual_seed(0)
    return memnets.RecurrentAttention(144, 3, network=NETWORKS[network](), **{**SIZES, **settings})


def with_context():
    torch.manual_seed(0)
    encoder = memnets.vision.VGG(2, 4, 4, maps=[3], convolutions=1, output_size=5)
    context = memnets.vision.ContextMaps(maps=[4, 2])
    parts = {"encoder": encoder, "context": context, "context_cell": 2}
    return memnets.RecurrentAttention(144, 3, network=NETWORKS["lstm"](), **SIZES, **parts)


def batch_of(images, targets):
    """Every answer is scored."""
    return Batch(images, targets, torch.ones_like(targets).bool(), torch.full((len(images),), images.shape[1]))


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
    found = glimpses(image_pyramid(images, 3), places, 3)
    assert found.shape == (3, 3, 1, 3, 3)
    for b in range(3):
        for scale in range(3):
            wanted = seen_by_a_loop(images[b, 0].numpy(), places[b].numpy(), 3, scale)
            np.testing.assert_allclose(found[b, scale, 0].numpy(), wanted, atol=1e-12)
    middle = glimpses([images], torch.zeros(3, 2, dtype=torch.float64), 4)
    assert_close(middle[:, 0], images[:, :, 2:6, 4:8])


@pytest.mark.parametrize("network", [*NETWORKS, "context"])
def test_padding_and_halves_change_nothing(network):
    model = (with_context() if network == "context" else model_of(network)).eval()
    images = torch.rand(2, 3, 144)
    whole, last = model(images, lengths=[3, 2])
    alone, _ = model(images[1:, :2])
    assert_close(whole[1, :2], alone[0])
    assert not whole[1, 2:].any()
    first, state = model(images[:, :1])
    second, state = model(images[:, 1:], state)
    assert_close(torch.cat([first, second], dim=1)[0], whole[0])
    if network != "transformer":
        assert_close([part[0] for part in state_tensors(state)], [part[0] for part in state_tensors(last)])


def test_glimpses_follow_one_another():
    model, images = model_of(glimpses=3), torch.rand(2, 2, 144)
    model.eval()
    _, looks, state = model.look(images)
    assert looks.places.shape == (2, 2, 3, 2)
    assert not looks.places[:, 0, 0].any()
    assert not looks.scores.any()  # the policy's own places
    _, on, _ = model.look(images, state)
    assert_close(on.places[:, 0, 0], state.place)
    assert (looks.places.flatten(1, 2).diff(dim=1) != 0).all()
    model.train()
    _, looks, _ = model.look(images)
    assert not looks.scores[:, 0, 0].any()
    assert looks.scores.flatten(1, 2)[:, 1:].abs().min() > 0


def test_a_context_chooses_the_first_place():
    model, images = with_context(), torch.rand(3, 2, 144)
    _, looks, state = model.eval().look(images)
    assert looks.scores.shape == (3, 2, 2, 36)
    assert_close(state.place, looks.places[:, -1, -1])  # the next answer's first place is seen from there
    cells = (looks.places[:, :, 0] * 6).unique().round(decimals=4).tolist()
    assert set(cells) <= {-5.0, -3.0, -1.0, 1.0, 3.0, 5.0}  # middles of 6 x 6 cells
    assert_close(model.look(images[:, 1:], model.look(images[:, :1])[2])[0], looks.logits[:, 1:, -1])
    dots = torch.zeros(9, 12, 12)
    for number in range(9):
        dots[number, 4 * (number // 3) : 4 * (number // 3) + 4, 4 * (number % 3) : 4 * (number % 3) + 4] = 1.0
    bright = model.look(dots.view(9, 1, 144))[1].places[:, 0, 0]  # at first it looks where something is
    middles = torch.tensor([-4 / 6, 0.0, 4 / 6])
    assert_close(bright, torch.stack([middles.repeat(3), middles.repeat_interleave(3)], dim=1), atol=0.17, rtol=0)
    model.train()
    batch = batch_of(images[:, :1], torch.ones(3, 1, dtype=torch.int64))
    model.training_outputs(batch).auxiliary_loss.backward()
    assert all(parameter.grad.any() for parameter in model.context.parameters())
    assert model.policy.weight.grad.any()
    assert model.move.weight.grad is None  # moves are no choices that are rewarded


def test_moves_are_short_and_taught_by_what_they_lead_to():
    """The gradient of a move is that of the answer with respect to the place, by differences."""
    model, images = with_context().double().eval(), torch.rand(2, 1, 144, dtype=torch.float64)
    with torch.no_grad():
        model.move.weight.zero_()
        model.move.bias.copy_(torch.tensor([9.0, -0.3]))  # right as far as it goes, and up a little
    places = model.look(images)[1].places[:, 0]
    assert_close(places[:, 1] - places[:, 0], 0.25 * torch.tensor([[9.0, -0.3]]).double().tanh().expand(2, 2))

    def said():
        return model(images)[0].square().sum()

    slope = torch.autograd.grad(said(), model.move.bias)[0][1]
    values = []
    for step in (1e-6, -1e-6):
        with torch.no_grad():
            model.move.bias[1] += step
            values.append(said())
            model.move.bias[1] -= step
    assert_close(slope, (values[0] - values[1]) / 2e-6, rtol=1e-5, atol=1e-9)
    assert slope != 0
    drawn = model.train().look(images.repeat(200, 1, 1))[1].places[:, 0]  # (400, 2, 2)
    apart = (drawn[:, 1, 1] - drawn[:, 0, 1])[drawn[:, 1, 1].abs() < 1]
    assert 0.15 < apart.std() < 0.25  # by the deviation, 0.2, as far as not cut off at an edge


def test_rewards_are_of_what_a_choice_may_change():
    right = torch.tensor([[[0, 1, 1], [1, 0, 1], [0, 0, 0]]]).float()  # three steps of three glimpses
    assert rewards_to_come(right, early=False).tolist() == [[[2, 2, 2], [1, 1, 1], [0, 0, 0]]]
    wanted = torch.tensor([[[2 / 3 + 1, 2, 2], [2 / 3, 0.5, 1], [0, 0, 0]]])
    assert_close(rewards_to_come(right, early=True), wanted)


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
    """By hand: minus the mean of (l - mu) / sigma^2 (R - b), and (b - R)^2, of the only place that is chosen."""
    model = model_of(deviation=0.2)
    batch = batch_of(torch.rand(4, 1, 144), torch.tensor([[0], [1], [2], [0]]))
    torch.manual_seed(3)
    made = model.training_outputs(batch)
    torch.manual_seed(3)
    logits, looks, _ = model.look(batch.inputs)
    reward = logits.detach().double().softmax(-1).gather(-1, batch.targets.unsqueeze(-1))[:, 0, 0]
    apart = looks.scores[:, 0, 1].double() * 0.2**2
    mean = looks.places[:, 0, 1].double() - apart
    advantage = reward - looks.baselines[:, 0, 1].double()
    log_chance = torch.distributions.Normal(0, 0.2).log_prob(apart).sum(1) + np.log(2 * np.pi)
    wanted = (-log_chance * advantage.detach() + advantage**2).mean()
    assert_close(made.auxiliary_loss.double(), wanted, rtol=1e-5, atol=1e-6)
    made.auxiliary_loss.backward()
    slope = 1 - mean**2  # of tanh
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


def multiply_adds(name):
    """Of an answer: of products and convolutions, which torch counts, of its LSTM, which it does not; of looking."""
    parser, config = parse_experiment(find_experiment(name)[1], [])
    objects = instantiate(parser, config)
    model, batch = objects.model.eval(), objects.task.sample(1, 1, generator(0, "train", 0))
    seen = []
    for part in model.modules():
        if isinstance(part, nn.LSTM):
            part.register_forward_hook(
                lambda lstm, *_: seen.append(sum(w.numel() for w in lstm.parameters() if w.dim() > 1))
            )
    with FlopCounterMode(display=False) as counter:
        model.predict(batch)
    looking = 0
    if isinstance(model, memnets.RecurrentAttention):
        pixels = model.glimpses * model.scales * model.glimpse_size**2
        looking = 4 * pixels + 2 * model.input_size  # between four pixels each; and means of 4 and of 16 pixels
    return counter.get_total_flops() // 2 + sum(seen) + looking


def test_glimpses_cost_no_more_than_the_convolutions_that_they_are_compared_with():
    convolutions = multiply_adds("glimpses-digit-convolutions")
    assert 0.95 * convolutions < multiply_adds("glimpses-digit") <= convolutions


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
    model, other = with_context().eval(), with_context()
    folder, parts = model.save_pretrained(tmp_path), {"network": other.network, "encoder": other.encoder}
    again = memnets.RecurrentAttention.from_pretrained(folder, **parts, context=other.context)
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
        (lambda: model_of(reach=0), ValueError, "reach is 0, but must be above 0"),
        (lambda: model_of(glimpses=0), ValueError, "glimpses is 0, but must be at least 1"),
        (lambda: model_of(encoder="vgg"), TypeError, "encoder is 'vgg', but must be a module"),
        (lambda: model_of(encoder=nn.Linear(2, 2)), ValueError, "encoder is a Linear without output_size"),
        (
            lambda: model_of(context=memnets.vision.ContextMaps(), context_cell=5),
            ValueError,
            "12 x 12 pixels, but with context_cell 5",
        ),
        (lambda: memnets.vision.ContextMaps(maps=[]), ValueError, "maps is empty"),
        (lambda: model_of(scales=4)(torch.rand(1, 1, 144)), ValueError, "12 x 12 pixels, but with 4 scales .* of 8"),
        (lambda: model_of()(torch.rand(1, 2, 9)), ValueError, "inputs has 9 features"),
        (lambda: model_of().check_task(Copy()), ValueError, "input_size is 144, but Copy needs"),
    ],
)
def test_what_does_not_fit_is_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
