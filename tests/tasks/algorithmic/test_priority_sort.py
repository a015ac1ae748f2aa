"""Priority sort: every sequence is what it says, and its answer is what sorting gives."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from batch_cases import alike
from memnets_tasks import Batch, BinaryTask, Growing, PrioritySort, Uniform, generator


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def check_layout(task: PrioritySort, batch: Batch, lengths: list[int]) -> None:
    """Each sequence by a loop of its own: shown, sorted by Python, and cut."""
    bits, longest = task.bits, 0
    for b, length in enumerate(lengths):
        inputs = batch.inputs[b].double().numpy()
        answers = math.ceil(length * task.outputs / task.max_length - 1e-9)
        end = length + 1 + answers
        longest = max(longest, end)
        assert batch.lengths[b] == end
        assert inputs[length].tolist() == [0.0] * (bits + 1) + [1.0]
        assert not np.delete(inputs[:, -1], length).any()
        assert not inputs[length + 1 :].any()
        given = [(row[bits], row[:bits].tolist()) for row in inputs[:length]]
        assert len({priority for priority, _ in given}) == length
        assert all(-1 <= priority <= 1 for priority, _ in given)
        expected = np.zeros(batch.targets.shape[1:])
        expected[length + 1 : end] = [vector for _, vector in sorted(given, key=lambda pair: -pair[0])][:answers]
        np.testing.assert_array_equal(batch.targets[b].numpy(), expected)
        assert batch.mask[b].tolist() == [length < t < end for t in range(batch.mask.shape[1])]
    assert batch.inputs.shape == (len(lengths), longest, task.input_size)
    assert batch.targets.shape == (len(lengths), longest, task.output_size)
    assert batch.inputs.dtype == batch.targets.dtype == torch.float32
    assert (batch.mask.dtype, batch.lengths.dtype) == (torch.bool, torch.int64)


class TestSequences:
    @given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(1, 20), st.integers(0, 1000))
    def test_mixed_lengths(self, lengths, outputs, seed):
        task = PrioritySort(outputs=outputs, bits=5)
        check_layout(task, task.sample(len(lengths), torch.tensor(lengths), seeded(seed)), lengths)

    def test_the_papers_sizes(self):
        task = PrioritySort()
        assert (task.input_size, task.output_size, task.threshold, task.length_unit) == (10, 8, 10.0, "vectors")
        assert (task.min_length, task.max_length) == (20, 20)
        assert task.evaluation_lengths == (20, 25, 30, 40)
        batch = task.sample(3, 20, seeded())
        assert batch.inputs.shape == (3, 37, 10)
        assert batch.mask.sum(1).tolist() == [16] * 3
        check_layout(task, batch, [20] * 3)
        assert issubclass(PrioritySort, BinaryTask)

    def test_four_fifths_of_other_lengths_rounded_up(self):
        got = PrioritySort().count_outputs(torch.tensor([1, 2, 5, 10, 11, 20, 25, 35, 40]))
        assert got.tolist() == [1, 2, 4, 8, 9, 16, 20, 28, 32]

    def test_a_function_of_the_generator_alone(self):
        first, again, other = (PrioritySort().sample(4, 20, seeded(s)) for s in (7, 7, 8))
        assert alike(first, again)
        assert not torch.equal(first.inputs, other.inputs)

    def test_priorities_are_uniform_and_say_nothing_of_place_or_vector(self):
        batch = PrioritySort().sample(3000, 20, seeded(2))
        shown = batch.inputs[:, :20].double()
        priorities = shown[..., 8]
        noise = 5 / math.sqrt(3000)
        assert priorities.mean(0).abs().max() < noise / math.sqrt(3)
        assert abs(priorities.square().mean() - 1 / 3) < 5 * 0.3 / math.sqrt(60_000)
        assert torch.histc(priorities, 20, -1, 1).sub(3000).abs().max() < 5 * math.sqrt(3000)
        together = torch.cat([shown[..., :9].flatten(1)[:, :45], shown[:, 5:, 8]], dim=1)
        together = (together - together.mean(0)) / together.std(0)
        correlation = together.T @ together / 3000
        correlation = correlation - correlation.diag().diag()
        correlation[:45][:, 45:].fill_diagonal_(0)
        assert correlation.abs().max() < noise * 1.1

    def test_no_two_priorities_are_equal_even_where_draws_are(self, monkeypatch):
        real = torch.randint

        def few(*args, **kwargs):  # all draws but the vectors' are one of two numbers
            drawn = real(*args, **kwargs)
            return drawn if kwargs.get("dtype") else drawn % 2

        monkeypatch.setattr(torch, "randint", few)
        task = PrioritySort()
        check_layout(task, task.sample(8, 20, seeded()), [20] * 8)

    def test_work_does_not_loop_over_batch_or_steps(self):
        class Count(TorchDispatchMode):
            calls = 0

            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                self.calls += 1
                return func(*args, **(kwargs or {}))

        def calls(batch_size, length):
            with Count() as count:
                PrioritySort().sample(batch_size, torch.full((batch_size,), length), seeded())
            return count.calls

        assert calls(1, 2) == calls(64, 2) == calls(2, 30) > 0

    def test_priorities_are_found_again(self):
        task, lengths = PrioritySort(), [3, 20, 7]
        batch = task.sample(3, torch.tensor(lengths), seeded(4))
        priorities = task.priorities(batch)
        assert priorities.shape == batch.mask.shape
        for b, length in enumerate(lengths):
            assert torch.equal(priorities[b, :length], batch.inputs[b, :length, 8])
            assert priorities[b, length:].isnan().all()


class TestScores:
    def test_the_targets_are_a_perfect_answer(self):
        task = PrioritySort()
        batch = task.sample(5, torch.tensor([20, 3, 8, 1, 40]), seeded())
        logits = batch.targets * 20 - 10
        assert task.scores(logits, batch) == {"bit_errors": 0, "sequence_accuracy": 1}
        logits[1, 4, 2] *= -1
        assert task.errors(logits, batch).tolist() == [0, 1, 0, 0, 0]

    def test_an_answer_in_the_order_of_arrival_is_wrong_in_half_the_bits_of_most(self):
        task = PrioritySort()
        batch = task.sample(500, 20, seeded())
        logits = torch.zeros_like(batch.targets) - 1
        logits[:, 21:] = batch.inputs[:, :16, :8] * 2 - 1
        assert task.scores(logits, batch)["bit_errors"] == pytest.approx(128 / 2 * 19 / 20, abs=1.5)


class TestCurricula:
    def test_the_papers_length_from_the_first_step(self):
        for curriculum in (Uniform(), Growing(start=20, steps=5)):
            assert [curriculum.max_length(step, PrioritySort()) for step in (0, 9)] == [20, 20]

    def test_growing(self):
        task, growing = PrioritySort(min_length=2), Growing(start=4, steps=16)
        for step, cap in ((0, 4), (8, 12), (20, 20)):
            lengths = task.sample_lengths(600, generator(0, "train", step), max_length=growing.max_length(step, task))
            assert lengths.unique().tolist() == list(range(2, cap + 1))
            check_layout(task, task.sample(8, lengths[:8], seeded()), lengths[:8].tolist())


def test_errors():
    with pytest.raises(ValueError, match="vectors is 0; give a whole number of at least 1"):
        PrioritySort(vectors=0)
    with pytest.raises(ValueError, match="vectors is 8, below outputs 16; give at least 16"):
        PrioritySort(vectors=8)
    with pytest.raises(ValueError, match="outputs is 0; give a whole number of at least 1"):
        PrioritySort(outputs=0)
    with pytest.raises(ValueError, match="bits is 0; give a whole number of at least 1"):
        PrioritySort(bits=0)
    with pytest.raises(ValueError, match="vectors is 20, below min_length 21; give at least 21"):
        PrioritySort(min_length=21)
    with pytest.raises(ValueError, match=r"evaluation_lengths \(0,\): a length is 0; give"):
        PrioritySort(evaluation_lengths=(0,))
    with pytest.raises(ValueError, match="length is 0; give at least 1 vectors"):
        PrioritySort().sample(2, torch.tensor([8, 0]), seeded())
    with pytest.raises(ValueError, match="batch_size is 0; give"):
        PrioritySort().sample(0, 10, seeded())


def test_validation_is_of_the_most_vectors_whatever_training_is_of():
    task = PrioritySort(vectors=6, outputs=5, bits=3, min_length=2, evaluation_lengths=(6, 9))
    asked = task.splits().validation
    assert (asked.min_length, asked.max_length, asked.bits, asked.outputs) == (6, 6, 3, 5)
    assert (asked.input_size, asked.output_size, asked.evaluation_lengths) == (5, 3, (6, 9))
    assert set(asked.sample_lengths(50, generator(0, "validate", 0)).tolist()) == {6}
    assert PrioritySort(vectors=6, outputs=5).splits().validation.min_length == 6
