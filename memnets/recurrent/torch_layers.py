"""torch's recurrent layers under the contract of :class:`memnets.SequenceModule`: states, lengths, projection."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.checks import check_whole, place_of
from ..base.modes import check_dropout
from ..base.module import SequenceModule
from ..base.state import HiddenState, LSTMState, detach_state, join_layers, layer_of, map_state, stack_states
from ..base.state_types import register_state
from ..base.transforms import transformed
from ..controllers.linear import gru_step, lstm_step, rnn_step
from .directions import reverse
from .learned_start import LearnedStart
from .scanned import Step, has_open_steps, masked, run_scanned


class Weights(NamedTuple):
    """Of one layer and direction, named as those of torch's cells."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor


class TorchLayer(SequenceModule, abc.ABC):
    """One of torch's recurrent layers with a state that is batch first and lengths that pad with zeros.

    Args:
        input_size: I, features of a step; with ``vocabulary`` the size of a token's embedding.
        hidden_size: units of each layer.
        output_size: O, or None for the last layer's hidden state.
        vocabulary: number of tokens, for inputs of whole numbers (B, T); None for inputs of numbers.
        num_layers: layers.
        dropout: share of what each layer, but the last, gives the next that is left out in training.
        bidirectional: a second row of layers goes from a sequence's last step to its first; outputs are those of both,
            side by side, and states have two entries a layer, as torch has them.
        learned_state: the state before the first step is learned, in place of zeros.
        batch_first: inputs and outputs are (B, T, .) if True, (T, B, .) if False.
        truncated_bptt_steps: cut the gradient each time this many steps have passed, or None for never.
        check_finite: refuse inputs with NaN or Inf.
        device: where the weights are, the CPU if None.
        dtype: their precision, torch's default if None.

    Raises:
        ValueError: a size below 1, ``dropout`` outside 0..1, or ``truncated_bptt_steps`` with ``bidirectional``.
    """

    layer_type: type[nn.RNNBase]
    state_type: type[LSTMState] | type[HiddenState]
    plain_step: Callable[..., Any]
    """One step of a layer as linear operations."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        output_size: int | None = None,
        vocabulary: int | None = None,
        num_layers: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = False,
        learned_state: bool = False,
        batch_first: bool = True,
        truncated_bptt_steps: int | None = None,
        check_finite: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        for name, value in {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}.items():
            check_whole(name, value)
        check_dropout(dropout, num_layers)
        if bidirectional and truncated_bptt_steps is not None:
            raise ValueError(
                f"truncated_bptt_steps is {truncated_bptt_steps}, but torch's layers go over all steps at once where "
                "they are bidirectional: leave one of the two out"
            )
        layer_type: Any = self.layer_type
        between = dropout if num_layers > 1 else 0.0  # torch would warn a second time
        layer: nn.RNNBase = layer_type(
            input_size, hidden_size, num_layers, batch_first=True, dropout=between, bidirectional=bidirectional
        )  # drawn before the output
        super().__init__(
            input_size,
            hidden_size * (2 if bidirectional else 1),
            output_size=output_size,
            vocabulary=vocabulary,
            batch_first=batch_first,
            check_finite=check_finite,
        )
        if truncated_bptt_steps is not None:
            check_whole("truncated_bptt_steps", truncated_bptt_steps)
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.truncated_bptt_steps = truncated_bptt_steps
        self.layer = layer
        self.state_start: LearnedStart | None = None
        register_state(self.make_state(1, device=torch.device("meta")))
        if learned_state:
            self.state_start = LearnedStart(self.make_state(1))
        self.place(device, dtype)

    def make_state(self, batch_size: int, *, device: torch.device | None = None) -> Any:
        """``hidden (B, L, H)``, and ``cell (B, L, H)`` for an LSTM; with two directions ``(B, 2 L, H)``.

        Zeros, or with ``learned_state`` what was learned.
        """
        place = place_of(self.layer)
        layers = self.num_layers * (2 if self.bidirectional else 1)
        zeros = torch.zeros(
            batch_size, layers, self.hidden_size, device=device or place["device"], dtype=place["dtype"]
        )
        state = self.state_type(*(zeros.clone() for _ in self.state_type._fields))
        return state if self.state_start is None else self.state_start(state)

    def run(self, inputs: Tensor, state: Any, lengths: list[int] | Tensor | None) -> tuple[Tensor, Any]:
        """The layer over ``inputs (B, T, I)``."""
        if isinstance(lengths, Tensor) or has_open_steps(inputs):
            return self._run_plainly(inputs, state, lengths)
        if self.truncated_bptt_steps is None:
            return self._run(inputs, state, lengths)
        steps, segment, outputs = inputs.shape[1], self.truncated_bptt_steps, []
        for start in range(0, steps, segment):
            state = detach_state(state) if start else state
            part = inputs[:, start : start + segment]
            within = None if lengths is None else [min(max(n - start, 0), part.shape[1]) for n in lengths]
            hidden, state = self._run(part, state, within)
            outputs.append(hidden)
        return (torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]), state

    def run_with_resets(self, resets: Tensor, inputs: Tensor, state: Any, counts: Any) -> tuple[Tensor, Any]:
        """The layer where sequences start afresh; of two directions in one layer that cannot be had."""
        if self.bidirectional:
            raise ValueError(
                f"resets cannot be had of a bidirectional {type(self).__name__}, whose directions torch mixes between "
                "layers: feed what stands between them as sequences of their own, with lengths"
            )
        return super().run_with_resets(resets, inputs, state, counts)

    def backend_report(self) -> dict[str, str]:
        """torch's own kernels are all there is."""
        return {"torch": f"chosen: torch.nn.{self.layer_type.__name__}"}

    def _run_plainly(self, inputs: Tensor, state: Any, lengths: list[int] | Tensor | None) -> tuple[Tensor, Any]:
        """Layer by layer as linear operations, which function transforms know, and exported programs of any steps."""
        features, last, directions = inputs, [], 1 + self.bidirectional
        if lengths is not None:
            lengths = torch.as_tensor(lengths, device=inputs.device)
        for layer in range(self.num_layers):
            x = features if layer == 0 else F.dropout(features, self.layer.dropout, self.training)
            ways = []
            for back in range(directions):
                number = layer * directions + back
                way = reverse(x, lengths) if back else x
                out, after = _over_time(self._step_of(number), way, layer_of(state, number), lengths)
                ways.append(reverse(out, lengths) if back else out)
                last.append(after)
            features = torch.cat(ways, dim=-1)
        return features, join_layers(last)

    def _step_of(self, number: int) -> Step:
        """One step of one layer and direction: ``(x (B, F), state (B, H)) -> (h (B, H), state)``."""
        layer, back = divmod(number, 1 + self.bidirectional)
        names = Weights._fields
        weights: Any = Weights(*(getattr(self.layer, f"{name}_l{layer}{'_reverse' * back}") for name in names))

        def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
            after = self.plain_step(weights, x, *state)
            after = self.state_type(*(after if isinstance(after, tuple) else (after,)))
            return after.hidden, after

        return step

    def _run(self, inputs: Tensor, state: Any, counts: list[int] | None) -> tuple[Tensor, Any]:
        if transformed():
            return self._run_plainly(inputs, state, counts)
        if counts is None or min(counts) == inputs.shape[1]:
            hidden, last = self.layer(inputs, self._to_torch(state))
            return hidden, self._from_torch(last)
        alive = torch.tensor([b for b, n in enumerate(counts) if n], dtype=torch.long, device=inputs.device)
        if not len(alive):
            return inputs.new_zeros(*inputs.shape[:2], self.layer.hidden_size * (1 + self.bidirectional)), state
        packed = nn.utils.rnn.pack_padded_sequence(
            inputs[alive], torch.tensor([n for n in counts if n]), batch_first=True, enforce_sorted=False
        )
        packed, last = self.layer(packed, self._to_torch(map_state(lambda tensor: tensor[alive], state)))
        hidden, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=inputs.shape[1])
        if len(alive) == len(counts):
            return hidden, self._from_torch(last)
        ended = torch.tensor([b for b, n in enumerate(counts) if not n], device=inputs.device)
        back = torch.argsort(torch.cat([alive, ended]))
        state = stack_states([self._from_torch(last), map_state(lambda tensor: tensor[ended], state)])
        hidden = torch.cat([hidden, hidden.new_zeros(len(ended), *hidden.shape[1:])])
        return hidden[back], map_state(lambda tensor: tensor[back], state)

    def _to_torch(self, state: Any) -> Any:
        parts = [part.transpose(0, 1).contiguous() for part in state]  # (L, B, H) each
        return tuple(parts) if len(parts) > 1 else parts[0]

    def _from_torch(self, last: Any) -> Any:
        parts = last if isinstance(last, tuple) else (last,)
        return self.state_type(*(part.transpose(0, 1) for part in parts))  # (B, L, H) each


