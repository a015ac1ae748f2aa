"""The learner and its callbacks, apart from the command line."""

import itertools
import signal

import lightning.pytorch as pl
import pytest
import torch
from torch import nn

from memnets import LSTM, NTM
from memnets.training import SequenceLearner, evaluate_lengths
from memnets.training.callbacks import Checkpoints, StoppedBySignal, StopWhenSolved, VaryingSlots
from memnets.training.callbacks.checkpoints import LAST
from memnets.training.clipping import SpikeClip
from memnets.training.learner import DivergedError
from memnets.training.loggers import MetricsCSV, read_metrics
from memnets_tasks import Copy, Growing


def learner(**settings):
    task = Copy(bits=3, max_length=4)
    torch.manual_seed(0)
    model = NTM(task.input_size, 8, output_size=task.output_size, slots=6, width=4)
    return SequenceLearner(model, task, **{"batch_size": 4, "validation_size": 4, **settings})


def trainer(**settings) -> pl.Trainer:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return pl.Trainer(
        **{"accelerator": "cpu", "enable_model_summary": False, "max_epochs": -1, "max_steps": 4, **quiet, **settings}
    )


def test_a_batch_is_a_function_of_seed_and_step_alone():
    one, two = learner(seed=1), learner(seed=1)
    two.training_batch(7)
    two.training_batch(3)
    for a, b in zip(one.training_batch(5), two.training_batch(5)):
        assert torch.equal(a, b)
    assert not torch.equal(one.training_batch(5).inputs, one.training_batch(6).inputs)
    assert not torch.equal(one.training_batch(5).inputs, learner(seed=2).training_batch(5).inputs)


def test_training_and_validation_draw_different_sequences():
    work = learner(seed=0, batch_size=16, validation_size=16)
    seen = []
    work.task.sample = lambda *args, draw=work.task.sample: seen.append(draw(*args)) or seen[-1]
    trainer(max_steps=2, val_check_interval=1, check_val_every_n_epoch=None, num_sanity_val_steps=0).fit(work)
    assert len(seen) == 4  # train, validate, train, validate
    for a, b in itertools.combinations(seen, 2):
        assert not (a.inputs.shape == b.inputs.shape and torch.equal(a.inputs, b.inputs))


def test_the_curriculum_advances():
    work = learner(curriculum=Growing(start=1, steps=10), batch_size=64)
    longest = [int(work.training_batch(step).lengths.max()) for step in (0, 5, 10)]
    assert longest == [3, 5, 9]  # lengths 1, 2 and 4


def test_the_learner_checks_that_model_and_task_fit():
    with pytest.raises(ValueError, match="the model's output_size is 5, but Copy needs 3"):
        SequenceLearner(NTM(4, 8, output_size=5), Copy(bits=3))
    for name in ("batch_size", "validation_size"):
        with pytest.raises(ValueError, match=f"{name} is 0, but must be at least 1"):
            learner(**{name: 0})


def test_nan_in_a_gradient_names_the_parameter_and_the_step_and_spares_the_weights():
    work = learner()
    weight = work.model.cell.interface.weight
    before = {}

    class Poison(pl.Callback):
        def on_after_backward(self, trainer, module):
            if trainer.global_step == 2:
                before.update({name: p.detach().clone() for name, p in module.named_parameters()})
                weight.grad[1, 2] = torch.nan

    with pytest.raises(DivergedError, match=r"the gradient of cell.interface.weight became NaN or Inf at step 3"):
        trainer(callbacks=[Poison()]).fit(work)
    for name, parameter in work.named_parameters():
        assert torch.equal(parameter, before[name]), name


def poisoned(steps, **settings):
    """A learner that took five steps, or fewer, whose gradients overflow at some; and its weights after each."""
    work = learner(**settings)
    after = []

    class Overflow(pl.Callback):
        def on_after_backward(self, trainer, module):
            if trainer.global_step in steps:
                for p in module.parameters():
                    p.grad.fill_(1e30)  # finite, but no norm of them is

        def on_train_batch_end(self, trainer, module, *args):
            after.append(module.model.output.weight.detach().clone())

    trainer(max_steps=5, callbacks=[Overflow()], gradient_clip_val=1.0, log_every_n_steps=1).fit(work)
    return work, after


