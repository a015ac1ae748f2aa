"""Both directions of a sequence."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

import memnets
from cases import HIDDEN, INPUTS, run_oracle, sequences, weighted
from memnets.recurrent.directions import reverse

SIZES = {"slots": 6, "width": 4}
LENGTHS = [3, 5, 0]


def both(**options):
    torch.manual_seed(1)
    return memnets.NTM(INPUTS, HIDDEN, **SIZES, bidirectional=True, **options).double()


def one_way_of(module, cell):
    """The same cell in a module of one direction."""
    alone = memnets.NTM(INPUTS, HIDDEN, **SIZES).double()
    alone.cell.load_state_dict(cell.state_dict())
    return alone


def test_each_direction_equals_the_loops_over_each_sequence_alone():
    module, inputs = both(), sequences()
    outputs, state = module(inputs, lengths=LENGTHS)
    size = outputs.shape[-1] // 2
    for b, length in enumerate(LENGTHS):
        assert outputs[b, length:].eq(0).all()
        if not length:
            continue
        own = inputs[b : b + 1, :length]
        forward, last = run_oracle(one_way_of(module, module.cell), own)
        backward, first = run_oracle(one_way_of(module, module.backward_cell), torch.flip(own, [1]))
        assert_close(outputs[b, :length, :size], torch.tensor(forward[0]))
        assert_close(outputs[b, :length, size:], torch.tensor(backward[0, ::-1].copy()))
        assert_close(state.forward.memory.memory[b], torch.tensor(last[2][0]))
        assert_close(state.backward.memory.memory[b], torch.tensor(first[2][0]))


def test_torch_s_layers_are_torch_s():
    torch.manual_seed(1)
    module = memnets.LSTM(INPUTS, HIDDEN, num_layers=2, bidirectional=True).double()
    torchs = nn.LSTM(INPUTS, HIDDEN, 2, batch_first=True, bidirectional=True).double()
    torchs.load_state_dict(module.layer.state_dict())
    inputs = sequences()
    outputs, state = module(inputs, lengths=LENGTHS)
    for b, length in enumerate(LENGTHS[:2]):
        expected, (hidden, _) = torchs(inputs[b : b + 1, :length])
        assert_close(outputs[b, :length], expected[0])
        assert_close(state.hidden[b], hidden[:, 0])


def test_a_start_within_a_sequence_parts_it_for_both_directions():
    module, inputs = both(output_size=2), sequences()
    resets = torch.zeros(3, 5, dtype=torch.bool)
    resets[0, 2] = resets[1, 0] = resets[1, 4] = True
    lengths = [4, 5, 2]
    outputs, state = module(inputs, lengths=lengths, resets=resets)
    parts = {0: [(0, 2), (2, 4)], 1: [(0, 4), (4, 5)], 2: [(0, 2)]}
    for b, episodes in parts.items():
        expected = torch.cat([module(inputs[b : b + 1, start:stop])[0] for start, stop in episodes], 1)
        assert_close(outputs[b : b + 1, : lengths[b]], expected)
    assert_close(state.backward.memory.memory[0:1], module(inputs[0:1, :2])[1].backward.memory.memory)
    with pytest.raises(ValueError, match=r"bidirectional LSTM.*with lengths"):
        memnets.LSTM(INPUTS, 4, bidirectional=True).double()(inputs, resets=resets)


def test_compiled_code_gives_what_the_plain_cells_give():
    found = []
    for backend in ("reference", "fused"):
        module, inputs = both(backend=backend, output_size=2), sequences().requires_grad_()
        outputs, _ = module(inputs, lengths=LENGTHS)
        weighted([outputs]).backward()
        found.append([outputs, inputs.grad, *(p.grad for p in module.parameters())])
    assert_close(*found)


def test_a_trace_has_both_memories_at_the_steps_of_the_inputs():
    module, inputs = both(), sequences()
    with memnets.trace(module) as trace:
        outputs, _ = module(inputs, lengths=LENGTHS)
    width = SIZES["width"]
    assert_close(trace["backward_cell.memory.reads"].flatten(2), outputs[..., -width:])
    size = outputs.shape[-1] // 2
    assert_close(trace["cell.memory.reads"].flatten(2), outputs[..., size - width : size])


def test_steps_in_reverse_stay_within_a_sequence():
    values = torch.arange(8).view(2, 4)
    assert reverse(values, [3, 1]).tolist() == [[2, 1, 0, 3], [4, 5, 6, 7]]
    assert reverse(values, None).tolist() == [[3, 2, 1, 0], [7, 6, 5, 4]]


def test_one_cell_is_refused_and_a_function_taken():
    memory = memnets.NTMMemory(6, 4)
    with pytest.raises(TypeError, match=r"one MemoryCell: give a function"):
        memnets.Recurrent(memnets.MemoryCell(INPUTS, memory), bidirectional=True)
    module = memnets.Recurrent(lambda: memnets.MemoryCell(INPUTS, memnets.NTMMemory(6, 4)), bidirectional=True)
    assert not torch.equal(module.cell.interface.weight, module.backward_cell.interface.weight)
    with pytest.raises(ValueError, match="truncated_bptt_steps is 2"):
        memnets.GRU(INPUTS, 4, bidirectional=True, truncated_bptt_steps=2)


def test_it_learns_what_only_the_future_tells():
    """Whether the last input is positive, at the first step."""
    torch.manual_seed(0)
    model = memnets.NTM(
        1, 8, output_size=1, slots=4, width=4, controller="gru", bidirectional=True, backend="reference"
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        inputs = torch.randn(32, 4, 1)
        wanted = (inputs[:, -1, 0] > 0).float()
        loss = nn.functional.binary_cross_entropy_with_logits(model(inputs)[0][:, 0, 0], wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    inputs = torch.randn(200, 4, 1)
    assert ((model(inputs)[0][:, 0, 0] > 0) == (inputs[:, -1, 0] > 0)).float().mean() > 0.9
