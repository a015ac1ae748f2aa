"""A reader as graphs for other runtimes: its encoder with CTC, and one step of its attention decoder."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ..attention.additive import Keys
from ..base.modes import evaluating
from ..decoding.attention_decoder import DecoderState
from .text_reader import TextReader


class Graph(NamedTuple):
    """One graph to be written.

    Attributes:
        module: takes and gives tensors alone.
        example: inputs by name, in the order of its arguments.
        outputs: names.
        dynamic: for each input its dimensions that may have any size, by name: "batch", "width" or "places".
    """

    module: nn.Module
    example: dict[str, Tensor]
    outputs: tuple[str, ...]
    dynamic: dict[str, dict[int, str]]


class _Encoder(nn.Module):
    """Images to CTC's log-probabilities, and to what the decoder looks at and starts from."""

    def __init__(self, reader: TextReader):
        super().__init__()
        self.reader = reader

    def forward(self, images: Tensor, widths: Tensor) -> tuple[Tensor, ...]:
        line = self.reader.encode(images, widths)
        given: tuple[Tensor, ...] = (line.counts,)
        if self.reader.ctc is not None:
            given += (self.reader.calibrated_log_probs(line),)
        if self.reader.decoder is not None:
            keys = self.reader.attending(line).keys
            given += (*keys, *pytree.tree_leaves(self.reader.decoder.initial_state(keys)))
        return given


class _Step(nn.Module):
    """One step of the decoder: the last symbol, what is looked at and the state, to log-probabilities and the state."""

    def __init__(self, reader: TextReader, spec: Any):
        super().__init__()
        self.reader, self.spec = reader, spec

    def forward(self, symbols: Tensor, features: Tensor, projected: Tensor, mask: Tensor, *state: Tensor) -> Any:
        before: DecoderState = pytree.tree_unflatten(list(state), self.spec)
        decoder = self.reader.decoder
        assert decoder is not None
        step, after = decoder(symbols, Keys(features, projected, mask), before)
        log_probs = torch.log_softmax(step.logits / self.reader.calibration.of_attention, dim=1)
        return (log_probs, step.weights, *pytree.tree_leaves(after)[: len(state)])


def reader_graphs(reader: TextReader) -> dict[str, Graph]:
    """The graphs of a reader: ``encoder``, and ``step`` where it has an attention decoder.

    ``encoder`` takes ``images (B, channels, H, W)`` and ``widths (B,)``. It gives ``columns (B,)``, CTC's
    ``log_probs (B, C, V)`` where there is one, and, where there is a decoder, ``features``, ``projected`` and ``mask``
    of the places that it looks at, and the tensors ``state0, ...`` of its first state. ``step`` takes ``symbols (B,)``,
    0 at first, these, and the state. It gives ``log_probs (B, V)``, ``weights (B, N)`` and the next state. Class 0 is
    the end, and CTC's blank; class n is character n - 1 of the charset, in the order of the page from the left. B, W,
    and with it C and N, may be of any size.
    """
    parameter = next(reader.parameters())
    height = getattr(reader.encoder, "height", 32)
    channels = getattr(reader.encoder, "in_channels", 1)
    images = torch.rand(2, channels, height, 5 * height, dtype=parameter.dtype, device=parameter.device)
    widths = torch.tensor([5 * height, 3 * height + 1], device=parameter.device)
    outputs = ["columns", *(["log_probs"] if reader.ctc is not None else [])]
    graphs = {}
    with evaluating(reader), torch.no_grad():
        if reader.decoder is not None:
            keys = reader.attending(reader.encode(images, widths)).keys
            leaves, spec = pytree.tree_flatten(reader.decoder.initial_state(keys))
            states = {f"state{n}": leaf.contiguous().clone() for n, leaf in enumerate(leaves)}
            outputs += ["features", "projected", "mask", *states]
            looked: dict[str, Tensor] = {name: value.clone() for name, value in keys._asdict().items()}
            places = {name: {0: "batch", 1: "places"} for name in looked}
            carried = {name: {0: "batch"} for name in states}
            carried[f"state{len(states) - 1}"] = {0: "batch", 1: "places"}  # the last weights
            graphs["step"] = Graph(
                _Step(reader, spec),
                {"symbols": torch.tensor([0, 1], device=parameter.device), **looked, **states},
                ("log_probs", "weights", *(f"next_{name}" for name in states)),
                {"symbols": {0: "batch"}, **places, **carried},
            )
    dynamic = {"images": {0: "batch", 3: "width"}, "widths": {0: "batch"}}
    return {"encoder": Graph(_Encoder(reader), {"images": images, "widths": widths}, tuple(outputs), dynamic), **graphs}


def exported(reader: TextReader, graph: Graph) -> torch.export.ExportedProgram:
    """A graph as ``torch.export`` has it; ``torch.export.save`` writes it.

    Raises:
        ValueError: a size that may be any would be fixed in it, as with a recurrent encoder.
    """
    any_size = torch.export.Dim.AUTO
    shapes: list[Any] = [dict.fromkeys(of_one, any_size) for of_one in graph.dynamic.values()]
    if "symbols" in graph.example:  # the state is one argument, of many tensors
        shapes = [*shapes[:4], tuple(shapes[4:])]
    with evaluating(reader), torch.no_grad():
        program = torch.export.export(graph.module, tuple(graph.example.values()), dynamic_shapes=tuple(shapes))
    larger = [_doubled(value, graph.dynamic[name]) for name, value in graph.example.items()]
    try:
        program.module()(*larger)
    except Exception as error:
        raise ValueError(
            "its graph would be for images of one size: an encoder of your own that looks at sizes cannot be exported"
        ) from error
    return program


def _doubled(value: Tensor, dimensions: dict[int, str]) -> Tensor:
    """An input of twice the size wherever it may have any."""
    for n in dimensions:
        value = torch.cat([value, value], n)
    return value
