"""The one list of all memories, cells and recurrent modules, and what the tests of their contracts share."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import memnets
import oracles
from memnets.base.state import map_state
from memnets.layers import (
    AttentionLayer,
    DeltaLayer,
    FastWeightsCell,
    LinearAttentionLayer,
    MosaicLayer,
    TitansAttentionLayer,
    TitansContextLayer,
    TitansLayer,
    WindowAttentionLayer,
)
from memnets.models.blocks import BlockNetwork
from oracles import halting, layers, memories, sentences

INPUTS, HIDDEN, BATCH, STEPS = 3, 5, 3, 5
COUNTS = {memnets.TapeState: ("given",), memnets.MANNState: ("usage",)}
"""Fields of states that only count or put slots in order, though in the precision of the others."""
GROWING = (
    memnets.AttentionState,
    memnets.MosaicState,
    memnets.NondeterministicStackState,
    memnets.SentenceState,
)
ABOVE = {"attention": "layer", "attention_window": 4, "persistent": 0}
BASELINES = {memnets.LSTM: "lstm", memnets.GRU: "gru", memnets.RNN: "rnn"}


class Case(NamedTuple):
    """A module under every contract; ``build`` takes the options that all of them share."""

    name: str
    build: Callable[..., nn.Module]

    def make(self, dtype: torch.dtype = torch.float64, seed: int = 1, **options: Any) -> Any:
        torch.manual_seed(seed)
        return self.build(**options).to(dtype)


def ntm(name: str, **arguments: Any) -> Case:
    sizes = {"slots": 6, "width": 4, **arguments}
    return Case(name, lambda **options: memnets.NTM(INPUTS, HIDDEN, **sizes, **options))


def network(name: str, memory: memnets.Memory, **arguments: Any) -> Case:
    def build(**options: Any) -> nn.Module:
        return memnets.MemoryNetwork(INPUTS, HIDDEN, memory=copy.deepcopy(memory), **arguments, **options)

    return Case(name, build)


def pondering(kind: type[nn.Module], name: str, **arguments: Any) -> Case:
    return Case(name, lambda **options: kind(INPUTS, HIDDEN, **copy.deepcopy(arguments), **options))


def baseline(kind: type[nn.Module], name: str, **arguments: Any) -> Case:
    return Case(name, lambda **options: kind(INPUTS, HIDDEN, **arguments, **options))


def blocks(kind: type[nn.Module], name: str, **arguments: Any) -> Case:
    return Case(name, lambda **options: kind(INPUTS, 6, heads=2, feedforward_size=7, **arguments, **options))


def nondeterministic(**options: Any) -> nn.Module:
    plain = {"normalized": True, "read_states": False, "controller": "rnn"}
    return memnets.NondeterministicStackRNN(INPUTS, HIDDEN, states=1, **plain, **options)


def around_a_cell(**options: Any) -> nn.Module:
    memory = memnets.NTMMemory(slots=6, width=4, read_heads=2)
    cell = memnets.MemoryCell(INPUTS, memory, controller="gru", hidden_size=HIDDEN)
    return memnets.Recurrent(cell, output_size=2, **options)


CASES = [
    ntm("ntm-lstm"),
    ntm("ntm-lstm-reference", backend="reference"),
    ntm("ntm-lstm-2-layers", num_layers=2, output_size=2),
    ntm("ntm-lstm-2-layers-reference", num_layers=2, output_size=2, backend="reference"),
    ntm("ntm-gru", controller="gru", output_size=2),
    ntm("ntm-rnn", controller="rnn", output_size=2, num_layers=2),
    ntm("ntm-feedforward", controller="feedforward", output_size=2),
    ntm("ntm-many-heads", read_heads=2, write_heads=3),
    ntm("ntm-no-shift", shift_range=0, output_size=2),
    ntm("ntm-more-shifts-than-slots", shift_range=2, slots=3, output_size=2),
    Case("recurrent-memory-cell", around_a_cell),
    network("dnc", memnets.DNCMemory(5, 4), output_size=2),
    network("dnc-many-heads", memnets.DNCMemory(6, 3, read_heads=2, write_heads=2), controller="gru"),
    network("dnc-masked-deallocating-sharpened", memnets.DNCMemory(5, 4, 2, 1, True, True, True), controller="rnn"),
    Case("dnc-model", lambda **options: memnets.DNC(INPUTS, HIDDEN, slots=5, width=4, **options)),
    Case("mann-model", lambda **options: memnets.MANN(INPUTS, HIDDEN, slots=6, width=3, read_heads=2, **options)),
    network("mann-options", memnets.MANNMemory(5, 4, 2, 0.9, True, True, True), output_size=2),
    Case("sam-model", lambda **options: memnets.SAM(INPUTS, HIDDEN, slots=8, width=3, heads=2, nonzero=3, **options)),
    network("sam-plain-full", memnets.SAMMemory(4, 3, heads=2, nonzero=2), backend="reference", output_size=2),
    Case(
        "sdnc-model",
        lambda **options: memnets.SDNC(INPUTS, HIDDEN, slots=7, width=3, heads=2, nonzero=2, links=2, **options),
    ),
    network(
        "sdnc-plain-full", memnets.SDNCMemory(3, 3, heads=1, nonzero=2, links=3), backend="reference", output_size=2
    ),
    network("stack", memnets.StackMemory(6, 4), output_size=2),
    network("stacks-gru", memnets.StackMemory(3, 2, stacks=3, joint=True), controller="gru"),
    Case("stack-model", lambda **options: memnets.StackRNN(INPUTS, HIDDEN, slots=4, width=3, stacks=2, **options)),
    Case("neural-stack", lambda **options: memnets.NeuralStack(INPUTS, HIDDEN, slots=7, width=3, **options)),
    network("neural-queue", memnets.NeuralStackMemory(6, 2, stacks=2, kind="queue"), controller="gru", output_size=2),
    network("nondeterministic-stack", memnets.NondeterministicStackMemory(2, 2), output_size=2),
    Case("nondeterministic-stack-model", nondeterministic),
    network("tape", memnets.TapeMemory(6, 3), output_size=2),
    Case(
        "tape-model", lambda **options: memnets.TapeRNN(INPUTS, HIDDEN, slots=4, tapes=2, empty_channel=-1, **options)
    ),
    network("delta", memnets.DeltaMemory(4, 3), output_size=2),
    network("delta-many-heads-feedforward", memnets.DeltaMemory(3, 5, heads=2), controller="feedforward"),
    pondering(memnets.ACT, "act-rnn", controller="rnn", max_passes=3, output_size=2),
    pondering(
        memnets.ACT, "act-stack", memory=memnets.StackMemory(3, 2), controller="rnn", max_passes=2, backend="reference"
    ),
    pondering(memnets.Repeat, "repeat-delta", memory=memnets.DeltaMemory(3, 2), repeats=2, backend="reference"),
    network("stack-upon-stack", memnets.StackMemory(3, 2), controller="rnn", memory_layers=2, output_size=2),
    baseline(memnets.LSTM, "lstm"),
    baseline(memnets.LSTM, "lstm-2-layers", num_layers=2, output_size=2),
    baseline(memnets.GRU, "gru", output_size=2),
    baseline(memnets.RNN, "rnn", num_layers=2, output_size=2),
    blocks(memnets.DeltaNet, "delta-net"),
    blocks(memnets.DeltaNet, "delta-net-step-by-step", chunk=None, key_width=4, convolution=2, output_size=2),
    blocks(memnets.DeltaNet, "delta-net-2-layers", num_layers=2, chunk=2, negative_eigenvalues=True, value_width=2),
    blocks(memnets.DeltaNet, "delta-product", products=3, chunk=4, negative_eigenvalues=True),
    blocks(memnets.GatedDeltaNet, "gated-delta-net", chunk=2, output_size=2),
    blocks(memnets.GatedDeltaNet, "gated-delta-product", products=2, num_layers=2, chunk=None),
    blocks(memnets.LinearAttention, "linear-attention", num_layers=2, chunk=2, output_size=2),
    blocks(memnets.LinearAttention, "linear-attention-step-by-step", chunk=None),
    Case("end-to-end", lambda **options: memnets.EndToEndMemory(INPUTS, 5, ages=3, output_size=2, **options)),
    blocks(memnets.MemoryMosaic, "memory-mosaic", num_layers=2, output_size=2),
    blocks(memnets.DeltaNet, "delta-net-product-keys", product_keys=8, chunk=None, convolution=1),
    blocks(memnets.Titans, "titans-deep-omega", depth=2, chunk=2, window=3, decay=False, output_size=2),
    blocks(memnets.Titans, "titans-gate", attention="gate", attention_window=3, persistent=2, chunk=2),
    blocks(memnets.Titans, "titans-context", attention="context", persistent=2, chunk=2, depth=2, output_size=2),
    blocks(memnets.Titans, "titans-layer", **ABOVE, chunk=1, momentum=False, parallel=False),
    baseline(memnets.FastWeights, "fast-weights", output_size=2),
    baseline(memnets.FastWeights, "fast-weights-settling", inner_steps=3, decay=0.8, rate=0.3),
    blocks(memnets.Transformer, "transformer", output_size=2),
    blocks(memnets.Transformer, "transformer-none", positions="none", num_layers=2),
    blocks(memnets.Transformer, "transformer-sinusoidal", positions="sinusoidal"),
    blocks(memnets.Transformer, "transformer-alibi", positions="alibi", num_layers=2),
]

TWO_WAYS = [
    ntm("ntm-two-ways", controller="gru", output_size=2, bidirectional=True),
    baseline(memnets.FastWeights, "fast-weights-two-ways", bidirectional=True),
    baseline(memnets.LSTM, "lstm-two-ways", num_layers=2, bidirectional=True),
]
"""Modules that see the whole sequence at each step: their oracle is in ``tests/recurrent/test_directions.py``."""


def sequences(batch: int = BATCH, steps: int = STEPS, seed: int = 2, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, steps, INPUTS, generator=generator, dtype=torch.float64).to(dtype)


def used_state(module: Any, batch: int = BATCH, seed: int = 3) -> Any:
    """A state that is not the initial one."""
    dtype = next(module.parameters()).dtype
    inputs = sequences(batch, seed=seed, dtype=dtype)
    with torch.no_grad():
        return module(inputs if module.batch_first else inputs.transpose(0, 1))[1]


def clone_state(state: Any) -> Any:
    return map_state(lambda tensor: tensor.detach().clone(), state)


def numbers_of(state: Any) -> list[Tensor]:
    """The tensors of a state that have a precision and gradients: a count of steps has neither."""
    if isinstance(state, Tensor):
        return [state] if state.is_floating_point() else []
    counts = COUNTS.get(type(state), ())
    return [t for name, part in zip(state._fields, state) if name not in counts for t in numbers_of(part)]


def carried(state: Any) -> list[Tensor]:
    """Those numbers of a state on which the outputs that follow depend: of a tally of passes they do not."""
    numbers = numbers_of(state.cell if isinstance(state, memnets.PonderState) else state)
    return [tensor for tensor in numbers if tensor.numel()]


def leaves_of(state: Any) -> Any:
    """A state whose numbers have gradients; counts have none."""
    return map_state(lambda tensor: tensor.clone().requires_grad_(tensor.is_floating_point()), state)


def assert_same_state(got: Any, want: Any, **tolerance: float) -> None:
    """Equal up to rounding; what of a state that grows is filled up with zeros is none of it."""
    assert type(got) is type(want)
    if isinstance(got, memnets.NondeterministicStackState):
        got, want = without_gaps(got), without_gaps(want)
    for a, b in zip(got, want, strict=True):
        if not isinstance(a, Tensor):
            assert_same_state(a, b, **tolerance)
            continue
        if isinstance(got, GROWING):
            a, b = filled_up(a, b), filled_up(b, a)
        assert_close(a, b, **tolerance)


def without_gaps(state: memnets.NondeterministicStackState) -> memnets.NondeterministicStackState:
    """The slots that were ever a top, in order: others come in where sequences of a batch start at other times."""
    given = state.beneath.flatten(2).ne(0).any(-1)  # (B, N)
    given[:, 0] = True
    order = (~given).int().argsort(dim=1, stable=True)  # (B, N)
    each = torch.arange(len(order)).unsqueeze(1)
    beneath = state.beneath[each.unsqueeze(2), order.unsqueeze(2), order.unsqueeze(1)]
    return state._replace(standing=state.standing[each, order], beneath=beneath)


def filled_up(tensor: Tensor, other: Tensor) -> Tensor:
    """``tensor`` with zeros at the end of each dimension in which ``other`` is larger."""
    more = [max(theirs - own, 0) for own, theirs in zip(tensor.shape[::-1], other.shape[::-1])]
    return nn.functional.pad(tensor, [n for size in more for n in (0, size)])


def is_memory(module: nn.Module) -> bool:
    """Whether it is one controller with one memory."""
    return isinstance(getattr(module, "cell", None), memnets.MemoryCell)


def run_oracle(module: Any, inputs: Tensor) -> tuple[np.ndarray, list[np.ndarray]]:
    """What the loops of ``oracles`` make of ``inputs`` (B, T, I): outputs, and the last state's arrays in order."""
    weights = {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}
    array = inputs.double().numpy()
    if type(module) in BASELINES:
        outputs, state = oracles.baseline(BASELINES[type(module)], array, weights)
        return outputs, list(state.values())
    if module.vocabulary is not None:
        array = weights["embedding.weight"][inputs.numpy()]
    if isinstance(module, memnets.EndToEndMemory):
        return end_to_end(module, array, inputs, weights)
    if isinstance(module, BlockNetwork):
        return layers.network(array, weights, loops_of_layer(module.layers[0]))
    if isinstance(module.cell, FastWeightsCell):
        return layers.fast_weights(array, weights, module.cell.inner_steps, module.cell.decay, module.cell.rate)
    if isinstance(module.cell, (memnets.ACTCell, memnets.RepeatCell)):
        return halting.network(array, weights, module.cell, loops_of)
    if isinstance(module.cell, memnets.StackedCell):
        return halting.stacked(array, weights, module.cell, loops_of)
    kind = type(module.cell.controller).__name__.removesuffix("Controller").lower()
    outputs, controller, last, reads = memories.network(kind, array, weights, loops_of(module.cell.memory))
    return outputs, [*controller.values(), *last, reads]


