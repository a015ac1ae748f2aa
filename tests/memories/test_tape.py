"""What the tape counts, and how memories that their input sizes are evaluated."""

import pytest
import torch
from torch.testing import assert_close

import memnets
from memnets.memories.base import sized_for
from memnets.training import evaluate_lengths
from memnets_tasks import ReverseString


def test_a_jump_goes_as_far_as_there_was_input():
    model = memnets.TapeRNN(3, 4, empty_channel=-1, slots=8, width=2, backend="reference")
    inputs = torch.zeros(2, 6, 3)
    inputs[0, 2:, -1] = 1
    inputs[1, 4:, -1] = 1
    assert model(inputs)[1].memory.given.tolist() == [2, 4]
    assert model(inputs, lengths=[6, 3])[1].memory.given.tolist() == [2, 3]
    model.cell.memory.empty_channel = None
    assert model(inputs)[1].memory.given.tolist() == [6, 6]


def test_a_channel_that_the_input_lacks_is_named():
    with pytest.raises(ValueError, match=r"empty_channel is 3.*3 channels.*-1"):
        memnets.TapeRNN(3, 4, empty_channel=3, slots=8, backend="reference")(torch.zeros(1, 2, 3))


@pytest.mark.parametrize("kind", [memnets.StackRNN, memnets.TapeRNN, memnets.NeuralStack])
def test_evaluation_gives_a_slot_a_step_and_takes_it_back(kind):
    torch.manual_seed(0)
    task = ReverseString()
    model = kind(task.input_size, 8, output_size=task.output_size, slots=4, width=2, backend="reference")
    seen = []
    model.register_forward_pre_hook(lambda module, args: seen.append(module.cell.memory.slots))
    found = evaluate_lengths(model, task, [20], sequences=8)
    evaluate_lengths(model, task, [20], sequences=8, resize=False)
    assert (seen, model.cell.memory.slots) == ([64, 4], 4)
    assert found == evaluate_lengths(model.resize(64), task, [20], sequences=8, resize=False)


def test_slots_come_back_after_an_error():
    model = memnets.StackRNN(3, 4, slots=5, backend="reference")
    with pytest.raises(ValueError, match="4"), sized_for(model, 9):
        model(torch.zeros(1, 9, 4))
    assert model.cell.memory.slots == 5
    with sized_for(model, 3):
        assert model.cell.memory.slots == 5


def test_a_deeper_stack_is_the_same_stack_until_it_is_full():
    torch.manual_seed(0)
    model = memnets.StackRNN(3, 4, slots=6, width=2, output_size=2, backend="reference")
    inputs = torch.randn(2, 6, 3)
    assert_close(model(inputs)[0], model.resize(9)(inputs)[0])
