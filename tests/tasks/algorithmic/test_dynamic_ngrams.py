"""Dynamic n-grams: the sequences, the optimal estimator, and costs, against loops and theory."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from batch_cases import alike
from memnets_tasks import Batch, DynamicNGrams, Growing, Uniform, generator, optimal_predictions


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bits_of(batch: Batch, b: int) -> np.ndarray:
    """All bits of a sequence: those shown, and the last one, which is only asked for."""
    steps = int(batch.lengths[b])
    return np.append(batch.inputs[b, :steps, 0].numpy(), batch.targets[b, steps - 1, 0]).astype(int)


def estimate(bits, order: int, prior: float = 0.5) -> np.ndarray:
    """Equation 10 by counting, one step at a time: P(bit t + 1 is 1) for each t, under Beta(prior, prior)."""
    context = order - 1
    counts: dict[tuple, list[int]] = {}
    predictions = np.full(len(bits), 0.5)
    for t in range(context - 1, len(bits)):
        n0, n1 = counts.setdefault(tuple(bits[t - context + 1 : t + 1]), [0, 0])
        predictions[t] = (n1 + prior) / (n1 + n0 + 2 * prior)
        if t + 1 < len(bits):
            counts[tuple(bits[t - context + 1 : t + 1])][bits[t + 1]] += 1
    return predictions


def cost(bits, order: int) -> float:
    """Bits that the optimal estimator needs, in closed form: the evidence of each context's bits under the prior."""
    context = order - 1
    counts: dict[tuple, list[int]] = {}
    for t in range(context, len(bits)):
        counts.setdefault(tuple(bits[t - context : t]), [0, 0])[bits[t]] += 1
    gamma = math.lgamma  # the logarithm of a beta function is gamma(a) + gamma(b) - gamma(a + b)
    evidence = (
        gamma(n1 + 0.5) + gamma(n0 + 0.5) - gamma(n1 + n0 + 1) - math.log(math.pi) for n0, n1 in counts.values()
    )
    return -sum(evidence) / math.log(2)


class TestSequences:
    @given(st.integers(2, 7), st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(0, 1000))
    def test_layout(self, order, extra, seed):
        lengths = [order + n for n in extra]
        batch = DynamicNGrams(order=order).sample(len(lengths), torch.tensor(lengths), seeded(seed))
        steps = max(lengths) - 1
        assert batch.inputs.shape == batch.targets.shape == (len(lengths), steps, 1)
        assert batch.inputs.dtype == batch.targets.dtype == torch.float32
        assert batch.lengths.tolist() == [n - 1 for n in lengths]
        assert set(batch.inputs.unique().tolist()) <= {0.0, 1.0}
        for b, length in enumerate(lengths):
            assert batch.mask[b].tolist() == [order - 2 <= t < length - 1 for t in range(steps)]
            assert not batch.inputs[b, length - 1 :].any()
            assert not batch.targets[b][~batch.mask[b]].any()
            shown, asked = batch.inputs[b, :, 0], batch.targets[b, :, 0]
            assert torch.equal(asked[order - 2 : length - 2], shown[order - 1 : length - 1])

    def test_the_papers_sizes(self):
        task = DynamicNGrams()
        assert (task.input_size, task.output_size, task.threshold, task.length_unit) == (1, 1, 2.0, "bits")
        assert (task.min_length, task.max_length, task.evaluation_lengths) == (200, 200, (200, 400, 1000))
        batch = task.sample(3, 200, seeded())
        assert batch.inputs.shape == (3, 199, 1)
        assert batch.mask.sum(1).tolist() == [195] * 3

    def test_a_function_of_the_generator_alone(self):
        first, again, other = (DynamicNGrams().sample(4, 60, seeded(s)) for s in (7, 7, 8))
        assert alike(first, again)
        assert not torch.equal(first.inputs, other.inputs)
        assert len({tuple(row.tolist()) for row in first.inputs[..., 0]}) == 4

    def test_work_grows_by_one_operation_a_step(self):
        class Count(TorchDispatchMode):
            calls = 0

            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                self.calls += 1
                return func(*args, **(kwargs or {}))

        def calls(batch_size, length):
            with Count() as count:
                DynamicNGrams().sample(batch_size, torch.full((batch_size,), length), seeded())
            return count.calls

        assert calls(1, 50) == calls(64, 50)
        assert calls(2, 150) - calls(2, 50) == 100

    def test_one_table_holds_for_the_whole_sequence(self):
        batch = DynamicNGrams(order=3).sample(100, 2000, seeded(1))
        differences = []
        for b in range(100):
            bits = bits_of(batch, b)
            contexts = 2 * bits[:-2] + bits[1:-1]
            for c in range(4):
                came = bits[2:][contexts == c]
                if len(came) >= 200:
                    early, late = np.array_split(came, 2)
                    differences.append(abs(early.mean() - late.mean()))
        assert len(differences) > 100
        assert max(differences) < 5 * math.sqrt(2 * 0.25 / 100)

    def test_probabilities_have_the_mean_and_variance_of_the_prior(self):
        """Two bits after one context are both 1 with probability E[p^2], which is 3/8 under Beta(1/2, 1/2)."""
        batch = DynamicNGrams(order=2).sample(20_000, 4, seeded(2))
        bits = np.array([bits_of(batch, b) for b in range(20_000)])
        assert abs(bits[:, 0].mean() - 0.5) < 0.02
        twice = bits[(bits[:, 0] == 1) & (bits[:, 1] == 1)]  # context 1 seen again after a one: E[p^2]/E[p] = 3/4
        assert abs(twice[:, 2].mean() - 3 / 4) < 0.02
        thrice = twice[twice[:, 2] == 1]  # E[p^3]/E[p^2] = (5/16)/(3/8)
        assert abs(thrice[:, 3].mean() - 5 / 6) < 0.02

    def test_the_coins_are_fair_and_independent(self):
        coins = DynamicNGrams().sample(4000, 6, seeded(3)).inputs[:, :5, 0].double()
        noise = 5 / math.sqrt(4000)
        assert (coins.mean(0) - 0.5).abs().max() < 0.5 * noise
        assert (torch.cov(coins.T) - 0.25 * torch.eye(5)).abs().max() < 0.25 * noise


