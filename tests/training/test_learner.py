"""The learner and its callbacks, apart from the command line."""

import itertools

import lightning.pytorch as pl
import pytest
import torch
from torch import nn

from batch_cases import alike
from learners import CHECKS, learner, trainer
from memnets import LSTM, NTM
from memnets.training import SequenceLearner, evaluate_lengths
from memnets.training.callbacks import Checkpoints, VaryingSlots
from memnets.training.clipping import SpikeClip
from memnets.training.loggers import MetricsCSV, read_metrics
from memnets.training.step import DivergedError
from memnets_tasks import Copy, Growing


def test_a_batch_is_a_function_of_seed_and_step_alone():
    one, two = learner(seed=1), learner(seed=1)
    two.training_batch(7)
    two.training_batch(3)
    assert alike(one.training_batch(5), two.training_batch(5))
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
    work = learner(gradient_clip_val=1.0, **settings)
    after = []

    class Overflow(pl.Callback):
        def on_after_backward(self, trainer, module):
            if trainer.global_step in steps:
                for p in module.parameters():
                    p.grad.fill_(1e30)  # finite, but no norm of them is

        def on_train_batch_end(self, trainer, module, *args):
            after.append(module.model.output.weight.detach().clone())

    trainer(max_steps=5, callbacks=[Overflow()], log_every_n_steps=1).fit(work)
    return work, after


def test_a_step_whose_gradient_overflows_is_left_out_where_that_is_allowed():
    work, after = poisoned({2}, skip_nonfinite=1)
    assert (work.skipped, work.train_on_batch.skipped_in_row) == (1, 0)
    assert [torch.equal(a, b) for a, b in itertools.pairwise(after)] == [False, True, False, False]
    assert torch.tensor(work.last_numbers["train/grad_norm"]).isfinite()
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
    assert (other.skipped, other.train_on_batch.skipped_in_row) == (2, 2)


def test_nan_in_the_loss_is_named(tmp_path):
    work = learner()

    class Poison(pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            if batch_idx == 3:
                module.model.output.bias.data[0] = torch.inf

    callbacks = [Poison(), Checkpoints(tmp_path)]
    with pytest.raises(DivergedError, match=r"the loss \((nan|inf)\).* became NaN or Inf at step 4"):
        trainer(callbacks=callbacks, **CHECKS).fit(work)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert kept["global_step"] == 2
    assert all(torch.isfinite(t).all() for t in kept["state_dict"].values())


def test_metrics_csv_survives_a_resumption(tmp_path):
    path = tmp_path / "metrics.csv"
    first = MetricsCSV(tmp_path)
    for step in (1, 2, 3):
        first.log_metrics({"train/loss": step / 2, "sequences": step * 4}, step=step)
    first.save()
    second = MetricsCSV(tmp_path)
    second.forget_after(2)
    second.log_metrics({"val/bit_errors": 7, "sequences": 12}, step=3)
    second.save()
    assert read_metrics(path) == {"train/loss": ([4.0, 8.0], [0.5, 1.0]), "val/bit_errors": ([12.0], [7.0])}
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.csv"]


def test_a_failed_write_keeps_the_numbers_there_were(tmp_path, monkeypatch):
    log = MetricsCSV(tmp_path)
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
    used = []

    class Spike(pl.Callback):
        def on_after_backward(self, trainer, module):
            norm = nn.utils.get_total_norm(p.grad for p in module.parameters())
            for p in module.parameters():
                p.grad *= (100.0 if trainer.global_step == 4 else 1.0) / norm

        def on_train_batch_end(self, trainer, module, *args):
            used.append(float(nn.utils.get_total_norm(p.grad for p in module.parameters())))

    work = learner(spike_clip=2.0)
    trainer(max_steps=6, callbacks=[Spike()]).fit(work)
    assert used[:5] == pytest.approx([1.0, 1.0, 1.0, 1.0, 2.0], rel=1e-3)
