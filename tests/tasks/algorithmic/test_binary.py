"""Scores of the binary tasks, against bits counted by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from memnets_tasks import AssociativeRecall, Batch, BinaryTask, Copy, RepeatCopy

TASKS = [Copy, RepeatCopy, AssociativeRecall]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def example() -> tuple[Copy, Tensor, Batch]:
    """Three sequences with 2, 0 and 1 wrong scored bits, and wrong bits wherever nothing is scored."""
    task = Copy(bits=3)
    batch = task.sample(3, torch.tensor([2, 1, 4]), seeded(5))
    signs = batch.targets * 2 - 1
    signs[~batch.mask] = 1.0  # the target there is 0
    signs[0, 3, 1] *= -1
    signs[0, 4, 2] *= -1
    signs[2, 8, 0] *= -1
    magnitudes = torch.rand(signs.shape, generator=seeded(6)) * 3 + 0.1
    return task, signs * magnitudes, batch


class TestScores:
    def test_wrong_bits_are_counted_where_scored(self):
        task, logits, batch = example()
        assert task.errors(logits, batch).tolist() == [2.0, 0.0, 1.0]
        metrics = task.scores(logits, batch)
        assert set(metrics) == {"bit_errors", "sequence_accuracy"}
        assert metrics["bit_errors"].item() == pytest.approx(1.0)
        assert metrics["sequence_accuracy"].item() == pytest.approx(1 / 3)

    def test_all_tasks_share_one_scoring(self):
        assert all(issubclass(task_type, BinaryTask) for task_type in TASKS)
        for task_type in TASKS:
            assert {"loss", "scores", "errors"}.isdisjoint(vars(task_type))

    def test_loss_is_the_entropy_of_the_scored_bits(self):
        task, logits, batch = example()
        p = 1 / (1 + np.exp(-logits.double().numpy()))
        terms = []
        for b, t in zip(*np.nonzero(batch.mask.numpy())):
            for o in range(3):
                terms.append(-np.log(p[b, t, o] if batch.targets[b, t, o] else 1 - p[b, t, o]))
        assert len(terms) == (2 + 1 + 4) * 3
        assert task.loss(logits, batch).item() == pytest.approx(np.mean(terms), rel=1e-6)
        double = task.loss(logits.double(), batch)
        assert double.dtype == torch.float64
        assert double.item() == pytest.approx(np.mean(terms), rel=1e-12)

    def test_low_precision_logits_are_averaged_in_float32(self):
        task, logits, batch = example()
        rounded = logits.bfloat16()
        loss = task.loss(rounded, batch)
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(task.loss(rounded.double(), batch).item(), rel=1e-6)

    def test_gradient_is_probability_minus_target_over_the_scored_bits(self):
        task, logits, batch = example()
        logits = logits.double().requires_grad_()
        (gradient,) = torch.autograd.grad(task.loss(logits, batch), logits)
        expected = (logits.detach().sigmoid() - batch.targets) * batch.mask.unsqueeze(-1) / 21
        torch.testing.assert_close(gradient, expected)

    def test_unscored_outputs_may_be_anything(self):
        task, logits, batch = example()
        poisoned = torch.where(batch.mask.unsqueeze(-1), logits, math.nan).requires_grad_()
        loss = task.loss(poisoned, batch)
        assert loss.item() == task.loss(logits, batch).item()
        (gradient,) = torch.autograd.grad(loss, poisoned)
        assert gradient.isfinite().all()
        assert task.errors(poisoned, batch).tolist() == [2.0, 0.0, 1.0]

    def test_scored_nan_is_wrong_for_either_target(self):
        task, logits, batch = example()
        errors = task.errors(torch.full_like(logits, math.nan), batch)
        assert errors.tolist() == [6.0, 3.0, 12.0]

    def test_huge_logits_stay_finite(self):
        task, logits, batch = example()
        assert task.loss(logits * 1e30, batch).isfinite()

    @pytest.mark.parametrize("task_type", TASKS)
    def test_the_targets_are_a_perfect_answer(self, task_type):
        task = task_type()
        batch = task.sample(5, torch.arange(2, 7), seeded())
        metrics = task.scores(batch.targets * 20 - 10, batch)
        assert metrics["bit_errors"] == 0
        assert metrics["sequence_accuracy"] == 1
        assert task.loss(batch.targets * 20 - 10, batch) < 1e-4

    @pytest.mark.parametrize("method", ["loss", "scores", "errors"])
    @pytest.mark.parametrize("cut", [(slice(1, None),), (slice(None), slice(1, None)), (..., slice(1, None))])
    def test_wrong_shape(self, method, cut):
        task, logits, batch = example()
        with pytest.raises(ValueError, match=r"logits have shape \(.*\(3, 9, 3\).*\(B, T, O\)"):
            getattr(task, method)(logits[cut], batch)
