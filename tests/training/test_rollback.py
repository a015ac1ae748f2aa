"""Going back to the best weights after a collapse."""

import copy

import lightning.pytorch as pl
import pytest
import torch

from learners import CHECKS, learner, trainer
from memnets.training.callbacks import RollbackOnCollapse, StopWhenSolved
from memnets.training.step import DivergedError


class Script(pl.Callback):
    """Sets validation errors by step; remembers rates, and the weights and the optimiser's state at validations."""

    def __init__(self, errors):
        self.errors = errors
        self.rates, self.weights, self.momenta = [], {}, {}

    def on_train_batch_end(self, trainer, module, *args):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_validation_end(self, trainer, module):
        module.validation_error = self.errors[trainer.global_step]
        self.remember(trainer, module, trainer.global_step)

    def remember(self, trainer, module, name):
        self.weights[name] = copy.deepcopy(module.model.state_dict())
        self.momenta[name] = copy.deepcopy(trainer.optimizers[0].state_dict()["state"])


class After(pl.Callback):
    """What is there after all other callbacks of a validation."""

    def __init__(self, script):
        self.script = script

    def on_validation_end(self, trainer, module):
        self.script.remember(trainer, module, f"after {trainer.global_step}")


def run(errors, rise=5.0, threshold=0.01, steps=None, anneal_steps=4, others=(), every=2):
    script = Script(errors)
    solved = StopWhenSolved(threshold, 1, anneal_steps)
    back = RollbackOnCollapse(rise, solved, checks=2)
    work = learner(optimizer=lambda p: torch.optim.RMSprop(p, lr=1e-2, momentum=0.9), spike_clip=3.0)
    callbacks = [script, *others, back, solved, After(script)]
    trainer(max_steps=steps or max(errors), callbacks=callbacks, **{**CHECKS, "val_check_interval": every}).fit(work)
    return script, back, solved


def same(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_collapse_takes_back_to_the_best_weights_at_half_the_rate(capsys):
    script, back, _ = run({2: 20.0, 4: 3.0, 6: 3.1, 8: 9.0, 10: 9.0, 12: 4.0, 14: 2.0})
    assert back.times == 1
    same(script.weights["after 10"], script.weights[4])
    same(script.momenta["after 10"], script.momenta[4])
    assert not torch.equal(script.weights[10]["output.weight"], script.weights[4]["output.weight"])
    assert script.rates == [1e-2] * 10 + [5e-3] * 4
    assert back.best["error"] == 2.0
    assert back.best["step"] == 14
    assert (
        "step 10: errors rose from 3 to 9 a sequence; back to the weights of step 4, at half" in capsys.readouterr().out
    )


def test_one_high_validation_or_a_small_rise_is_no_collapse():
    script, back, _ = run({2: 3.0, 4: 9.0, 6: 7.9, 8: 9.0, 10: 7.9, 12: 7.9})
    assert back.times == 0
    assert script.rates == [1e-2] * 12


def test_errors_that_are_no_number_are_a_collapse_and_never_the_best():
    nan = float("nan")
    script, back, _ = run({2: nan, 4: 3.0, 6: nan, 8: nan, 10: 3.5, 12: nan, 14: nan})
    assert back.times == 2
    same(script.weights["after 8"], script.weights[4])
    same(script.weights["after 14"], script.weights[4])
    assert script.rates == [1e-2] * 8 + [5e-3] * 6


def test_annealing_begins_again_at_half_the_rate():
    errors = {2: 0.5, 4: 0.4, 6: 8.0, 8: 8.0, **dict.fromkeys(range(10, 31, 2), 0.5)}
    script, back, solved = run(errors, threshold=1.0, anneal_steps=20, steps=100)
    assert back.times == 1
    falling = [1 - step / 20 for step in range(20)]
    shares = [1, 1, *falling[:6], 0.5, 0.5, *(share / 2 for share in falling)]
    assert script.rates == pytest.approx([1e-2 * share for share in shares])
    assert solved.solved["step"] == 10


def test_a_collapse_that_ends_annealing_as_well_takes_half_of_the_rate_once():
    script, back, solved = run({2: 0.5, 4: 12.0, 6: 12.0, 8: 12.0}, threshold=1.0, anneal_steps=20)
    assert back.times == 1
    assert solved.anneal_from is None
    assert script.rates == pytest.approx([1e-2, 1e-2, 1e-2, 0.95e-2, 5e-3, 5e-3, 5e-3, 5e-3])


def test_a_validation_of_the_weights_that_were_left_does_not_count():
    errors = {2: 1.0, 4: 9.0, 6: 9.0, 8: 1.0, 10: 1.0}
    script, back, solved = run(errors, threshold=10.0, anneal_steps=20)
    assert back.times == 1
    assert (solved.anneal_from, solved.streak) == (8, 2)
    assert script.rates[6:8] == [5e-3, 5e-3]


def test_a_stop_that_others_ask_for_is_left_to_them():
    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer, module, *args):
            trainer.should_stop = trainer.should_stop or trainer.global_step == 6

    script, back, _ = run({2: 3.0, 4: 9.0, 6: 9.0}, steps=20, others=[Stop()])
    assert back.times == 1
    assert len(script.rates) == 6


def test_only_training_is_watched():
    solved = StopWhenSolved(1.0)
    back = RollbackOnCollapse(1.0, solved)
    trainer(callbacks=[back]).validate(learner(), verbose=False)
    assert back.best == {}


