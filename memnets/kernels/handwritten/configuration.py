"""What the Triton kernel knows of a cell: its configurations, its parameters, and the plan of a sequence."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from ...controllers import FeedforwardController, LSTMController
from ...memories.ntm import NTMMemory

MEMORY_CELL = ("memnets.recurrent.cell", "MemoryCell")
"""By name: a kernel stands below what runs it over time."""


class Plan(NamedTuple):
    """What of a configuration the tensors' shapes do not tell."""

    lstm: bool
    layers: int
    shifts: int


def unknown(cell: Any) -> str | None:
    """Why no fused kernel knows how ``cell`` is built, or None."""
    if (type(cell).__module__, type(cell).__name__) != MEMORY_CELL:
        return f"it knows MemoryCell only, not {type(cell).__name__}"
    if type(cell.memory) is not NTMMemory:
        return f"it knows the memory NTMMemory only, not {type(cell.memory).__name__}"
    if type(cell.controller) not in (LSTMController, FeedforwardController):
        return f"it knows the controllers lstm and feedforward only, not {type(cell.controller).__name__}"
    if cell.masks_size:
        return "it knows no dropout between the controller's layers"
    kind = nn.LSTMCell if type(cell.controller) is LSTMController else nn.Linear
    layers: Any = cell.controller.layers
    interface: Any = nn.Linear
    if any(type(layer).forward is not kind.forward for layer in layers) or (
        type(cell.interface).forward is not interface.forward
    ):
        return "a layer of the cell was replaced by one of another kind"
    found = parameters_of(cell)
    if any(tensor is None for tensor in found):
        return "a layer of the cell has no bias"
    return _misfit(cell, found)


def _misfit(cell: Any, found: Sequence[Tensor]) -> str | None:
    """Where a parameter has another size than the cell's parts say: the kernels would read past its end."""
    memory, controller = cell.memory, cell.controller
    hidden, layers = controller.hidden_size, controller.num_layers
    emitted = (memory.read_heads + memory.write_heads) * (memory.width + 3 + 2 * memory.shift_range + 1)
    sizes = _sizes(
        type(controller) is LSTMController,
        cell.input_size + memory.read_heads * memory.width,
        hidden,
        layers,
        emitted + 2 * memory.write_heads * memory.width,
    )
    for tensor, size in zip(found, sizes):
        if tensor.shape != size:
            return f"a parameter of the cell has shape {tuple(tensor.shape)}, and its sizes ask for {size}"
    return None if len(found) == len(sizes) else f"the controller has not {layers} layers"


def _sizes(lstm: bool, inputs: int, hidden: int, layers: int, emitted: int) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for size in [inputs, *[hidden] * (layers - 1)]:
        found += [(4 * hidden, size), (4 * hidden, hidden), (4 * hidden,), (4 * hidden,)] if lstm else []
        found += [] if lstm else [(hidden, size), (hidden,)]
    return [*found, (emitted, hidden), (emitted,)]


def _names(cell: Any) -> tuple[str, ...]:
    lstm = type(cell.controller) is LSTMController
    return ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if lstm else ("weight", "bias")


def parameters_of(cell: Any) -> list[Tensor]:
    """Each layer's parameters, then the interface's, in the order of :func:`layer_parameters`."""
    found = [getattr(layer, name) for layer in cell.controller.layers for name in _names(cell)]
    return [*found, cell.interface.weight, cell.interface.bias]


def plan_of(cell: Any) -> Plan:
    """The plan of a cell that is not :func:`unknown`."""
    lstm = type(cell.controller) is LSTMController
    return Plan(lstm, cell.controller.num_layers, 2 * cell.memory.shift_range + 1)


def layer_parameters(plan: Plan, parameters: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    """For each layer (weight_ih, weight_hh, bias_ih, bias_hh), or (weight, bias) without recurrence."""
    size = 4 if plan.lstm else 2
    return [parameters[n * size : (n + 1) * size] for n in range(plan.layers)]


def bias_of(layer: Sequence[Tensor]) -> Tensor:
    """All that a layer adds to its sums, (G)."""
    return layer[2] + layer[3] if len(layer) == 4 else layer[1]
