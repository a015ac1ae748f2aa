"""Memories of one's own go through the contracts, and what breaks one is named."""

import pytest
import torch
from torch.testing import assert_close

import memnets
from cases import INPUTS, sequences
from memnets import DeltaMemory, DNCMemory, MemoryNetwork, NTMMemory, Recurrent, StackMemory
from memnets.base.state import map_state
from memnets.testing import check_memory
from memories.own_memories import History, Queue, TwoMemories


@pytest.mark.parametrize("controller", ["lstm", "gru", "feedforward"])
def test_a_queue_keeps_every_contract(controller):
    check_memory(Queue(), controller=controller)


@pytest.mark.parametrize(
    "memory", [NTMMemory(5, 3, 2, 2), DNCMemory(4, 3, 2), StackMemory(4, 3, 2), DeltaMemory(3, 4, 2)], ids=repr
)
def test_the_memories_that_ship_do_too(memory):
    check_memory(memory)


def test_a_memory_that_grows_keeps_every_contract():
    check_memory(History())


def test_of_a_memory_that_grows_sequences_of_any_length_go_on():
    torch.manual_seed(0)
    model, inputs = MemoryNetwork(INPUTS, 4, memory=History()).double(), sequences(steps=6)
    _, state = model(inputs[:, :3], lengths=[1, 3, 2])
    assert state.memory.values.shape == (3, 4, 3)
    assert state.memory.values[0, 2:].eq(0).all()
    outputs, _ = model(inputs[:, 3:], state)
    for b, length in enumerate([1, 3, 2]):
        alone, _ = model(torch.cat([inputs[b : b + 1, :length], inputs[b : b + 1, 3:]], 1))
        assert_close(outputs[b : b + 1], alone[:, length:])


def test_a_trace_of_a_memory_that_grows_is_filled_up():
    model = MemoryNetwork(INPUTS, 4, memory=History()).double()
    with memnets.trace(model) as trace:
        model(sequences(steps=4))
    assert trace["values"].shape == (3, 4, 5, 3)
    assert trace["values"][:, 0, 2:].eq(0).all()
    assert trace.kinds["values"] == "contents"


def test_two_memories_in_one_cell_are_both_traced():
    torch.manual_seed(0)
    model = Recurrent(TwoMemories(), output_size=2).double()
    with memnets.trace(model) as trace:
        model(sequences(), lengths=[5, 2, 0])
    names = {"first.actions", "first.values", "first.stack", "first.reads", "second.value", "second.slots"}
    assert names <= set(trace)
    assert trace["first.actions"].shape == (3, 5, 1, 3)
    assert trace["second.slots"].shape == (3, 5, 2, 3)
    assert trace["second.slots"][1, 2:].eq(0).all()
    assert trace.kinds["first.actions"] == "weighting"
    assert model.resize(7) is model
    assert (model.cell.first.slots, model.cell.second.slots) == (7, 7)


class Stuck(Queue):
    def step(self, parts, state):
        state.slots[:, 0] = parts.value
        return state.slots[:, -1], state


class Misshapen(Queue):
    def initial_reads(self, state):
        return state.slots[:, -1:]


class Leaky(Queue):
    """Its reads are of all sequences of the batch."""

    def step(self, parts, state):
        reads, state = super().step(parts, state)
        return reads.mean(0, keepdim=True).expand_as(reads) + parts.value.mean(), state


class Cut(Queue):
    def step(self, parts, state):
        reads, state = super().step(type(parts)(*(part.detach() for part in parts)), state)
        return reads, state


class Undeclared(History):
    growing = False


class Drawn(Queue):
    def initial_state(self, batch_size, **options):
        return map_state(torch.rand_like, super().initial_state(batch_size, **options))


@pytest.mark.parametrize(
    ("memory", "found"),
    [
        (Drawn(), "slots that differs between sequences"),
        (Stuck(), "changes slots of the state"),
        (Misshapen(), r"initial_reads gives \(3, 1, 8\), but must give \(3, 8\)"),
        (Leaky(), "in a batch and alone differs"),
        (Cut(), "no gradient reaches cell.interface"),
        (Undeclared(), "growing = True"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_breaks_the_contract_is_named(memory, found):
    with pytest.raises(AssertionError, match=found):
        check_memory(memory)
