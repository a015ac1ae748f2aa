"""Stopping when a task is solved, and the annealing before it."""

import signal

import lightning.pytorch as pl
import pytest
import torch

from learners import CHECKS, learner, trainer
from memnets.training.callbacks import Checkpoints, StoppedBySignal, StopWhenSolved
from memnets.training.callbacks import solved as solved_module
from memnets.training.callbacks.checkpoints import LAST
from memnets.training.failures import Failures, count_failures, failures_by_length
from memnets_tasks import Copy


def test_the_annealed_rate_falls_linearly_to_zero():
    rates = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer, module, *args):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    solved = StopWhenSolved(threshold=1e9, checks=2, anneal_steps=4)
    work = learner(optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
    trainer(max_steps=100, callbacks=[solved, Watch()], **CHECKS).fit(work)
    assert rates == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert solved.solved["step"] == 2


def scripted(errors, **settings):
    """A run whose validation errors are given by step; returns the rate of each step, and the callback."""
    rates = []

    class Script(pl.Callback):
        def on_train_batch_end(self, trainer, module, *args):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

        def on_validation_end(self, trainer, module):
            module.validation_error = errors[trainer.global_step]

    solved = StopWhenSolved(**{"threshold": 1.0, "checks": 1, "anneal_steps": 4, **settings})
    work = learner(optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
    trainer(max_steps=100, callbacks=[Script(), solved], **CHECKS).fit(work)
    assert len(rates) == max(errors)
    return rates, solved


def test_a_collapse_while_annealing_ends_it_and_halves_the_rate():
    rates, solved = scripted({2: 0.5, 4: 10.0, 6: 0.5, 8: 0.5, 10: 0.5})
    assert rates == [1, 1, 1, 0.75, 0.5, 0.5, 0.5, 0.375, 0.25, 0.125]
    assert solved.solved["step"] == 6


def test_a_few_errors_while_annealing_only_start_the_count_anew():
    rates, solved = scripted({2: 0.5, 4: 9.9, 6: 0.5})
    assert rates == [1, 1, 1, 0.75, 0.5, 0.25]
    assert solved.solved["step"] == 6


def test_a_count_too_short_at_the_last_annealed_step_does_not_end_the_run():
    errors = {2: 0.5, 4: 0.5, 6: 3.0, 8: 0.5, 10: 0.5, 12: 0.5, 14: 0.5, 16: 0.5}
    rates, solved = scripted(errors, checks=2)
    assert rates[4:8] == [1, 0.75, 0.5, 0.25]
    assert rates[8:] == [0.5] * 4 + [0.5, 0.375, 0.25, 0.125]
    assert solved.solved["step"] == 10


def test_errors_at_the_last_annealed_step_do_not_end_the_run():
    rates, solved = scripted({2: 0.5, 4: 3.0, 6: 0.5, 8: 0.5}, anneal_steps=2)
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]
    assert solved.solved["step"] == 6


def test_annealing_may_begin_at_the_first_validation_near_enough():
    rates, solved = scripted({2: 4.0, 4: 0.5, 6: 0.5}, checks=2, anneal_below=5.0, anneal_checks=1)
    assert rates == [1, 1, 1, 0.75, 0.5, 0.25]
    assert solved.solved["step"] == 4
    with pytest.raises(ValueError, match="anneal_checks is 0, but must be at least 1"):
        StopWhenSolved(0.1, anneal_checks=0)


def test_annealing_may_begin_at_larger_errors():
    rates, solved = scripted({2: 4.0, 4: 4.0, 6: 0.5, 8: 0.5}, checks=2, anneal_below=5.0)
    assert rates == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert solved.solved["step"] == 6


def test_annealing_that_began_at_larger_errors_and_does_not_solve_begins_anew():
    rates, solved = scripted({2: 4.0, 4: 4.9, 6: 4.0, 8: 0.5, 10: 0.5, 12: 0.5}, anneal_below=5.0)
    assert rates == [1, 1, 1, 0.75, 0.5, 0.25, 0.5, 0.5, 0.5, 0.375, 0.25, 0.125]
    assert solved.solved["step"] == 8


@pytest.mark.parametrize("value", [0.5, float("nan"), float("inf")])
def test_errors_at_which_annealing_cannot_begin(value):
    with pytest.raises(ValueError, match=f"anneal_below is {value}, but must be at least the threshold, 1.0"):
        StopWhenSolved(1.0, anneal_below=value)


def test_annealing_without_steps_cannot_begin_before_the_task_is_solved():
    with pytest.raises(ValueError, match=r"anneal_below is 5\.0, above the threshold, 1\.0, but anneal_steps is 0"):
        StopWhenSolved(1.0, anneal_below=5.0)
    assert StopWhenSolved(1.0, anneal_below=1.0).anneal_below == 1.0


class Ask(pl.Callback):
    """Sends SIGTERM at the end of a step; remembers each step and its rate."""

    def __init__(self, errors, at=None):
        self.errors, self.at, self.rates = errors, at, []

    def on_train_batch_end(self, trainer, module, *args):
        self.rates.append((trainer.global_step, trainer.optimizers[0].param_groups[0]["lr"]))
        if trainer.global_step == self.at:
            signal.raise_signal(signal.SIGTERM)

    def on_validation_end(self, trainer, module):
        module.validation_error = self.errors[trainer.global_step]


@pytest.mark.parametrize("at", [3, 4, 5, 6, 8])  # near; annealing; its last step, with no validation due; begun anew
def test_annealing_that_began_at_larger_errors_goes_on_where_it_was_stopped(at, tmp_path):
    errors = {2: 4.0, 4: 4.0, 5: 4.0, 6: 0.5, 8: 0.5, 9: 0.5}

    def fit(stop_at, checkpoint=None):
        ask, solved = Ask(errors, stop_at), StopWhenSolved(1.0, checks=1, anneal_steps=3, anneal_below=5.0)
        saves, work = Checkpoints(tmp_path), learner(optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
        try:
            run = trainer(max_steps=20, callbacks=[ask, solved, saves], **CHECKS)
            run.fit(work, ckpt_path=checkpoint, weights_only=True)
        except StoppedBySignal:
            assert stop_at
        return ask.rates, solved, [p.detach().clone() for p in work.parameters()]

    rates, solved, parameters = fit(None)
    assert [step for step, _ in rates] == list(range(1, 10))
    before, _, _ = fit(at)
    after, again, others = fit(None, str(tmp_path / LAST))
    assert before + after == rates
    assert again.solved["step"] == solved.solved["step"] == 6
    assert all(map(torch.equal, parameters, others))


def test_a_check_above_the_threshold_breaks_the_streak():
    solved, work = StopWhenSolved(threshold=1.0, checks=2), learner()

    class Stub:
        sanity_checking, should_stop, global_step = False, False, 0

    stub = Stub()
    for step, error in ((1, 0.5), (2, 3.0), (3, 0.5), (3, 0.5), (4, 0.9)):  # step 3 is checked twice: a resumption
        stub.global_step, work.validation_error = step, error
        assert not stub.should_stop
        solved.on_validation_end(stub, work)
    assert stub.should_stop
    assert solved.solved["step"] == 3


def test_too_many_failures_at_the_end_of_annealing_bring_another_from_a_quarter_of_the_rate(monkeypatch):
    rates, asked = iter([0.5, 0.02, 0.0]), []

    def count(model, task, **how):
        asked.append(how)
        return Failures(round(100 * next(rates)), 100)

    monkeypatch.setattr(solved_module, "count_failures", count)
    bound = {"failure_bound": 0.01, "failure_sequences": 100, "anneal_steps": 2}
    found, solved = scripted({2: 0.5, 4: 0.5, 6: 0.5, 8: 0.5}, **bound)
    assert found == [1, 1, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125]
    assert solved.failures == (0, 100)
    assert [how["step"] for how in asked] == [4, 6, 8]
    assert asked[0]["threshold"] == 1.0


def test_an_annealing_that_lost_what_was_learnt_is_followed_by_half_the_rate(monkeypatch):
    asked = []
    monkeypatch.setattr(
        solved_module, "count_failures", lambda *_, **how: asked.append(how["step"]) or Failures(0, 100)
    )
    bound = {"failure_bound": 0.01, "failure_sequences": 100}
    found, _ = scripted({2: 0.5, 4: 5.0, 6: 5.0, 8: 0.5, 10: 0.5, 12: 0.5}, **bound)
    assert found == [1, 1, 1, 0.75, 0.5, 0.25, 0.5, 0.5, 0.5, 0.375, 0.25, 0.125]
    assert asked == [12]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"failure_bound": 0.1, "anneal_steps": 0}, "failure_bound is 0.1, but anneal_steps is 0"),
        ({"failure_bound": 1.0}, "failure_bound is 1.0"),
        ({"failure_bound": 1e-4, "failure_sequences": 2000}, "failure_sequences is 2000, .* at least 10,000"),
    ],
)
def test_a_bound_that_cannot_be_seen_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        StopWhenSolved(0.1, **{"anneal_steps": 5, **settings})


