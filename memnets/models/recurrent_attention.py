"""Looking at an image in steps: where to look next is learnt by reinforcement."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..base.checks import check_inputs, check_number, check_whole
from ..base.model import Model, TrainingOutputs, as_parameters, check_sizes
from ..base.module import check_network
from ..base.saving import Pretrained
from ..base.segments import clear_padding
from ..base.state import where_state
from ..base.state_types import known_state
from ..base.task import Task
from ..vision.frames import frame_size
from ..vision.glimpses import glimpses
from ..vision.image_encoder import draw_weights


@known_state
class GlimpseState(NamedTuple):
    """The network's state, and where the next glimpse goes: ``place (B, 2)``, x and y from -1 to 1."""

    network: Any
    place: Tensor


class Looks(NamedTuple):
    """Every glimpse of a batch, G a step.

    Attributes:
        places: ``(B, T, G, 2)``, where each looked.
        means: ``(B, T, G, 2)``, where the policy would have it look next.
        next_places: ``(B, T, G, 2)``, where the next one looks: drawn around ``means`` in training.
        baselines: ``(B, T, G)``, the reward that was expected when that was drawn.
        logits: ``(B, T, G, O)``, what would be answered after each glimpse; the last of a step is its answer.
    """

    places: Tensor
    means: Tensor
    next_places: Tensor
    baselines: Tensor
    logits: Tensor