class TestOptimalEstimator:
    @given(st.integers(2, 6), st.integers(1, 40), st.integers(1, 4), st.integers(0, 1000))
    def test_against_counting(self, order, steps, batch_size, seed):
        bits = np.random.default_rng(seed).integers(0, 2, (batch_size, steps))
        got = optimal_predictions(torch.tensor(bits), order=order)
        assert got.dtype == torch.float32
        np.testing.assert_allclose(got, [estimate(row, order) for row in bits], rtol=1e-6)

    def test_by_hand(self):
        """Order 2: ones follow the ones, until one does not."""
        got = optimal_predictions(torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 1.0]]), order=2)
        np.testing.assert_allclose(got[0], [1 / 2, 3 / 4, 5 / 6, 1 / 2, 1 / 4, 5 / 8])

    def test_it_looks_at_the_past_alone(self):
        bits = DynamicNGrams().sample(3, 80, seeded()).inputs[..., 0]
        changed = bits.clone()
        changed[:, 50:] = 1 - changed[:, 50:]
        before, after = optimal_predictions(bits), optimal_predictions(changed)
        assert torch.equal(before[:, :50], after[:, :50])
        assert not torch.equal(before[:, 50:], after[:, 50:])

    def test_cost_is_the_evidence_in_closed_form(self):
        task, lengths = DynamicNGrams(), [200, 150, 6, 400]
        batch = task.sample(4, torch.tensor(lengths), seeded(4))
        for b in range(4):
            part = batch.shard(b, len(batch))
            got = task.scores(torch.zeros_like(part.targets), part)["optimal"].item()
            assert got == pytest.approx(cost(bits_of(batch, b), 6), rel=1e-5)

    def test_expected_cost_of_the_papers_sequences(self):
        """128.3 bits: the figure of the docstring; an independent simulation of 40,000 gave 128.1 +- 0.2."""
        task = DynamicNGrams()
        batch = task.sample(4000, 200, seeded(5))
        optimal = task.scores(torch.zeros_like(batch.targets), batch)["optimal"].item()
        assert abs(optimal - 128.3) < 5 * 36 / math.sqrt(4000)

    def test_no_other_pseudo_count_is_better(self):
        """So the sequences come from the prior that the estimator assumes."""
        task = DynamicNGrams(order=3)
        batch = task.sample(400, 60, seeded(6))
        assert task.errors(task.optimal(batch).logit(), batch).abs().max() < 1e-3
        for prior in (0.25, 1.0):
            worse = np.array([estimate(row.astype(int), 3, prior) for row in batch.inputs[..., 0].numpy()])
            logits = torch.tensor(worse, dtype=torch.float32).logit().unsqueeze(-1)
            assert task.errors(logits, batch).mean() > 0.2

    def test_errors(self):
        with pytest.raises(ValueError, match=r"bits has shape \(2, 5, 1\); give one row of bits for each"):
            optimal_predictions(torch.zeros(2, 5, 1))
        with pytest.raises(ValueError, match="order is 1; give a whole number of at least 2"):
            optimal_predictions(torch.zeros(2, 5), order=1)