def _over_time(step: Step, inputs: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
    if lengths is not None:
        step, inputs = masked(step, inputs, lengths)
    if has_open_steps(inputs):
        return run_scanned(step, inputs, state)
    outputs = []
    for x in inputs.unbind(1):
        out, state = step(x, state)
        outputs.append(out)
    return torch.stack(outputs, dim=1), state


class LSTM(TorchLayer):
    """``torch.nn.LSTM`` with the contract of the memory modules; its state is an :class:`LSTMState`.

    Arguments as for :class:`memnets.recurrent.torch_layers.TorchLayer`: ``input_size, hidden_size, *, output_size,
    vocabulary, num_layers, dropout, bidirectional, learned_state, batch_first, truncated_bptt_steps, check_finite,
    device, dtype``.
    """

    layer_type = nn.LSTM
    state_type = LSTMState
    plain_step = staticmethod(lstm_step)


class GRU(TorchLayer):
    """``torch.nn.GRU`` with the contract of the memory modules; arguments as for :class:`LSTM`."""

    layer_type = nn.GRU
    state_type = HiddenState
    plain_step = staticmethod(gru_step)


class RNN(TorchLayer):
    """``torch.nn.RNN`` (tanh) with the contract of the memory modules; arguments as for :class:`LSTM`."""

    layer_type = nn.RNN
    state_type = HiddenState
    plain_step = staticmethod(rnn_step)
