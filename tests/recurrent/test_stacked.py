"""Cells one above the other: each by itself, what a trace shows of them, and what does not fit."""

import pytest
import torch
from torch.testing import assert_close

import memnets
from cases import sequences
from memnets import ACTCell, MemoryCell, Recurrent, StackedCell
from memnets.controllers import RNNController


def cell(inputs, slots=4, **options):
    return MemoryCell(inputs, memnets.StackMemory(slots, 2), controller="rnn", hidden_size=5, **options)


def test_the_upper_sees_what_the_lower_puts_out():
    torch.manual_seed(0)
    lower, upper = cell(3), cell(7)
    both = Recurrent(StackedCell([lower, upper]), backend="reference").double()
    outputs, state = both(sequences(), None, [5, 2, 0])
    hidden, first = Recurrent(lower, backend="reference")(sequences(), None, [5, 2, 0])
    expected, second = Recurrent(upper, backend="reference")(hidden, None, [5, 2, 0])
    assert_close(outputs, expected)
    assert_close(state.memory.stack, torch.stack([first.memory.stack, second.memory.stack], 1))


def test_a_trace_has_both_memories():
    model = memnets.MemoryNetwork(3, 5, memory=memnets.StackMemory(4, 2), controller="rnn", memory_layers=2)
    assert model.cell.cells[0].memory is not model.cell.cells[1].memory
    inputs = sequences(dtype=torch.float32)
    with memnets.trace(model) as trace:
        _, state = model(inputs)
    for n in (0, 1):
        assert_close(trace[f"cells.{n}.memory.stack"][:, -1], state.memory.stack[:, n])
    model.resize(6)
    assert model.initial_state(3).memory.stack.shape == (3, 2, 1, 6, 2)


def test_two_directions_of_two_layers():
    memory, options = memnets.StackMemory(4, 2), {"controller": "rnn", "memory_layers": 2, "backend": "reference"}
    model = memnets.MemoryNetwork(3, 5, memory=memory, bidirectional=True, **options)
    outputs, state = model(sequences(dtype=torch.float32))
    assert outputs.shape == (3, 5, 14)
    assert state.backward.memory.stack.shape == (3, 2, 1, 4, 2)
    assert model.auxiliary_loss(state) is None
    act = memnets.ACT(3, 5, controller="rnn", max_passes=2, bidirectional=True, backend="reference")
    _, state = act(sequences(dtype=torch.float32))
    assert_close(act.auxiliary_loss(state), sum(act.cell.auxiliary_loss(s) for s in state))


def test_auxiliary_losses_add_up():
    torch.manual_seed(0)
    cells = [ACTCell(RNNController(inputs + 1, 4), max_passes=2) for inputs in (3, 4)]
    model = Recurrent(StackedCell(cells), backend="reference").double()
    _, state = model(sequences())
    parts = [type(state)(*(t[:, n] for t in (state.ponder, state.ponder, state.steps, state.shares))) for n in (0, 1)]
    assert_close(model.auxiliary_loss(state), sum(c.auxiliary_loss(s) for c, s in zip(cells, parts)))


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="cells is empty"):
        StackedCell([])
    with pytest.raises(ValueError, match="cell 1 has input_size=3, but the one below puts out 7"):
        StackedCell([cell(3), cell(3)])
    with pytest.raises(ValueError, match=r"the state of cell 1 has shapes .*5, 2.* where the one below has .*4, 2"):
        StackedCell([cell(3), cell(7, slots=5)])
    with pytest.raises(ValueError, match="memory_layers is 0, but must be at least 1"):
        memnets.MemoryNetwork(3, 5, memory=memnets.StackMemory(4, 2), memory_layers=0)
