"""Loss, errors and scores of tasks of symbols, and the score over lengths."""

import math

import pytest
import torch
from formal_batches import decode, seeded

from memnets_tasks import PAPER_LENGTHS, OddsFirst, ReverseString, StackManipulation, length_score


@pytest.fixture
def batch():
    return StackManipulation().sample(6, torch.tensor([1, 3, 9, 4, 8, 2]), seeded())


def logits(batch, seed=1):
    return torch.randn(batch.targets.shape, generator=seeded(seed))


def test_the_loss_is_the_cross_entropy_of_scored_symbols(batch):
    outputs, total, count = logits(batch).double(), 0.0, 0
    for b, t in batch.mask.nonzero().tolist():
        row = outputs[b, t].tolist()
        total += math.log(sum(map(math.exp, row))) - row[int(batch.targets[b, t].argmax())]
        count += 1
    assert float(StackManipulation().loss(outputs, batch)) == pytest.approx(total / count, rel=1e-12)


def test_what_is_not_scored_reaches_neither_loss_nor_gradient(batch):
    outputs = logits(batch).masked_fill(~batch.mask.unsqueeze(-1), torch.nan).requires_grad_()
    StackManipulation().loss(outputs, batch).backward()
    assert outputs.grad.isfinite().all()
    assert not outputs.grad[~batch.mask].any()


def test_wrong_symbols_are_counted(batch):
    task, right = StackManipulation(), batch.targets * 3.0
    assert task.errors(right, batch).tolist() == [0] * 6
    spoilt = right.clone()
    places = batch.mask.nonzero().tolist()
    wrong = [places[0], places[3], places[-1]]
    for b, t in wrong:
        spoilt[b, t] = spoilt[b, t].roll(1)
    for name, value in task.scores(spoilt, batch).items():
        expected = {"accuracy": 1 - 3 / len(places), "symbol_errors": 3 / 6}
        expected["sequence_accuracy"] = 1 - len({b for b, _ in wrong}) / 6
        assert float(value) == pytest.approx(expected[name])
    assert task.errors(right.masked_fill(batch.targets > 0, torch.nan), batch).sum() == len(places)


def test_outputs_of_another_shape_are_named(batch):
    for call in (StackManipulation().loss, StackManipulation().errors):
        with pytest.raises(ValueError, match=r"logits have shape \(6, 19, 2\), but the targets \(6, 19, 3\)"):
            call(logits(batch)[..., :2], batch)


def test_the_score_is_the_mean_of_the_accuracy_at_each_length():
    """Answering 0 always, and right at length 60 alone, where each length counts as much as any other."""

    def predict(batch):
        return batch.targets if batch.targets.shape[1] == 120 else torch.tensor([1.0, 0.0]).expand_as(batch.targets)

    score = length_score(predict, ReverseString(), lengths=(50, 60, 99), sequences=128)
    assert [*score.by_length] == [50, 60, 99]
    assert score.by_length[60] == 1
    assert score.by_length[50] == pytest.approx(0.5, abs=0.02)
    assert score.score == pytest.approx(sum(score.by_length.values()) / 3)
    again = length_score(predict, ReverseString(), lengths=(50, 60, 99), sequences=128)
    assert again == score


def test_the_papers_lengths_and_the_sample_of_them():
    assert tuple(range(41, 501)) == PAPER_LENGTHS
    assert [*length_score(lambda batch: batch.targets, OddsFirst(), sequences=64).by_length] == [*range(41, 501, 51)]
    with pytest.raises(ValueError, match="sequences is 100; give a multiple of batch_size 64"):
        length_score(lambda batch: batch.targets, OddsFirst(), sequences=100)
    with pytest.raises(ValueError, match="lengths is empty"):
        length_score(lambda batch: batch.targets, OddsFirst(), lengths=())


def test_evaluation_goes_beyond_training():
    task = OddsFirst()
    assert (task.min_length, task.max_length) == (1, 40)
    assert min(task.evaluation_lengths) == 41
    assert max(task.evaluation_lengths) == 500
    assert decode(task, task.sample(1, 500, seeded()))[0][2] == 500


def test_steps_of_computation_lie_between_the_string_and_its_answer():
    lengths, task = torch.tensor([1, 3, 5]), OddsFirst(computation=2)
    batch, plain = task.sample(3, lengths, seeded()), OddsFirst().sample(3, lengths, seeded())
    assert task.input_size == OddsFirst().input_size + 1
    assert batch.lengths.tolist() == [4, 12, 20]
    for b, n in enumerate(lengths.tolist()):
        symbols, answering, empty = batch.inputs[b].split([2, 1, 1], dim=-1)
        assert torch.equal(symbols[:n], plain.inputs[b, :n, :2])
        assert empty.flatten().tolist() == [0] * n + [1] * 3 * n + [0] * (20 - 4 * n)
        assert answering.flatten().tolist() == [0] * 3 * n + [1] * n + [0] * (20 - 4 * n)
        assert batch.mask[b].nonzero().flatten().tolist() == [*range(3 * n, 4 * n)]
        assert torch.equal(batch.targets[b, 3 * n : 4 * n], plain.targets[b, n : 2 * n])
    with pytest.raises(ValueError, match="computation is -1"):
        OddsFirst(computation=-1)