def end_to_end(module: Any, array: np.ndarray, inputs: Tensor, weights: Any) -> tuple[np.ndarray, list[np.ndarray]]:
    """Of features (B, T, I), and the tokens or numbers that they are of."""
    ends = np.ones(array.shape[:2], dtype=int)
    if module.sentence_ends is not None:
        ends = np.isin(inputs.numpy(), module.sentence_ends).astype(int)
    return sentences.network(array, ends, weights, module.hops)


def loops_of_layer(layer: Any) -> layers.Layer:
    """The loops of a layer."""
    match layer:
        case DeltaLayer(heads=heads, key_width=key, value_width=value, products=products):
            negative, decay = layer.negative_eigenvalues, layer.decay is not None
            return layers.delta_layer(heads, key, value, products, decay, negative)
        case LinearAttentionLayer():
            return layers.linear_attention_layer(layer.heads)
        case TitansLayer(depth=depth, chunk=chunk, window=window):
            return layers.titans_layer(layer.heads, depth, chunk, window)
        case WindowAttentionLayer(heads=heads, window=window):
            return layers.window_attention_layer(heads, window)
        case TitansContextLayer(heads=heads, memory=memory):
            return layers.titans_context_layer(heads, memory.chunk, loops_of_layer(memory))
        case TitansAttentionLayer(place=place):
            return layers.titans_attention_layer(place, loops_of_layer(layer.memory), loops_of_layer(layer.attention))
        case MosaicLayer():
            return layers.mosaic_layer(layer.heads)
        case AttentionLayer():
            return layers.attention_layer(layer.heads, layer.positions)
    raise AssertionError(f"write the loops of {type(layer).__name__} in tests/oracles/layers.py")


