"""The plain step, run without Lightning, does what Lightning's shell makes of it; and each of its parts in turn."""

import itertools

import pytest
import torch
from torch import nn

from learners import learner, trainer
from memnets.base.task import Curriculum
from memnets.training.clipping import Clipping, SpikeClip
from memnets.training.step import DivergedError, TrainingStep


class Loop:
    """The least that a step needs of whoever runs it."""

    rank, processes, scaled = 0, 1, False

    def __init__(self, optimizer):
        self.optimizer, self.step = optimizer, 0

    def zero_grad(self):
        self.optimizer.zero_grad()

    def backward(self, loss):
        loss.backward()

    def unscale(self):
        pass

    def take_step(self):
        self.optimizer.step()
        self.step += 1

    def mean(self, numbers):
        return numbers


SETTINGS = {"gradient_clip_val": 0.5, "spike_clip": 2.0, "accumulate_grad_batches": 2, "seed": 3}


def test_a_loop_of_one_line_trains_as_lightning_does():
    ours, theirs = learner(**SETTINGS), learner(**SETTINGS)
    loop = Loop(ours.configure_optimizers())
    numbers = [ours.train_on_batch(loop, "cpu", report=True) for _ in range(8)]
    trainer(max_steps=4).fit(theirs)
    assert loop.step == 4
    assert ours.batches == theirs.batches == 8
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [("grad_norm" in row) for row in numbers] == [False, True] * 4  # where the optimiser took a step
    assert all({"loss", "bit_errors"} <= set(row) for row in numbers)


def test_without_a_report_the_loss_alone_is_given():
    work = learner()
    assert set(work.train_on_batch(Loop(work.configure_optimizers()), "cpu", report=False)) == {"loss"}


def test_accumulated_gradients_are_the_mean_over_batches():
    whole, halves = learner(), learner(accumulate_grad_batches=2)
    for work, batches in ((whole, (0, 1)), (halves, ())):
        loop = Loop(torch.optim.SGD(work.parameters(), lr=0.0))
        for _ in range(2):
            work.train_on_batch(loop, "cpu", report=False)
        if batches:
            work.zero_grad()
            losses = [
                work.task.loss(work.model(b.inputs, lengths=b.lengths)[0], b) for b in map(work.training_batch, batches)
            ]
            (sum(losses) / 2).backward()
    for a, b in zip(whole.parameters(), halves.parameters()):
        torch.testing.assert_close(a.grad, b.grad)


class Doubled(Loop):
    """A loss scaler whose factor is two, and which looks after what is not finite by itself."""

    scaled = True

    def backward(self, loss):
        (2 * loss).backward()

    def unscale(self):
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                p.grad /= 2


def test_a_scaled_gradient_is_clipped_at_its_own_size():
    plain, scaled = learner(**SETTINGS), learner(**{**SETTINGS, "accumulate_grad_batches": 1})
    plain = learner(**{**SETTINGS, "accumulate_grad_batches": 1})
    for work, shell in ((plain, Loop), (scaled, Doubled)):
        loop = shell(work.configure_optimizers())
        for _ in range(3):
            work.train_on_batch(loop, "cpu", report=False)
    for a, b in zip(plain.parameters(), scaled.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("recovers", [True, False])
def test_a_step_that_is_not_finite_asks_for_a_way_back_and_changes_nothing(recovers):
    work = learner()
    before = [p.clone() for p in work.parameters()]
    work.train_on_batch.recover = lambda: recovers

    class Overflow(Loop):
        def backward(self, loss):
            super().backward(loss)
            next(iter(work.parameters())).grad.fill_(torch.nan)

    loop = Overflow(work.configure_optimizers())
    if recovers:
        work.train_on_batch(loop, "cpu", report=False)
        assert loop.step == 1
    else:
        with pytest.raises(DivergedError, match="became NaN or Inf at step 1"):
            work.train_on_batch(loop, "cpu", report=False)
    for a, b in zip(before, work.parameters(), strict=True):
        assert torch.equal(a, b)


def test_two_processes_share_a_batch():
    work = learner()
    shares = []
    for rank in range(2):
        loop = Loop(work.configure_optimizers())
        loop.rank, loop.processes = rank, 2
        step = TrainingStep(work.model, work.task, seed=0, batch_size=4)
        whole = step.draw(0, 2, "cpu")
        work.zero_grad()
        step(loop, "cpu", report=False)
        shares.append([p.grad.clone() for p in work.parameters()])
        loop.zero_grad()
        work.load_state_dict(learner().state_dict())
    work.task.loss(work.model(whole.inputs, lengths=whole.lengths)[0], whole).backward()
    for p, one, other in zip(work.parameters(), *shares):
        torch.testing.assert_close(p.grad, (one + other) / 2)


@pytest.mark.parametrize(("algorithm", "want"), [("norm", [3 / 5, 4 / 5]), ("value", [1.0, 1.0]), (None, [0.6, 0.8])])
def test_the_bound_of_a_gradient(algorithm, want):
    p = nn.Parameter(torch.zeros(2))
    p.grad = torch.tensor([3.0, 4.0])
    Clipping(1.0, algorithm)([p], torch.tensor(5.0))
    torch.testing.assert_close(p.grad, torch.tensor(want))


def test_spikes_are_clipped_after_the_bound_and_judged_before_it():
    clipping = Clipping(10.0, spikes=SpikeClip(0.5))
    norms = []
    for size in (4.0, 4.0, 100.0):
        p = nn.Parameter(torch.zeros(1))
        p.grad = torch.tensor([size])
        clipping([p], torch.tensor(size))
        norms.append(float(p.grad))
    assert norms == pytest.approx([4.0, 2.0, 2.0], rel=1e-5)
    assert clipping.spikes.norms == [4.0, 4.0, 100.0]


@pytest.mark.parametrize(("settings", "message"), [
    ((-1.0,), "gradient_clip_val is -1.0, but must be at least 0"),
    ((1.0, "max"), "gradient_clip_algorithm is 'max', but must be one of norm, value"),
])  # fmt: skip
def test_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Clipping(*settings)


def test_batches_of_different_steps_differ():
    step = learner().train_on_batch
    batches = [step.draw(n, 1, "cpu").inputs for n in range(4)]
    assert not any(a.shape == b.shape and torch.equal(a, b) for a, b in itertools.combinations(batches, 2))


def test_a_curriculum_of_mastery_rises_with_what_is_learnt_and_goes_on_where_it_was():
    class Seen(Curriculum):
        """Keeps what it is shown."""

        def __init__(self):
            self.shown = []

        def max_length(self, step, task):
            return min(1 + len(self.shown), task.max_length)

        def observe(self, errors):
            self.shown.append(errors.tolist())

        def state_dict(self):
            return {"shown": self.shown}

        def load_state_dict(self, state):
            self.shown = list(state["shown"])

    work = learner(curriculum=Seen())
    trainer(max_steps=3).fit(work)
    assert len(work.train_on_batch.curriculum.shown) == 3
    assert all(len(errors) == 4 and errors[0] > 0 for errors in work.train_on_batch.curriculum.shown)
    again = learner(curriculum=Seen())
    again.train_on_batch.load_state_dict(work.train_on_batch.state_dict())
    assert again.train_on_batch.curriculum.shown == work.train_on_batch.curriculum.shown
    assert again.train_on_batch.curriculum.max_length(3, again.task) == 4