def test_a_step_whose_gradient_overflows_is_left_out_where_that_is_allowed():
    work, after = poisoned({2}, skip_nonfinite=1)
    assert (work.skipped, work.skipped_in_row) == (1, 0)
    assert [torch.equal(a, b) for a, b in itertools.pairwise(after)] == [False, True, False, False]
    assert work._norm.isfinite()
    usual, steps = poisoned(set(), skip_nonfinite=1)
    assert torch.equal(steps[1], after[1])
    assert usual.skipped == 0


def test_more_steps_in_a_row_than_may_be_left_out_end_the_run():
    assert poisoned({1, 2, 4}, skip_nonfinite=2)[0].skipped == 3
    with pytest.raises(DivergedError, match=r"NaN or Inf at step 4 \(3 such steps in a row\); the weights"):
        poisoned({1, 2, 3}, skip_nonfinite=2)
    with pytest.raises(DivergedError, match=r"at step 2; .* --training.skip_nonfinite 10 leaves out such steps"):
        poisoned({1})
    with pytest.raises(ValueError, match="skip_nonfinite is -1, but must be at least 0"):
        learner(skip_nonfinite=-1)


def test_steps_left_out_are_counted_on_after_a_resumption(tmp_path):
    work = poisoned({3, 4}, skip_nonfinite=2)[0]
    saved = {}
    work.on_save_checkpoint(saved)
    other = learner(skip_nonfinite=2)
    other.on_load_checkpoint(saved)
    assert (other.skipped, other.skipped_in_row) == (2, 2)