class Overflow(pl.Callback):
    """Gradients beyond float32 at these batches, counted from 0."""

    def __init__(self, *batches):
        self.batches = batches

    def on_after_backward(self, trainer, module):
        if module.batches - 1 in self.batches:
            module.model.output.weight.grad.fill_(float("inf"))


def test_a_run_that_would_diverge_goes_back_as_well(capsys):
    script, back, _ = run({2: 3.0, 4: 4.0, 6: 4.0, 8: 4.0}, others=[Overflow(4)])
    assert back.times == 1
    assert script.rates == [1e-2] * 4 + [5e-3] * 4
    assert "step 4: the loss or a gradient became NaN or Inf; back to the weights of step 2" in capsys.readouterr().out
    assert all(weight.isfinite().all() for weight in script.weights["after 8"].values())


def test_the_step_that_diverged_changes_nothing_after_going_back():
    script, back, _ = run({1: 3.0, 2: 4.0, 3: 4.0}, others=[Overflow(2)], every=1)
    assert back.times == 1
    same(script.weights["after 3"], script.weights[1])
    same(script.momenta["after 3"], script.momenta[1])


def test_a_run_that_diverges_before_any_validation_ends():
    with pytest.raises(DivergedError, match="step 2"):
        run({2: 3.0, 4: 3.0}, others=[Overflow(1)])


@pytest.mark.parametrize("skip", [0, 2])
def test_a_run_whose_best_weights_diverge_at_every_step_ends(skip):
    """Going back again and again would halve the rate to nothing and use up the whole budget."""
    solved = StopWhenSolved(0.01)
    back = RollbackOnCollapse(5.0, solved, checks=2)
    work = learner(skip_nonfinite=skip)
    callbacks = [Overflow(*range(4, 100)), Script(dict.fromkeys(range(0, 101, 2), 3.0)), back, solved]
    with pytest.raises(DivergedError, match=f"at step {4 + 3 * (skip + 1)}"):
        trainer(max_steps=100, callbacks=callbacks, **CHECKS).fit(work)
    assert back.times == 2


@pytest.mark.parametrize("errors", [{2: 3.0, 4: 3.0, 6: 3.0}, {2: 3.0, 4: 9.0, 6: 9.0}])
def test_with_a_sound_step_in_between_a_run_goes_back_as_often_as_it_must(errors):
    """The second time it goes back first since errors rose."""
    bad = (4, 6, 8, 10, 12) if errors[6] == 3.0 else (7, 9, 11, 13)
    _, back, _ = run({**errors, **dict.fromkeys(range(8, 17, 2), 3.0)}, others=[Overflow(*bad)])
    assert (back.times, back.in_vain) == (5, 0)


@pytest.mark.parametrize("end", ["by itself", "by an error"])
def test_a_learner_trained_again_without_it_is_not_taken_back_to_weights_of_before(end):
    work = learner()
    solved = StopWhenSolved(0.01)
    back = RollbackOnCollapse(5.0, solved, checks=1)
    callbacks = [Script({2: 3.0, 4: 3.0}), back, solved, *([Overflow(3, 4)] if end == "by an error" else [])]
    try:
        trainer(max_steps=4, callbacks=callbacks, **CHECKS).fit(work)
    except DivergedError:
        assert end == "by an error"
    with pytest.raises(DivergedError, match="NaN or Inf at step 1"):
        trainer(max_steps=4, callbacks=[Overflow(work.batches)]).fit(work)


def test_steps_left_out_in_a_row_are_counted_anew():
    script = Script({2: 3.0, 4: 9.0, 6: 9.0, 8: 3.0})
    solved = StopWhenSolved(0.01)
    work = learner(skip_nonfinite=2)
    callbacks = [Overflow(4, 5, 6, 7), script, RollbackOnCollapse(5.0, solved, checks=2), solved]
    trainer(max_steps=8, callbacks=callbacks, **CHECKS).fit(work)
    assert (work.skipped, work.train_on_batch.skipped_in_row) == (4, 2)


def test_a_resumed_run_goes_back_as_an_unbroken_one(tmp_path):
    errors = {2: 3.0, 4: 9.0, 6: 9.0, 8: 3.0}
    whole, _, _ = run(errors)
    assert whole.rates[-1] == 5e-3

    def fit(steps, **arguments):
        script = Script(errors)
        solved = StopWhenSolved(0.01, 1, 4)
        work = learner(optimizer=lambda p: torch.optim.RMSprop(p, lr=1e-2, momentum=0.9), spike_clip=3.0)
        callbacks = [script, RollbackOnCollapse(5.0, solved, checks=2), solved, After(script)]
        run = trainer(max_steps=steps, callbacks=callbacks, **CHECKS)
        run.fit(work, **arguments)
        return script, run

    _, first = fit(4)
    first.save_checkpoint(tmp_path / "four.ckpt")
    script, _ = fit(8, ckpt_path=tmp_path / "four.ckpt", weights_only=True)
    same(script.weights["after 6"], whole.weights[2])
    same(script.weights[8], whole.weights[8])
    assert script.rates == whole.rates[4:]


def test_errors():
    solved = StopWhenSolved(1.0)
    for rise in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"collapse_rise is {rise}, but must be above 0 and finite"):
            RollbackOnCollapse(rise, solved)
    with pytest.raises(ValueError, match="checks is 0, but must be at least 1"):
        RollbackOnCollapse(1.0, solved, checks=0)