class TestScores:
    def example(self):
        task = DynamicNGrams(order=3)
        batch = task.sample(3, torch.tensor([12, 3, 9]), seeded(9))
        return task, torch.randn(batch.targets.shape, generator=seeded(1)) * 2, batch

    def test_costs_against_a_loop(self):
        task, logits, batch = self.example()
        p = 1 / (1 + np.exp(-logits.double().numpy()))
        ours, best, scored = np.zeros(3), np.zeros(3), 0
        for b in range(3):
            bits = bits_of(batch, b)
            for t in range(1, len(bits) - 1):
                for total, prediction in ((ours, p[b, t, 0]), (best, estimate(bits, 3)[t])):
                    total[b] -= np.log2(prediction if bits[t + 1] else 1 - prediction)
                scored += 1
        assert scored == batch.mask.sum() == 10 + 1 + 7
        np.testing.assert_allclose(task.errors(logits, batch), ours - best, rtol=1e-5)
        metrics = {name: value.item() for name, value in task.scores(logits, batch).items()}
        expected = {"cost": ours.mean(), "optimal": best.mean(), "excess": (ours - best).mean()}
        assert metrics == pytest.approx(expected, rel=1e-5)
        assert task.loss(logits, batch).item() == pytest.approx(ours.sum() * math.log(2) / scored, rel=1e-6)

    def test_a_coin_costs_a_bit(self):
        task, logits, batch = self.example()
        assert task.scores(logits * 0, batch)["cost"].item() == pytest.approx(18 / 3)

    def test_unscored_outputs_may_be_anything(self):
        task, logits, batch = self.example()
        poisoned = torch.where(batch.mask.unsqueeze(-1), logits, math.nan).requires_grad_()
        assert torch.equal(task.errors(poisoned, batch), task.errors(logits, batch))
        (gradient,) = torch.autograd.grad(task.loss(poisoned, batch), poisoned)
        assert gradient.isfinite().all()

    def test_scored_nan_is_never_solved(self):
        task, logits, batch = self.example()
        logits[1, 1] = math.nan
        errors = task.errors(logits, batch)
        assert errors[1] == math.inf
        assert errors[[0, 2]].isfinite().all()

    @pytest.mark.parametrize("method", ["loss", "scores", "errors"])
    def test_wrong_shape(self, method):
        task, logits, batch = self.example()
        with pytest.raises(ValueError, match=r"logits have shape \(3, 11\), but the targets \(3, 11, 1\)"):
            getattr(task, method)(logits[..., 0], batch)


class TestCurricula:
    def test_the_papers_length_from_the_first_step(self):
        for curriculum in (Uniform(), Growing(start=200, steps=5)):
            assert [curriculum.max_length(step, DynamicNGrams()) for step in (0, 9)] == [200, 200]

    def test_growing(self):
        task, growing = DynamicNGrams(min_length=20), Growing(start=40, steps=10)
        for step, cap in ((0, 40), (5, 120), (20, 200)):
            lengths = task.sample_lengths(3000, generator(0, "train", step), max_length=growing.max_length(step, task))
            assert (int(lengths.min()), int(lengths.max())) == (20, cap)
            assert task.sample(16, lengths[:16], seeded()).lengths.tolist() == (lengths[:16] - 1).tolist()


def test_errors():
    with pytest.raises(ValueError, match="order is 1; give a whole number of at least 2"):
        DynamicNGrams(order=1)
    with pytest.raises(ValueError, match="min_length is 5; give a whole number of at least 6"):
        DynamicNGrams(min_length=5)
    with pytest.raises(ValueError, match="max_length is 100, below min_length 200; give at least 200"):
        DynamicNGrams(max_length=100)
    with pytest.raises(ValueError, match=r"evaluation_lengths \(200, 4\): a length is 4; give .* at least 6"):
        DynamicNGrams(evaluation_lengths=(200, 4))
    with pytest.raises(ValueError, match="length is 5; give at least 6 bits"):
        DynamicNGrams().sample(2, torch.tensor([8, 5]), seeded())
    with pytest.raises(ValueError, match="batch_size is 0; give"):
        DynamicNGrams().sample(0, 10, seeded())
