"""Looking at an image in steps: where to look next is learnt by reinforcement."""

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
from ..vision.glimpses import glimpses, image_pyramid
from ..vision.image_encoder import draw_weights
from ..vision.places import COORDINATES, Choice, place_in, place_near

BRIGHT = 30.0
"""At first a cell's chance is a softmax of so many times what its maps show on average: places are drawn where they are
bright, and often there is something to learn from. What places are good is learnt from there on."""


@known_state
class GlimpseState(NamedTuple):
    """The network's state, and ``place (B, 2)``, x and y from -1 to 1: where the next glimpse goes; with a ``context``,
    where the last one went."""

    network: Any
    place: Tensor


class Looks(NamedTuple):
    """Every glimpse of a batch, G a step.

    Attributes:
        places: ``(B, T, G, 2)``, where each looked.
        log_chances, scores: ``(B, T, G)`` and ``(B, T, G, D)``, of the choice of that place: see
            :class:`memnets.vision.places.Choice`; zero where it was no choice.
        baselines: ``(B, T, G)``, the reward that was expected then.
        logits: ``(B, T, G, O)``, what would be answered after each glimpse; the last of a step is its answer.
    """

    places: Tensor
    log_chances: Tensor
    scores: Tensor
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
        sensor_size: units that know where, and units that see where there is no ``encoder``.
        encoder: sees: any module from glimpses ``(N, scales * channels, glimpse_size, glimpse_size)`` to vectors
            ``(N, F)`` with F as its ``output_size``, such as ``memnets.vision.VGG``; None for one layer of units.
        context: sees the whole image, coarsely, before the first glimpse of an answer: any module from images of
            ``(N, channels, H / c, W / c)`` to maps ``(N, K, h, w)`` with K as its ``output_size``, such as
            ``memnets.vision.ContextMaps``. The first glimpse's place is then chosen among the cells of its maps
            (:func:`memnets.vision.places.place_in`), and further glimpses move on from there. None for not, as in the
            first paper: the first glimpse goes to the middle, and each further place is chosen anew.
        context_cell: c, pixels a side of the cells whose means ``context`` sees.
        reach: how far a glimpse may move from the one before, each way, where there is a ``context``; 1 is half an
            image. What is seen changes smoothly with a move, so that its own gradient teaches it.
        deviation: of places from where the policy would look, or a move leads, in training; 1 is half an image. Not of
            cells.
        baseline: whether the expected reward is learnt and subtracted; without it gradients are noisier.
        early_answers: weight of the loss of what would be answered before a step's last glimpse, which is rewarded too;
            0 as in the papers. It makes learning faster.
        channels: of an image, 1 for grey.
        height: rows of an image; None where images are square.

    Raises:
        ValueError: a number is out of range, the network is not of the kind, or a part has no ``output_size``.
        TypeError: ``network`` is none.

    Source:
        Mnih et al. 2014, "Recurrent models of visual attention", arXiv:1406.6247; Ba, Mnih & Kavukcuoglu 2015,
        "Multiple object recognition with visual attention", arXiv:1412.7755 (section 3.1 for the context);
        Jaderberg et al. 2015, "Spatial transformer networks", arXiv:1506.02025, section 3.3, for gradients of places.
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
        encoder: nn.Module | None = None,
        context: nn.Module | None = None,
        context_cell: int = 4,
        reach: float = 0.25,
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
        for name, value in {**sizes, "sensor_size": sensor_size, "context_cell": context_cell}.items():
            check_whole(name, value)
        for name, value in {"deviation": deviation, "early_answers": early_answers, "reach": reach}.items():
            check_number(name, value)
        if deviation <= 0:
            raise ValueError(f"deviation is {deviation}, but must be above 0: places are drawn around the policy's")
        if reach <= 0:
            raise ValueError(f"reach is {reach}, but must be above 0: glimpses move by up to it")
        network = check_network("network", network, "RecurrentAttention")
        self.frame = frame_size(input_size, channels, height)
        self.input_size, self.output_size = input_size, output_size
        self.glimpses, self.glimpse_size, self.scales = glimpses, glimpse_size, scales
        self.reach, self.deviation, self.baseline, self.early_answers = reach, deviation, baseline, early_answers
        if encoder is None:
            encoder = nn.Sequential(
                nn.Flatten(), nn.Linear(scales * channels * glimpse_size**2, sensor_size), nn.ReLU()
            )
            draw_weights(encoder)
            seen_size = sensor_size
        else:
            seen_size = _size_of("encoder", encoder)
        self.encoder = encoder
        self.where = nn.Sequential(nn.Linear(2, sensor_size), nn.ReLU())
        self.sensor = nn.Linear(seen_size + sensor_size, network.input_size)
        self.context, self.context_cell = context, context_cell
        self.overview, places = nn.Identity(), 2
        if context is not None:
            maps = _size_of("context", context)
            if self.frame[1] % context_cell or self.frame[2] % context_cell:
                raise ValueError(
                    f"images are {self.frame[1]} x {self.frame[2]} pixels, but with context_cell {context_cell} must "
                    "be multiples of it: give one that divides both sides"
                )
            self.overview, places = nn.Linear(maps, network.input_size), maps + COORDINATES
            draw_weights(self.overview)
        for part in (self.where, self.sensor):
            draw_weights(part)
        self.network = network
        self.policy = nn.Linear(network.output_size, places)
        if context is not None:
            nn.init.constant_(self.policy.bias[:-COORDINATES], BRIGHT / (places - COORDINATES))
            self.move = nn.Linear(network.output_size, 2)
            nn.init.normal_(self.move.weight, std=0.1 / network.output_size**0.5)  # at first it stays where it is
            nn.init.zeros_(self.move.bias)
        self.expected = nn.Linear(network.output_size, 1)
        self.output = nn.Linear(network.output_size, output_size)

    def initial_state(self, batch_size: int) -> GlimpseState:
        """Nothing seen, from the middle."""
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
        nothing = state.place.new_zeros(len(images))
        choice, expected = Choice(state.place, nothing, torch.zeros_like(state.place)), nothing
        for t in range(images.shape[1]):
            image, before, network = images[:, t].unflatten(1, self.frame), state, state.network
            pyramid, maps = image_pyramid(image, self.scales), None
            if self.context is not None:
                maps = self.context(nn.functional.avg_pool2d(image, self.context_cell))
                features, network = self._overview(maps, network)
                choice, expected = self._choose(features, maps, choice.place)
            for number in range(self.glimpses):
                features, network = self._glimpse(pyramid, choice.place, network)
                looks.append(Looks(*choice, expected, self.output(features)))
                if maps is None:
                    choice, expected = self._choose(features, None, choice.place)
                elif number < self.glimpses - 1:
                    choice = self._move(choice, features)
            state = GlimpseState(network, choice.place)
            if counts is not None:
                state = where_state(counts > t, state, before)
        shape = (images.shape[1], self.glimpses)
        found = Looks(*(torch.stack(part, dim=1).unflatten(1, shape) for part in zip(*looks)))
        logits = found.logits[:, :, -1]  # (B, T, O)
        return (logits if counts is None else clear_padding(logits, counts)), found, state

    def _overview(self, maps: Tensor, network: Any) -> tuple[Tensor, Any]:
        """A coarse look at all of images, by their maps ``(B, K, h, w)``: features ``(B, F)``, the network's state."""
        seen = torch.relu(self.overview(maps.mean((2, 3))))
        features, network = self.network(seen.unsqueeze(1), network)
        return features.squeeze(1), network

    def _glimpse(self, pyramid: list[Tensor], place: Tensor, network: Any) -> tuple[Tensor, Any]:
        """One look at images: features ``(B, F)`` of all that was seen, and the network's state."""
        what = self.encoder(glimpses(pyramid, place, self.glimpse_size).flatten(1, 2))  # of (B, S C, n, n)
        sensed = torch.relu(self.sensor(torch.cat([what, self.where(place)], dim=-1)))
        features, network = self.network(sensed.unsqueeze(1), network)
        return features.squeeze(1), network

    def _choose(self, features: Tensor, maps: Tensor | None, last: Tensor) -> tuple[Choice, Tensor]:
        """Where to look after features ``(B, F)`` and the last place; the reward that is expected ``(B,)``."""
        said = self.policy(features)
        expected = self.expected(features.detach()).squeeze(1)  # what is expected does not change what is seen
        if maps is None:
            return place_near(torch.tanh(said), self.deviation, draw=self.training), expected
        return place_in(maps, said, last, draw=self.training), expected

    def _move(self, last: Choice, features: Tensor) -> Choice:
        """A place near the last one, through which gradients go; it is no choice that is rewarded."""
        place = last.place + self.reach * torch.tanh(self.move(features))
        if self.training:
            place = place + self.deviation * torch.randn_like(place)
        return Choice(place.clamp(-1, 1), torch.zeros_like(last.log_chance), torch.zeros_like(last.score))

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
        counted = batch.mask.unsqueeze(2).repeat(1, 1, self.glimpses).float()  # (B, T, G)
        if self.context is None:
            counted[:, 0, 0] = 0  # where the first glimpse goes was not chosen here
        else:
            counted[:, :, 1:] = 0  # moves are no choices
        advantage = reward - looks.baselines.detach() if self.baseline else reward
        number = counted.sum().clamp_min(1)
        policy_loss = -(looks.log_chances * advantage * counted).sum() / number
        expected_loss = ((looks.baselines - reward) ** 2 * counted).sum() / number
        numbers = {
            "reward": right[:, :, -1].sum() / batch.mask.sum(),
            "gradient_variance": _variance(looks.scores * advantage.unsqueeze(-1), counted),
            "gradient_variance_without_baseline": _variance(looks.scores * reward.unsqueeze(-1), counted),
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
        pyramid = image_pyramid(image.expand(len(path), -1, -1, -1), self.scales)
        seen = glimpses(pyramid, path, self.glimpse_size)
        wanted, said = batch.targets[0].tolist(), predictions[0].argmax(-1).tolist()
        title = "Looking in steps: " + ", ".join(str(w) if s == w else f"{w}, not {s}" for w, s in zip(wanted, said))
        return {"glimpses": viz.glimpses_figure(image.mean(0), path, seen.mean(2), title)}

    def backend_report(self) -> dict[str, str]:
        """The network's."""
        return self.network.backend_report()


def _size_of(name: str, part: Any) -> int:
    """The ``output_size`` of the argument ``name``; TypeError if it is no module, ValueError if it has none."""
    if not isinstance(part, nn.Module):
        raise TypeError(f"{name} is {part!r}, but must be a module such as one of memnets.vision")
    size = getattr(part, "output_size", None)
    if not isinstance(size, int):
        raise ValueError(
            f"{name} is a {type(part).__name__} without output_size: give it this attribute, the numbers it makes"
        )
    return size


def rewards_to_come(right: Tensor, *, early: bool) -> Tensor:
    """What the choice of a glimpse's place may change.

    Args:
        right: ``(B, T, G)``, the chance that the answer after a glimpse is right; 0 where it is not scored.
        early: count of the glimpse's step the mean of its answer and of those after later glimpses, rather than the
            step's last alone.

    Returns:
        ``(B, T, G)``: the reward of the glimpse's step, and those of all steps after it.
    """
    answers = right[:, :, -1]  # (B, T)
    later = answers.flip(1).cumsum(1).flip(1) - answers
    within = answers.unsqueeze(2).expand_as(right)
    if early:
        left = torch.arange(right.shape[2], 0, -1, device=right.device)  # answers from each glimpse on
        within = right.flip(2).cumsum(2).flip(2) / left
    return later.unsqueeze(2) + within


def _early_loss(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Cross entropy of the answers ``(B, T, G - 1, O)`` before each step's last glimpse, in nats."""
    wanted = targets.unsqueeze(2).expand(logits.shape[:-1])
    return nn.functional.cross_entropy(logits[mask].flatten(0, 1).float(), wanted[mask].flatten())


def _variance(gradient: Tensor, counted: Tensor) -> Tensor:
    """The variance of gradients ``(B, T, G, D)`` with respect to what the policy says, summed over its D numbers."""
    chosen = gradient[counted.bool()]
    return chosen.var(0).sum() if len(chosen) > 1 else gradient.new_zeros(())