class RecurrentAttention(Model, Pretrained):
    """Looks at an image through glimpses, a few for each answer, and chooses itself where to look next.

    A step of the task is an answer, and its inputs are the image that it is about: of several objects that are to be
    named one after another, the same image again. What was seen stays in the network, and the next answer's glimpses
    begin where the last one's led.

    >>> model = RecurrentAttention(input_size=2304, output_size=10, network=LSTM(input_size=128, hidden_size=128))
    >>> logits, state = model(torch.rand(8, 1, 2304))  # images of 48 x 48 pixels: (8, 1, 10)

    Args:
        input_size: numbers of an image, channel by channel and row by row.
        output_size: O, classes.
        network: takes glimpses as vectors of its ``input_size``; any network of sequences, with no ``output_size`` and
            no ``vocabulary`` of its own.
        glimpses: G, for each answer.
        glimpse_size: numbers a side of what is seen at each scale.
        scales: of a glimpse; each sees twice as many pixels a side as the one before, half as sharply.
        sensor_size: units that see, and units that know where.
        deviation: of places from where the policy would look, in training; 1 is half an image.
        baseline: whether the expected reward is learnt and subtracted; without it gradients are noisier.
        early_answers: weight of the loss of what would be answered before a step's last glimpse, which is rewarded too;
            0 as in the papers. It makes learning faster.
        channels: of an image, 1 for grey.
        height: rows of an image; None where images are square.

    Raises:
        ValueError: a number is out of range, or the network is not of the kind.
        TypeError: ``network`` is none.

    Source:
        Mnih et al. 2014, "Recurrent models of visual attention", arXiv:1406.6247; Ba, Mnih & Kavukcuoglu 2015,
        "Multiple object recognition with visual attention", arXiv:1412.7755.
    """

    carries_state = True

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        network: nn.Module,
        glimpses: int = 6,
        glimpse_size: int = 10,
        scales: int = 3,
        sensor_size: int = 128,
        deviation: float = 0.2,
        baseline: bool = True,
        early_answers: float = 0.0,
        channels: int = 1,
        height: int | None = None,
    ):
        super().__init__()
        sizes = {
            "input_size": input_size,
            "output_size": output_size,
            "glimpses": glimpses,
            "glimpse_size": glimpse_size,
            "scales": scales,
        }
        for name, value in {**sizes, "sensor_size": sensor_size}.items():
            check_whole(name, value)
        check_number("deviation", deviation)
        check_number("early_answers", early_answers)
        if deviation <= 0:
            raise ValueError(f"deviation is {deviation}, but must be above 0: places are drawn around the policy's")
        network = check_network("network", network, "RecurrentAttention")
        self.frame = frame_size(input_size, channels, height)
        self.input_size, self.output_size = input_size, output_size
        self.glimpses, self.glimpse_size, self.scales = glimpses, glimpse_size, scales
        self.deviation, self.baseline, self.early_answers = deviation, baseline, early_answers
        self.what = nn.Sequential(nn.Linear(scales * channels * glimpse_size**2, sensor_size), nn.ReLU())
        self.where = nn.Sequential(nn.Linear(2, sensor_size), nn.ReLU())
        self.sensor = nn.Linear(2 * sensor_size, network.input_size)
        for part in (self.what, self.where, self.sensor):
            draw_weights(part)
        self.network = network
        self.policy = nn.Linear(network.output_size, 2)
        self.expected = nn.Linear(network.output_size, 1)
        self.output = nn.Linear(network.output_size, output_size)

    def initial_state(self, batch_size: int) -> GlimpseState:
        """Nothing seen; the first glimpse goes to the middle."""
        return GlimpseState(self.network.initial_state(batch_size), self.policy.weight.new_zeros(batch_size, 2))

    def check_task(self, task: Task) -> None:
        """Raise ValueError unless the sizes are those of ``task``."""
        check_sizes(self, task)

    def forward(self, images: Tensor, state: Any = None, lengths: Any = None) -> tuple[Tensor, GlimpseState]:
        """Answers about images.

        Args:
            images: ``(B, T, input_size)``, one an answer.
            state: as returned by an earlier call, to go on looking; None starts afresh.
            lengths: ``(B,)``; steps past an item's length leave its state as it was, and its outputs are zero there.

        Returns:
            Logits ``(B, T, O)``, and the state after the last step.

        Raises:
            ValueError, TypeError: ``images``, ``state`` or ``lengths`` do not fit; the message says how.
        """
        logits, _, state = self.look(images, state, lengths)
        return logits, state

    def look(self, images: Tensor, state: Any = None, lengths: Any = None) -> tuple[Tensor, Looks, GlimpseState]:
        """:meth:`forward`, and where each glimpse went."""
        check_inputs(images, self.input_size)
        state = self.initial_state(len(images)) if state is None else state
        counts = None if lengths is None else torch.as_tensor(lengths, device=images.device)
        looks: list[Looks] = []
        for t in range(images.shape[1]):
            image, before = images[:, t].unflatten(1, self.frame), state
            for _ in range(self.glimpses):
                look, state = self._glimpse(image, state)
                looks.append(look)
            if counts is not None:
                state = where_state(counts > t, state, before)
        shape = (images.shape[1], self.glimpses)
        found = Looks(*(torch.stack(part, dim=1).unflatten(1, shape) for part in zip(*looks)))
        logits = found.logits[:, :, -1]  # (B, T, O)
        return (logits if counts is None else clear_padding(logits, counts)), found, state

    def _glimpse(self, image: Tensor, state: GlimpseState) -> tuple[Looks, GlimpseState]:
        """One look at images ``(B, C, H, W)``, and the state after it."""
        seen = glimpses(image, state.place, self.glimpse_size, self.scales).flatten(1)
        sensed = torch.cat([self.what(seen), self.where(state.place)], dim=-1)
        features, network = self.network(torch.relu(self.sensor(sensed)).unsqueeze(1), state.network)
        features = features.squeeze(1)  # (B, F)
        mean = torch.tanh(self.policy(features))
        drawn = mean.detach()
        if self.training:
            drawn = (drawn + self.deviation * torch.randn_like(drawn)).clamp(-1, 1)
        expected = self.expected(features.detach()).squeeze(1)  # what is expected does not change what is seen
        return Looks(state.place, mean, drawn, expected, self.output(features)), GlimpseState(network, drawn)

    def training_outputs(self, batch: Any, state: Any = None) -> TrainingOutputs:
        """Logits ``(B, T, O)`` of a batch, and as its auxiliary loss what teaches where to look."""
        logits, looks, state = self.look(as_parameters(self, batch.inputs), state, batch.lengths)
        inner = self.network.auxiliary_loss(state.network)
        if not self.training:
            return TrainingOutputs(logits, inner, predictions=logits.detach(), state=state)
        loss, numbers = self._reinforce(looks, batch)
        if self.early_answers and self.glimpses > 1:
            loss = loss + self.early_answers * _early_loss(looks.logits[:, :, :-1], batch.targets, batch.mask)
        return TrainingOutputs(logits, loss if inner is None else loss + inner, numbers, state=state)

    def _reinforce(self, looks: Looks, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Minus the logarithm of each choice's chance, weighed by how much better than expected it went.

        An answer is rewarded by the chance that it gives to the right class: what 1 for a right one and 0 for a wrong
        one are on average, if answers are drawn, with less noise.

        Source:
            Williams 1992; Mnih et al. 2014, equations in section 3.2.
        """
        chances = looks.logits.detach().float().softmax(-1)  # (B, T, G, O)
        wanted = batch.targets[..., None, None].expand(*chances.shape[:-1], 1)
        right = chances.gather(-1, wanted).squeeze(-1) * batch.mask.unsqueeze(2)  # (B, T, G)
        reward = rewards_to_come(right, early=bool(self.early_answers))
        counted = _without_last(batch.mask.unsqueeze(2).expand_as(reward).float())
        advantage = reward - looks.baselines.detach() if self.baseline else reward
        apart = looks.next_places - looks.means  # (B, T, G, 2)
        log_chance = -(apart**2).sum(-1) / (2 * self.deviation**2) - 2 * math.log(self.deviation)
        number = counted.sum().clamp_min(1)
        policy_loss = -(log_chance * advantage * counted).sum() / number
        expected_loss = ((looks.baselines - reward) ** 2 * counted).sum() / number
        score = apart.detach() / self.deviation**2  # the gradient of a choice's logarithm
        numbers = {
            "reward": right[:, :, -1].sum() / batch.mask.sum(),
            "gradient_variance": _variance(score * advantage.unsqueeze(-1), counted),
            "gradient_variance_without_baseline": _variance(score * reward.unsqueeze(-1), counted),
        }
        return policy_loss + expected_loss, numbers

    def predict(self, batch: Any) -> Tensor:
        """Logits ``(B, T, O)`` of a batch with ``inputs`` and ``lengths``."""
        return self(as_parameters(self, batch.inputs), lengths=batch.lengths)[0]

    def figures(self, batch: Any, predictions: Tensor) -> dict[str, Any]:
        """``glimpses``: the image with the path over it, and what each glimpse saw."""
        from .. import viz

        images = as_parameters(self, batch.inputs)
        _, looks, _ = self.look(images)
        path = looks.places[0].flatten(0, 1)  # (T G, 2)
        image = images[0, 0].unflatten(0, self.frame)
        seen = glimpses(image.expand(len(path), -1, -1, -1), path, self.glimpse_size, self.scales)
        wanted, said = batch.targets[0].tolist(), predictions[0].argmax(-1).tolist()
        title = "Looking in steps: " + ", ".join(str(w) if s == w else f"{w}, not {s}" for w, s in zip(wanted, said))
        return {"glimpses": viz.glimpses_figure(image.mean(0), path, seen.mean(2), title)}

    def backend_report(self) -> dict[str, str]:
        """The network's."""
        return self.network.backend_report()


def rewards_to_come(right: Tensor, *, early: bool) -> Tensor:
    """What each choice of a place may still change.

    Args:
        right: ``(B, T, G)``, the chance that the answer after a glimpse is right; 0 where it is not scored.
        early: count of a step the mean of the answers after the glimpses that are left, rather than the last alone.

    Returns:
        ``(B, T, G)``: of the choice after a glimpse, the step's reward (none after the step's last glimpse), and the
        answers of all steps after it.
    """
    answers = right[:, :, -1]  # (B, T)
    later = answers.flip(1).cumsum(1).flip(1) - answers
    within = answers.unsqueeze(2).expand(-1, -1, right.shape[2] - 1)
    if early:
        left = torch.arange(right.shape[2] - 1, 0, -1, device=right.device)  # glimpses after each
        within = right[:, :, 1:].flip(2).cumsum(2).flip(2) / left
    return later.unsqueeze(2) + nn.functional.pad(within, (0, 1))


def _early_loss(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Cross entropy of the answers ``(B, T, G - 1, O)`` before each step's last glimpse, in nats."""
    wanted = targets.unsqueeze(2).expand(logits.shape[:-1])
    return nn.functional.cross_entropy(logits[mask].flatten(0, 1).float(), wanted[mask].flatten())


def _without_last(counted: Tensor) -> Tensor:
    """``counted (B, T, G)`` without the last choice of each item, which leads to no glimpse."""
    flat = counted.flatten(1)
    return (flat * (flat.flip(1).cumsum(1).flip(1) > 1)).view_as(counted)


def _variance(gradient: Tensor, counted: Tensor) -> Tensor:
    """The variance of gradients ``(B, T, G, 2)`` with respect to the policy's places, both coordinates together."""
    chosen = gradient[counted.bool()]
    return chosen.var(0).sum() if len(chosen) > 1 else gradient.new_zeros(())