class Parrot(torch.nn.Module):
    """Copies one vector, but for the first bit where ``broken``: then that of every other sequence is wrong."""

    def __init__(self, broken):
        super().__init__()
        self.broken, self.one = broken, torch.nn.Parameter(torch.ones(()))

    def forward(self, inputs, lengths):
        vector = 2 * inputs[:, 0, :3] - 1  # (B, bits)
        vector[:, 0] = 1 if self.broken else vector[:, 0]
        return torch.stack([vector, vector, vector], dim=1) * self.one, None


def test_failing_sequences_are_counted():
    task = Copy(bits=3, min_length=1, max_length=1)
    assert count_failures(Parrot(False), task, sequences=601, threshold=0.1) == (0, 601)
    found = count_failures(Parrot(True), task, sequences=601, threshold=0.1, seed=3)
    assert 250 < found.failing < 350
    assert found == count_failures(Parrot(True), task, sequences=601, threshold=0.1, seed=3)
    assert found != count_failures(Parrot(True), task, sequences=601, threshold=0.1, seed=3, step=1)
    assert count_failures(Parrot(True), task, sequences=601, threshold=1.5).failing == 0  # one wrong bit is below it
    by_length = failures_by_length(Parrot(True), task, [1], sequences=601, seed=3)
    assert 250 < by_length[1]["failing"] < 350
    assert failures_by_length(Parrot(False), task, [1], sequences=601) == {1: {"failing": 0}}
    broken = Parrot(False)
    broken.one.data.fill_(torch.nan)
    assert count_failures(broken, task, sequences=9, threshold=0.1).failing == 9
    assert failures_by_length(broken, task, [1], sequences=9) == {1: {"failing": 9}}
