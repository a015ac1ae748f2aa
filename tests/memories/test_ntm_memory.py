"""The memory of the NTM: one access against the loops, its start, its sizes, its precision."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

import oracles
from memnets import NTM, MemoryCell, NTMMemory, NTMState
from memnets.controllers import LSTMController, make_controller


def interface_of(memory, batch=1, **values):
    """An interface that says nothing but what is given, by name, for every head: values before activation."""
    heads, writers, width = memory.read_heads + memory.write_heads, memory.write_heads, memory.width
    sizes = {
        "key": heads * width,
        "add": writers * width,
        "interpolation_gate": heads,
        "erase": writers * width,
        "strength": heads,
        "sharpening": heads,
        "shift": heads * (2 * memory.shift_range + 1),
    }
    assert set(values) <= set(sizes)
    parts = []
    for name, size in sizes.items():
        value = torch.as_tensor(values.get(name, 0.0), dtype=torch.float64).flatten()
        parts.append(value.repeat(size // len(value)))
    return torch.cat(parts).expand(batch, -1)


FAR = 1e3
"""Before an activation: as good as infinite."""
STAY, FORWARD = (-FAR, FAR, -FAR), (-FAR, -FAR, FAR)


@given(
    batch=st.integers(1, 2),
    slots=st.integers(1, 5),
    width=st.integers(1, 4),
    readers=st.integers(1, 2),
    writers=st.integers(1, 3),
    shift_range=st.integers(0, 3),
    seed=st.integers(0, 2**20),
)
def test_two_steps_equal_the_loops(batch, slots, width, readers, writers, shift_range, seed):
    memory = NTMMemory(slots, width, readers, writers, shift_range)
    generator = torch.Generator().manual_seed(seed)
    state = memory.initial_state(batch, dtype=torch.float64)
    expected_state = oracles.initial_memory(batch, slots, width, readers, writers)
    for got, want in zip(state, expected_state, strict=True):
        np.testing.assert_array_equal(got.numpy(), want)
    for _ in range(2):
        interface = 2 * torch.randn(batch, memory.interface.size, generator=generator, dtype=torch.float64)
        reads, state = memory(interface, state)
        expected, expected_state = oracles.memory_step(interface.numpy(), expected_state, shift_range)
        np.testing.assert_allclose(reads.numpy(), expected.reshape(batch, -1), rtol=1e-9, atol=1e-12)
        for got, want in zip(state, expected_state, strict=True):
            np.testing.assert_allclose(got.numpy(), want, rtol=1e-9, atol=1e-12)


def test_the_start_is_constant_memory_and_every_head_on_slot_0():
    state = NTMMemory(slots=7, width=3, read_heads=2, write_heads=3).initial_state(4)
    assert state.memory.shape == (4, 7, 3)
    assert state.memory.eq(1e-6).all()
    assert state.read_weights.shape == (4, 2, 7)
    assert state.write_weights.shape == (4, 3, 7)
    for weights in (state.read_weights, state.write_weights):
        assert weights[..., 0].eq(1).all()
        assert weights[..., 1:].eq(0).all()


def test_the_first_reads_are_of_the_state_given():
    memory = NTMMemory(slots=3, width=2, read_heads=2)
    weights = torch.tensor([[[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]])
    state = NTMState(torch.tensor([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]), weights, weights[:, :1])
    assert torch.equal(memory.initial_reads(state), torch.tensor([[3.0, 4.0, 3.0, 4.0]]))


def test_what_is_written_is_read_within_the_same_step():
    memory = NTMMemory(slots=4, width=3)
    interface = interface_of(
        memory, interpolation_gate=-FAR, shift=FORWARD, erase=FAR, add=[0.3, -0.4, 2.0], sharpening=10.0
    )
    reads, state = memory(interface, memory.initial_state(1, dtype=torch.float64))
    written = torch.tanh(torch.tensor([0.3, -0.4, 2.0], dtype=torch.float64))
    assert_close(reads[0], written)
    assert_close(state.memory[0, 1], written)
    assert state.memory[0, [0, 2, 3]].eq(1e-6).all()
    assert state.write_weights[0, 0].argmax() == 1


def test_content_addressing_finds_what_was_written_and_the_location_follows_it():
    memory = NTMMemory(slots=5, width=3)
    start = memory.initial_state(1, dtype=torch.float64)
    stored = torch.eye(5, 3, dtype=torch.float64).roll(1, 0).unsqueeze(0)  # slots 1, 2 and 3 hold unit vectors
    start = start._replace(memory=stored)
    find = {"key": [0.0, FAR, 0.0], "strength": 1e3, "interpolation_gate": FAR, "sharpening": 10.0, "erase": -FAR}
    reads, found = memory(interface_of(memory, shift=STAY, **find), start)
    assert_close(reads[0], stored[0, 2])
    reads, _ = memory(interface_of(memory, shift=FORWARD, **find), found)
    assert_close(reads[0], stored[0, 3])


def test_heads_have_their_own_addresses():
    memory = NTMMemory(slots=4, width=2, read_heads=1, write_heads=1)
    interface = interface_of(memory, interpolation_gate=-FAR, shift=[*FORWARD, *STAY], erase=-FAR, sharpening=10.0)
    _, state = memory(interface, memory.initial_state(1, dtype=torch.float64))
    assert state.read_weights[0, 0].argmax() == 1
    assert state.write_weights[0, 0].argmax() == 0


@pytest.mark.parametrize(("read_heads", "write_heads"), [(1, 1), (2, 3)])
def test_gradient_reaches_every_number_of_the_interface(read_heads, write_heads):
    """After one step, so that the memory holds something to look for."""
    memory = NTMMemory(slots=6, width=4, read_heads=read_heads, write_heads=write_heads)
    first, second = torch.randn(2, 3, memory.interface.size, dtype=torch.float64)
    _, state = memory(first, memory.initial_state(3, dtype=torch.float64))
    second.requires_grad_()
    reads, state = memory(second, state)
    loss = sum((x * torch.randn_like(x)).sum() for x in (reads, *state))
    loss.backward()
    assert second.grad.ne(0).all()


def test_gradients_of_two_steps_are_right():
    memory = NTMMemory(slots=3, width=2, read_heads=2, write_heads=2)

    def run(interfaces, *state):
        reads, state = memory(interfaces[0], NTMState(*state))
        reads, state = memory(interfaces[1], state)
        return reads, *state

    interfaces = torch.randn(2, 2, memory.interface.size, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 2, 3, dtype=torch.float64).softmax(-1)
    state = (torch.randn(2, 3, 2, dtype=torch.float64), weights, weights.flip(-1))
    assert torch.autograd.gradcheck(run, (interfaces, *(x.requires_grad_() for x in state)))


def test_an_extreme_interface_stays_finite():
    memory = NTMMemory(slots=16, width=4, read_heads=2, write_heads=2)
    interface = (1e4 * torch.randn(3, memory.interface.size)).requires_grad_()
    state = memory.initial_state(3)
    for _ in range(2):
        reads, state = memory(interface, state)
    (reads.sum() + state.memory.square().sum()).backward()
    assert reads.isfinite().all()
    assert interface.grad.isfinite().all()
    assert_close(state.read_weights.sum(-1), torch.ones(3, 2))


def test_bfloat16_autocast_keeps_the_memory_in_single_precision():
    """128 flat weights in bfloat16 would not sum to 1."""
    memory = NTMMemory(slots=128, width=4)
    interface = torch.randn(2, memory.interface.size)
    expected, _ = memory(interface.bfloat16().float(), memory.initial_state(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reads, state = memory(interface.bfloat16(), memory.initial_state(2))
    assert torch.equal(reads, expected)
    assert {tensor.dtype for tensor in state} == {torch.float32}
    assert_close(state.write_weights.sum(-1), torch.ones(2, 1))
    ntm = NTM(3, 5, slots=128, width=4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, state = ntm(torch.randn(2, 3, 3))
    assert {tensor.dtype for tensor in state.memory} == {torch.float32}


def test_resize_changes_slots_and_no_parameter():
    ntm = NTM(3, 5, slots=4, width=2)
    before = {name: tensor.clone() for name, tensor in ntm.state_dict().items()}
    assert ntm.resize(slots=11) is ntm
    assert ntm.config["slots"] == 11
    assert ntm.initial_state(2).memory.memory.shape == (2, 11, 2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in ntm.state_dict().items())
    with pytest.raises(ValueError, match="slots is 0, but must be at least 1"):
        ntm.resize(slots=0)
    assert ntm.config["slots"] == ntm.cell.memory.slots == 11


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [("slots", 0, 1), ("width", 0, 1), ("read_heads", 0, 1), ("write_heads", 0, 1), ("shift_range", -1, 0)],
)
def test_sizes_below_the_minimum(name, value, least):
    with pytest.raises(ValueError, match=f"{name} is {value}, but must be at least {least}"):
        NTMMemory(**{name: value})
    with pytest.raises(ValueError, match=f"{name} is {value}, but must be at least {least}"):
        NTM(3, 5, **{name: value})


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "num_layers"])
def test_controller_sizes_below_one(name):
    with pytest.raises(ValueError, match=f"{name} is 0, but must be at least 1"):
        NTM(**{"input_size": 3, "hidden_size": 5, name: 0})


def test_an_unknown_controller():
    with pytest.raises(ValueError, match="controller is 'transformer', but must be one of lstm, gru, rnn, feedforwa"):
        make_controller("transformer", 3, 5)


def test_a_memory_that_does_not_fit():
    with pytest.raises(MemoryError, match=r"slots=10000000000000, .* does not fit on cpu: use fewer slots"):
        NTM(3, 5, slots=10**13).initial_state(2)
    with pytest.raises(MemoryError, match=r"of a batch of 1000000 does not fit on cpu: use .* a smaller batch"):
        NTM(3, 5, slots=10**5).initial_state(10**6)


def test_a_cell_gives_its_controller_room_for_the_reads():
    cell = MemoryCell(3, NTMMemory(slots=4, width=4, read_heads=2), controller=lambda size: LSTMController(size, 5))
    assert cell.controller.input_size == 3 + 2 * 4
    with pytest.raises(TypeError, match=r"must be a name, or a function.* 11"):
        MemoryCell(3, NTMMemory(slots=4, width=4, read_heads=2), controller=LSTMController(11, 5))
    with pytest.raises(TypeError, match="memory is 'ntm', but must be a memnets"):
        MemoryCell(3, "ntm")


def test_printing_shows_the_sizes():
    assert "slots=9, width=4, read_heads=2, write_heads=3, shift_range=2" in repr(NTMMemory(9, 4, 2, 3, 2))


@pytest.mark.parametrize(("readers", "writers"), [(1, 1), (2, 3)])
def test_starting_biases_of_strength_and_gate(readers, writers):
    def heads(**biases):
        torch.manual_seed(0)
        ntm = NTM(3, 5, slots=6, width=4, read_heads=readers, write_heads=writers, **biases)
        return ntm.cell.memory.interface(ntm.cell.interface(torch.zeros(2, 5)))

    plain, biased = heads(), heads(strength_bias=3.0, gate_bias=-2.0)
    changed = {"strength", "interpolation_gate"}
    for name, before, after in zip(plain._fields, plain, biased):
        if name not in changed:
            assert torch.equal(before, after), name
    assert_close(torch.log(torch.expm1(biased.strength)), torch.log(torch.expm1(plain.strength)) + 3.0)
    assert_close(torch.logit(biased.interpolation_gate), torch.logit(plain.interpolation_gate) - 2.0)


@pytest.mark.parametrize("name", ["strength_bias", "gate_bias"])
def test_a_bias_that_is_not_finite(name):
    with pytest.raises(ValueError, match=f"{name} is nan, but must be a finite number"):
        NTMMemory(6, 4, **{name: float("nan")})