def test_nan_in_the_loss_is_named(tmp_path):
    work = learner()

    class Poison(pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            if batch_idx == 3:
                module.model.output.bias.data[0] = torch.inf

    callbacks = [Poison(), Checkpoints(tmp_path)]
    checks = {"val_check_interval": 2, "check_val_every_n_epoch": None, "num_sanity_val_steps": 0}
    with pytest.raises(DivergedError, match=r"the loss \((nan|inf)\).* became NaN or Inf at step 4"):
        trainer(callbacks=callbacks, **checks).fit(work)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert kept["global_step"] == 2
    assert all(torch.isfinite(t).all() for t in kept["state_dict"].values())


def test_the_annealed_rate_falls_linearly_to_zero():
    rates = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer, module, *args):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    solved = StopWhenSolved(threshold=1e9, checks=2, anneal_steps=4)
    checks = {"val_check_interval": 2, "check_val_every_n_epoch": None, "num_sanity_val_steps": 0}
    work = learner(optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
    trainer(max_steps=100, callbacks=[solved, Watch()], **checks).fit(work)
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
    checks = {"val_check_interval": 2, "check_val_every_n_epoch": None, "num_sanity_val_steps": 0}
    work = learner(optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
    trainer(max_steps=100, callbacks=[Script(), solved], **checks).fit(work)
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
    checks = {"val_check_interval": 2, "check_val_every_n_epoch": None, "num_sanity_val_steps": 0}

    def fit(stop_at, checkpoint=None):
        ask, solved = Ask(errors, stop_at), StopWhenSolved(1.0, checks=1, anneal_steps=3, anneal_below=5.0)
        saves, work = Checkpoints(tmp_path), learner(optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
        try:
            run = trainer(max_steps=20, callbacks=[ask, solved, saves], **checks)
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


def test_metrics_csv_survives_a_resumption(tmp_path):
    path = tmp_path / "metrics.csv"
    first = MetricsCSV(path)
    for step in (1, 2, 3):
        first.log_metrics({"train/loss": step / 2, "sequences": step * 4}, step=step)
    first.save()
    second = MetricsCSV(path)
    second.forget_after(2)
    second.log_metrics({"val/bit_errors": 7, "sequences": 12}, step=3)
    second.save()
    assert read_metrics(path) == {"train/loss": ([4.0, 8.0], [0.5, 1.0]), "val/bit_errors": ([12.0], [7.0])}
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.csv"]


def test_a_failed_write_keeps_the_numbers_there_were(tmp_path, monkeypatch):
    log = MetricsCSV(tmp_path / "metrics.csv")
    log.log_metrics({"train/loss": 1.0}, step=1)
    log.save()
    before = log.path.read_text()
    log.log_metrics({"train/loss": 2.0}, step=2)

    def full(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="no space"):
        log.save()
    assert log.path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.csv"]


def test_evaluation_counts_wrong_bits_and_leaves_the_model_as_it_was():
    class Echo(nn.Module):
        """Answers every copy with ones: about half of the bits are wrong."""

        def __init__(self):
            super().__init__()
            self.anchor = nn.Parameter(torch.zeros(()))

        def forward(self, inputs, lengths):
            assert not self.training, "evaluated as if in training"
            return torch.ones(*inputs.shape[:2], 3) + self.anchor, None

    task, model = Copy(bits=3, max_length=4), Echo().train()
    table = evaluate_lengths(model, task, [2, 8], sequences=230, batch_size=100)
    assert model.training
    assert table[8]["bit_errors"] == pytest.approx(12, abs=1)
    assert table[2]["sequence_accuracy"] == pytest.approx(1 / 64, abs=0.03)
    assert table == evaluate_lengths(model, task, [2, 8], sequences=230, batch_size=100)
    with pytest.raises(ValueError, match="lengths is empty"):
        evaluate_lengths(model, task, [])
    with pytest.raises(ValueError, match="sequences is 0"):
        evaluate_lengths(model, task, [2], sequences=0)


def test_a_baseline_trains_in_a_plain_lightning_trainer():
    task = Copy(bits=3, max_length=4)
    work = SequenceLearner(LSTM(task.input_size, 8, output_size=3), task, batch_size=4, validation_size=4)
    trainer(max_steps=3, limit_val_batches=1).fit(work)
    assert work.sequences == 12


def test_each_training_step_has_its_own_number_of_slots():
    def seen(steps, seed=0):
        work, slots, validated = learner(seed=seed), [], []
        memory = work.model.cell.memory
        work.model.register_forward_pre_hook(
            lambda module, inputs: (slots if module.training else validated).append(memory.slots)
        )
        settings = {"val_check_interval": 10, "check_val_every_n_epoch": None, "num_sanity_val_steps": 0}
        trainer(max_steps=steps, callbacks=[VaryingSlots(3)], **settings).fit(work)
        assert memory.slots == 6
        assert set(validated) == {6}
        return slots

    slots = seen(40)
    assert set(slots) == {3, 4, 5, 6}
    assert seen(20) == slots[:20]
    assert seen(20, seed=1) != slots[:20]


def test_a_memory_with_fewer_slots_is_left_as_it_is():
    work = learner()
    trainer(callbacks=[VaryingSlots(7)]).fit(work)
    assert work.model.cell.memory.slots == 6
    with pytest.raises(ValueError, match="min_slots is 0, but must be at least 1"):
        VaryingSlots(0)


def test_slots_are_put_back_when_a_step_breaks():
    work = learner()

    class Break(pl.Callback):
        def on_after_backward(self, trainer, module):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        trainer(callbacks=[VaryingSlots(1), Break()]).fit(work)
    assert work.model.cell.memory.slots == 6


def test_the_bound_on_spikes_is_a_multiple_of_the_median_before():
    clip = SpikeClip(3.0, window=3)
    bounds = [clip.bound(norm) for norm in (1.0, 5.0, 2.0, 40.0, 3.0)]
    assert bounds == [None, 3.0, 9.0, 6.0, 15.0]
    other = SpikeClip(3.0, window=3)
    other.load_state_dict(clip.state_dict())
    assert other.bound(1.0) == clip.bound(1.0) == 9.0
    floored = SpikeClip(2.0, floor=3.0, window=1)
    assert [floored.bound(norm) for norm in (1.0, 5.0, 1.0)] == [None, 3.0, 10.0]
    with pytest.raises(ValueError, match=r"spike_floor is -1.0, but must be at least 0"):
        SpikeClip(1.0, floor=-1.0)
    for factor in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=rf"spike_clip is {factor}, but must be above 0"):
            SpikeClip(factor)


def test_a_spike_is_clipped_in_training_and_a_usual_gradient_is_not():
    used, raw = [], []

    class Spike(pl.Callback):
        def on_after_backward(self, trainer, module):
            norm = nn.utils.get_total_norm(p.grad for p in module.parameters())
            for p in module.parameters():
                p.grad *= (100.0 if trainer.global_step == 4 else 1.0) / norm

        def on_before_zero_grad(self, trainer, module, optimizer):
            grads = [p.grad for p in module.parameters() if p.grad is not None]
            used.append(float(nn.utils.get_total_norm(grads)) if grads else None)

    work = learner(spike_clip=2.0)
    trainer(max_steps=6, callbacks=[Spike()]).fit(work)
    raw = [round(norm, 3) for norm in used if norm is not None]
    assert raw[:5] == pytest.approx([1.0, 1.0, 1.0, 1.0, 2.0], rel=1e-3)
