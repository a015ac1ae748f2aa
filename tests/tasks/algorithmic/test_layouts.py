"""Tasks against layouts derived anew, one sequence at a time, from what the network is shown."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

import memnets_tasks
from batch_cases import alike
from memnets_tasks import AssociativeRecall, Batch, BinaryTask, Copy, RepeatCopy, Task

TASKS = [Copy, RepeatCopy, AssociativeRecall]
SMALLEST = {Copy: 1, RepeatCopy: 1, AssociativeRecall: 2}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Each function reads the inputs `(T, I)` of one sequence, checks that they are such a sequence of `length`, and
# gives the answer: the targets of the scored steps `(A, O)`, which follow the last input step without a gap, and
# the number of input steps.


def answer_copy(task: Copy, inputs: np.ndarray, length: int) -> tuple[np.ndarray, int]:
    (delimiters,) = np.nonzero(inputs[:, -1])
    assert delimiters.tolist() == [length]
    assert inputs[length].tolist() == [0.0] * task.bits + [1.0]
    return inputs[:length, : task.bits], length + 1


def answer_repeat_copy(task: RepeatCopy, inputs: np.ndarray, length: int) -> tuple[np.ndarray, int]:
    (delimiters,) = np.nonzero(inputs[:, task.bits])
    assert delimiters.tolist() == [length]
    assert not inputs[length, : task.bits].any()
    assert np.delete(inputs[:, task.bits + 1], length).tolist() == [0.0] * (len(inputs) - 1)
    choices = np.arange(task.min_repeats, task.max_repeats + 1)
    repeats = inputs[length, task.bits + 1] * choices.std() + choices.mean()
    assert abs(repeats - round(repeats)) < 1e-4
    rows = [[*vector, 0.0] for _ in range(round(repeats)) for vector in inputs[:length, : task.bits]]
    return np.array([*rows, [0.0] * task.bits + [1.0]]), length + 1


def answer_associative_recall(task: AssociativeRecall, inputs: np.ndarray, length: int) -> tuple[np.ndarray, int]:
    k = task.item_length
    items, step = [], 0
    while inputs[step, task.bits]:
        assert inputs[step].tolist() == [0.0] * task.bits + [1.0, 0.0]
        assert not inputs[step + 1 : step + 1 + k, task.bits :].any()
        items.append(inputs[step + 1 : step + 1 + k, : task.bits])
        step += 1 + k
    assert len(items) == length
    for query_delimiter in (step, step + 1 + k):
        assert inputs[query_delimiter].tolist() == [0.0] * task.bits + [0.0, 1.0]
    assert not inputs[step + 1 : step + 1 + k, task.bits :].any()
    query = inputs[step + 1 : step + 1 + k, : task.bits]
    (matches,) = np.nonzero([np.array_equal(item, query) for item in items])
    assert len(matches) == 1, "the query must be one of the items; draw another seed if two are equal"
    assert matches[0] < length - 1, "the last item has no next item"
    return items[matches[0] + 1], step + 2 + k


ANSWERS = {
    Copy: answer_copy,
    RepeatCopy: answer_repeat_copy,
    AssociativeRecall: answer_associative_recall,
}


def check_layout(task: Task, batch: Batch, lengths: list[int]) -> None:
    inputs, targets = batch.inputs.double().numpy(), batch.targets.double().numpy()
    longest = 0
    for b, length in enumerate(lengths):
        answer, start = ANSWERS[type(task)](task, inputs[b], length)
        end = start + len(answer)
        longest = max(longest, end)
        assert batch.lengths[b] == end
        assert batch.mask[b].tolist() == [start <= t < end for t in range(inputs.shape[1])]
        expected = np.zeros_like(targets[b])
        expected[start:end] = answer
        np.testing.assert_array_equal(targets[b], expected)
        assert not inputs[b, start:].any(), "nothing is shown while the answer is due, nor in the padding"
    assert inputs.shape == (len(lengths), longest, task.input_size)
    assert targets.shape == (len(lengths), longest, task.output_size)
    assert batch.inputs.dtype == batch.targets.dtype == torch.float32
    assert batch.mask.dtype == torch.bool
    assert batch.lengths.dtype == torch.int64


@pytest.mark.parametrize("task_type", TASKS)
class TestLayout:
    @settings(max_examples=15, deadline=None)
    @given(st.lists(st.integers(2, 12), min_size=1, max_size=5), st.integers(0, 1000))
    def test_mixed_lengths(self, task_type, lengths, seed):
        task = task_type(bits=12)
        batch = task.sample(len(lengths), torch.tensor(lengths), seeded(seed))
        check_layout(task, batch, lengths)

    @pytest.mark.parametrize("extra", [0, 1, 4, 29])
    def test_one_length(self, task_type, extra):
        task = task_type(bits=12)
        length = SMALLEST[task_type] + extra
        check_layout(task, task.sample(3, length, seeded(extra)), [length] * 3)

    def test_paper_defaults(self, task_type):
        task = task_type()
        length = task.max_length
        check_layout(task, task.sample(1, length, seeded(3)), [length])

    def test_same_state_same_batch(self, task_type):
        task = task_type()
        lengths = torch.tensor([2, 5, 3])
        first, again, other = (task.sample(3, lengths, seeded(s)) for s in (7, 7, 8))
        assert alike(first, again)
        assert first.inputs.shape != other.inputs.shape or not torch.equal(first.inputs, other.inputs)

    def test_int_and_tensor_lengths_agree(self, task_type):
        task = task_type()
        batches = [task.sample(3, length, seeded(2)) for length in (4, np.int64(4), torch.full((3,), 4))]
        for batch in batches[1:]:
            assert alike(batches[0], batch)

    def test_the_callers_lengths_are_left_alone(self, task_type):
        lengths = torch.tensor([3, 2])
        task_type().sample(2, lengths, seeded())
        assert lengths.tolist() == [3, 2]

    def test_sequences_of_a_batch_differ(self, task_type):
        inputs = task_type().sample(20, 6, seeded()).inputs
        shown = {tuple(row.tolist()) for row in inputs[:, :4].flatten(1)}
        assert len(shown) == 20

    def test_bits_are_fair_and_independent(self, task_type):
        task = task_type()
        start = int(task_type is AssociativeRecall)  # step 0 of recall is a delimiter
        bits = task.sample(4000, 3, seeded(1)).inputs[:, start : start + 3, : task.bits].flatten(1).double()
        assert set(bits.unique().tolist()) == {0.0, 1.0}
        covariance = torch.cov(bits.T)
        noise = 5 / math.sqrt(4000)
        assert (bits.mean(0) - 0.5).abs().max() < 0.5 * noise
        assert (covariance - 0.25 * torch.eye(bits.shape[1])).abs().max() < 0.25 * noise

    def test_work_does_not_loop_over_batch_or_steps(self, task_type):
        class Count(TorchDispatchMode):
            calls = 0

            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                self.calls += 1
                return func(*args, **(kwargs or {}))

        def calls(batch_size, length):
            with Count() as count:
                task_type().sample(batch_size, torch.full((batch_size,), length), seeded())
            return count.calls

        assert calls(1, 2) == calls(64, 2) == calls(2, 30) > 0

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_made_on_the_generators_device(self, task_type):
        task = task_type()
        generator = torch.Generator(device="cuda").manual_seed(0)
        lengths = task.sample_lengths(4, generator)
        batch = task.sample(4, lengths, generator)
        assert {tensor.device.type for tensor in (lengths, *batch)} == {"cuda"}
        check_layout(task, batch.to("cpu"), lengths.tolist())


def test_sizes_and_lengths_are_the_papers():
    assert (Copy().input_size, Copy().output_size) == (9, 8)
    assert (RepeatCopy().input_size, RepeatCopy().output_size) == (10, 9)
    assert (AssociativeRecall().input_size, AssociativeRecall().output_size) == (8, 6)
    assert [(t().min_length, t().max_length) for t in TASKS] == [(1, 20), (1, 10), (2, 6)]
    assert [t().length_unit for t in TASKS] == ["vectors", "vectors", "items"]
    assert Copy().evaluation_lengths == (20, 40, 80, 120)
    assert RepeatCopy().evaluation_lengths == (10, 20)
    assert AssociativeRecall().evaluation_lengths == (6, 8, 10, 12, 15, 20)
    assert [t().threshold for t in TASKS] == [0.1] * 3
    assert Copy().sample(2, 5, seeded()).inputs.shape == (2, 11, 9)
    assert RepeatCopy().sample(2, 5, seeded(), repeats=3).inputs.shape == (2, 22, 10)
    assert AssociativeRecall().sample(2, 5, seeded()).inputs.shape == (2, 28, 8)


class TestRepeats:
    def test_given_repeats_are_used(self):
        task = RepeatCopy(bits=4)
        batch = task.sample(3, torch.tensor([2, 5, 3]), seeded(), repeats=torch.tensor([20, 1, 4]))
        check_layout(task, batch, [2, 5, 3])
        assert batch.lengths.tolist() == [2 + 40 + 2, 5 + 5 + 2, 3 + 12 + 2]
        assert task.sample(2, 3, seeded(), repeats=15).lengths.tolist() == [3 + 45 + 2] * 2

    def test_drawn_repeats_cover_the_range_and_are_normalised(self):
        task = RepeatCopy(min_repeats=3, max_repeats=8)
        batch = task.sample(6000, 1, seeded())
        repeats = batch.lengths - 3
        counts = torch.bincount(repeats, minlength=9)
        assert counts[:3].sum() == 0
        assert (counts[3:] - 1000).abs().max() < 5 * math.sqrt(1000)
        shown = batch.inputs[:, 1, -1].double()
        assert abs(shown.mean()) < 5 / math.sqrt(6000)
        assert abs(shown.var() - 1) < 0.05

    def test_normalisation_is_exact_over_the_training_distribution(self):
        shown = RepeatCopy().normalise(torch.arange(1, 11)).double()
        assert shown.mean() == pytest.approx(0, abs=1e-6)
        assert shown.square().mean() == pytest.approx(1, abs=1e-6)
        assert shown.diff().min() > 0

    def test_a_single_count_is_zero_not_nan(self):
        task = RepeatCopy(min_repeats=4, max_repeats=4)
        batch = task.sample(2, 2, seeded())
        assert batch.lengths.tolist() == [12, 12]
        assert not batch.inputs[..., -1].any()

    @pytest.mark.parametrize("repeats", [0, torch.tensor([2, 0])])
    def test_too_few(self, repeats):
        with pytest.raises(ValueError, match="repeats is 0; give at least 1"):
            RepeatCopy().sample(2, 2, seeded(), repeats=repeats)

    def test_wrong_shape(self):
        with pytest.raises(ValueError, match=r"repeats has shape \(3,\).*shape \(2,\)"):
            RepeatCopy().sample(2, 2, seeded(), repeats=torch.tensor([1, 2, 3]))


class TestQuery:
    def test_uniform_over_all_items_but_the_last(self):
        # Items are 40 bits, so that none are equal, and each is found by its bits.
        batch = AssociativeRecall(bits=40, item_length=1).sample(5000, 6, seeded())
        items = batch.inputs[:, 1:12:2, :40]  # (B, 6, bits)
        query = batch.inputs[:, 13:14, :40]
        matches = (items == query).all(-1)  # (B, 6)
        assert (matches.sum(1) == 1).all()
        counts = matches.sum(0)
        assert counts[5] == 0
        assert (counts[:5] - 1000).abs().max() < 5 * math.sqrt(1000)

    def test_the_largest_draw_queries_the_last_but_one(self):
        # What `sample` computes, at the largest float32 below 1.
        n = torch.arange(2, 100_000)
        assert torch.equal((torch.tensor(1 - 2**-24) * (n - 1)).long(), n - 2)


class TestLengths:
    @pytest.mark.parametrize("task_type", TASKS)
    def test_uniform_and_inclusive(self, task_type):
        task = task_type()
        lengths = task.sample_lengths(20_000, seeded())
        assert lengths.dtype == torch.int64
        assert lengths.shape == (20_000,)
        values, counts = lengths.unique(return_counts=True)
        assert values.tolist() == list(range(task.min_length, task.max_length + 1))
        expected = 20_000 / len(values)
        assert (counts - expected).abs().max() < 5 * math.sqrt(expected)

    def test_cap(self):
        task = Copy(min_length=2, max_length=9)
        assert task.sample_lengths(300, seeded(), max_length=4).unique().tolist() == [2, 3, 4]
        assert task.sample_lengths(9, seeded(), max_length=2).tolist() == [2] * 9
        assert task.sample_lengths(300, seeded(), max_length=50).max() == 9

    def test_cap_below_the_shortest(self):
        with pytest.raises(ValueError, match=r"max_length is 1.*min_length 2; give a cap of 2 to 6 items"):
            AssociativeRecall().sample_lengths(4, seeded(), max_length=1)

    def test_training_and_validation_tasks_share_nothing(self):
        training, validation = Copy(max_length=5), Copy(max_length=50, evaluation_lengths=(70,))
        assert (training.max_length, training.evaluation_lengths) == (5, (20, 40, 80, 120))
        assert validation.evaluation_lengths == (70,)


@pytest.mark.parametrize("task_type", TASKS)
class TestErrors:
    @pytest.mark.parametrize("batch_size", [0, -2, 1.5])
    def test_batch_size(self, task_type, batch_size):
        task = task_type()
        for draw in (lambda: task.sample(batch_size, 3, seeded()), lambda: task.sample_lengths(batch_size, seeded())):
            with pytest.raises(ValueError, match=f"batch_size is {batch_size}; give"):
                draw()

    def test_length_too_small(self, task_type):
        smallest = SMALLEST[task_type]
        for length in (smallest - 1, torch.tensor([3, smallest - 1])):
            with pytest.raises(ValueError, match=f"length is {smallest - 1}; give at least {smallest}"):
                task_type().sample(2, length, seeded())

    @pytest.mark.parametrize("shape", [(3,), (2, 1), ()])
    def test_length_shape(self, task_type, shape):
        with pytest.raises(ValueError, match=r"length has shape .*int64 tensor of shape \(2,\)"):
            task_type().sample(2, torch.full(shape, 3), seeded())

    def test_length_dtype(self, task_type):
        with pytest.raises(ValueError, match=r"torch\.float32; give one int, or an int64 tensor"):
            task_type().sample(2, torch.tensor([3.0, 2.0]), seeded())

    def test_length_type(self, task_type):
        with pytest.raises(ValueError, match=r"length is 2\.5; give an int"):
            task_type().sample(2, 2.5, seeded())

    def test_constructor(self, task_type):
        low, high = (f"{end}_{'items' if task_type is AssociativeRecall else 'length'}" for end in ("min", "max"))
        with pytest.raises(ValueError, match="bits is 0; give a whole number of at least 1"):
            task_type(bits=0)
        with pytest.raises(ValueError, match=f"{low} is 0; give .* at least {SMALLEST[task_type]}"):
            task_type(**{low: 0})
        with pytest.raises(ValueError, match=f"{high} is 4, below {low} 5; give at least 5"):
            task_type(**{low: 5, high: 4})
        with pytest.raises(ValueError, match="evaluation_lengths is empty; give at least one"):
            task_type(evaluation_lengths=())
        with pytest.raises(ValueError, match=r"evaluation_lengths \(9, 0\): a length is 0; give"):
            task_type(evaluation_lengths=(9, 0))


def test_batch_moves_as_a_whole():
    batch = Copy().sample(2, 3, seeded()).to("meta")
    assert isinstance(batch, Batch)
    assert {tensor.device.type for tensor in vars(batch).values()} == {"meta"}


def test_a_task_that_is_not_binary_defines_its_own_scores():
    class LastSymbol(Task):
        def __init__(self):
            self.input_size, self.output_size = 4, 4
            self.min_length, self.max_length, self.evaluation_lengths = 1, 5, (8,)
            self.length_unit = "symbols"

        def sample(self, batch_size, length, generator):
            one_hot = torch.eye(4)[torch.randint(0, 4, (batch_size, length), generator=generator)]
            mask = torch.arange(length).expand(batch_size, -1) == length - 1
            return Batch(one_hot, one_hot * mask[..., None], mask, torch.full((batch_size,), length))

        def loss(self, outputs, batch):
            return torch.nn.functional.cross_entropy(outputs[batch.mask], batch.targets[batch.mask])

        def errors(self, predictions, batch):
            return (predictions[:, -1].argmax(-1) != batch.targets[:, -1].argmax(-1)).float()

        def scores(self, predictions, batch):
            return {"accuracy": 1 - self.errors(predictions, batch).mean()}

    task = LastSymbol()
    batch = task.sample(6, 3, seeded())
    assert task.scores(batch.inputs, batch)["accuracy"] == 1
    assert task.loss(batch.inputs * 50, batch) < 1e-6
    assert task.sample_lengths(200, seeded()).unique().tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("abstract", [Task, BinaryTask])
def test_abstract_classes_cannot_be_built(abstract):
    with pytest.raises(TypeError, match="abstract"):
        abstract()


def test_everything_exported_exists():
    assert all(hasattr(memnets_tasks, name) for name in memnets_tasks.__all__)
