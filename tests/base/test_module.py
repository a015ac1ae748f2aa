"""A sequence module of one's own: the checks, lengths, tokens, layout and projection come with the base."""

from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from memnets import SequenceModule, TrainingOutputs, detach_state


class SumState(NamedTuple):
    total: torch.Tensor  # (B, F)


class RunningSum(SequenceModule):
    """A parallel layer: what has come so far, summed in one operation over all steps."""

    def __init__(self, input_size: int, features: int = 4, **options):
        super().__init__(input_size, features, **options)
        self.features = features
        self.inner = nn.Linear(input_size, features)

    def make_state(self, batch_size, *, device=None):
        weight = self.inner.weight
        return SumState(torch.zeros(batch_size, self.features, device=device or weight.device, dtype=weight.dtype))

    def run(self, inputs, state, lengths):
        values = self.inner(inputs)  # (B, T, F)
        if lengths is not None:
            steps = torch.arange(inputs.shape[1])
            values = values * (steps < torch.tensor(lengths).unsqueeze(1)).unsqueeze(-1)
        sums = values.cumsum(1) + state.total.unsqueeze(1)
        return sums, SumState(sums[:, -1])

    def auxiliary_loss(self, state):
        return state.total.square().mean()


INPUTS = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0))


def test_halves_lengths_and_layout_of_a_parallel_layer():
    module = RunningSum(2, output_size=3)
    whole, last = module(INPUTS)
    head, state = module(INPUTS[:, :2])
    tail, state = module(INPUTS[:, 2:], state)
    assert_close(torch.cat([head, tail], 1), whole)
    assert_close(state.total, last.total)
    outputs, state = module(INPUTS, lengths=[2, 5, 0])
    assert_close(outputs[0, :2], whole[0, :2])
    assert outputs[0, 2:].eq(0).all()
    assert outputs[2].eq(0).all()
    assert_close(state.total[0], module(INPUTS[:1, :2])[1].total[0])
    other = RunningSum(2, output_size=3, batch_first=False)
    other.load_state_dict(module.state_dict())
    assert_close(other(INPUTS.transpose(0, 1))[0], whole.transpose(0, 1))


def test_tokens_in_a_parallel_layer():
    module = RunningSum(2, vocabulary=6)
    tokens = torch.randint(6, (3, 5))
    assert_close(module(tokens)[0], module.inner(module.embedding(tokens)).cumsum(1))
    with pytest.raises(ValueError, match=r"token 6, .*0\.\.5"):
        module(tokens + 6 - tokens)


def test_training_outputs_have_the_auxiliary_loss_and_predictions_not():
    class Batch(NamedTuple):
        inputs: torch.Tensor
        lengths: torch.Tensor

    module, batch = RunningSum(2), Batch(INPUTS.double(), torch.tensor([2, 5, 1]))
    outputs, auxiliary, numbers, predictions, _ = module.training_outputs(batch)  # in the precision of the parameters
    expected, state = module(INPUTS, lengths=batch.lengths)
    assert_close(outputs, expected)
    assert_close(auxiliary, detach_state(state).total.square().mean())
    assert dict(numbers) == {}
    assert torch.equal(predictions, outputs)
    assert not predictions.requires_grad
    assert_close(module.predict(batch), expected)
    assert TrainingOutputs(outputs).auxiliary_loss is None


def test_sizes_that_are_not_the_tasks_are_named():
    class Task:
        input_size, output_size, vocabulary = 3, 4, None

    with pytest.raises(ValueError, match="input_size is 2, but Task needs 3"):
        RunningSum(2).check_task(Task())
    RunningSum(3).check_task(Task())
    with pytest.raises(ValueError, match="batch_first=False"):
        RunningSum(3, batch_first=False).check_task(Task())
    Task.input_size, Task.vocabulary = None, 9
    with pytest.raises(ValueError, match="vocabulary is 8, but Task needs 9"):
        RunningSum(2, vocabulary=8).check_task(Task())


def test_numbers_for_a_module_of_tokens_and_the_other_way_round():
    with pytest.raises(TypeError, match=r"float32.*vocabulary=4 takes int64"):
        RunningSum(2, vocabulary=4)(INPUTS)
    with pytest.raises(ValueError, match=r"shape \(3, 5\).*three dimensions"):
        RunningSum(2)(torch.zeros(3, 5, dtype=torch.long))