def loops_of(memory: Any) -> memories.LoopMemory:
    """The loops of a memory."""
    m = memory
    match memory:
        case memnets.NTMMemory():
            return memories.ntm(m.slots, m.width, m.read_heads, m.write_heads, m.shift_range)
        case memnets.DNCMemory():
            sizes = m.slots, m.width, m.read_heads, m.write_heads
            return memories.dnc_memory(*sizes, m.masked, m.deallocation, m.sharpened)
        case memnets.MANNMemory():
            return memories.mann_memory(m.slots, m.width, m.read_heads, m.decay, m.values, m.strength, m.shared)
        case memnets.NeuralStackMemory():
            return memories.neural_stack_memory(m.slots, m.width, m.stacks, m.kind)
        case memnets.NondeterministicStackMemory():
            return memories.nondeterministic_stack_memory(m.states, m.symbols, m.normalized, m.read_states)
        case memnets.SDNCMemory():
            return memories.sdnc_memory(m.slots, m.width, m.heads, m.nonzero, m.links)
        case memnets.SAMMemory():
            return memories.sam_memory(m.slots, m.width, m.heads, m.nonzero)
        case memnets.StackMemory():
            return memories.stack_memory(m.slots, m.width, m.stacks, m.joint)
        case memnets.TapeMemory():
            return memories.tape_memory(m.slots, m.width, m.tapes, m.empty_channel)
        case memnets.DeltaMemory():
            return memories.delta_memory(m.key_width, m.width, m.heads)
    raise AssertionError(f"write the loops of {type(memory).__name__} in tests/oracles/memories.py")


def weighted(tensors: Any) -> Any:
    """A sum in which no two numbers weigh the same, so that no gradients cancel."""
    generator = torch.Generator().manual_seed(7)
    return sum((x * torch.randn(x.shape, generator=generator, dtype=x.dtype)).sum() for x in tensors)


every_module = pytest.mark.parametrize("case", CASES + TWO_WAYS, ids=lambda case: case.name)
one_way = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)  # what a later step cannot change
