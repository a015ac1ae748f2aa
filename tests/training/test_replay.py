"""Sequences that failed take part in later batches, are kept in checkpoints, and only where that makes sense."""

from types import SimpleNamespace

import lightning.pytorch as pl
import pytest
import torch

from learners import learner, trainer
from memnets.training import callbacks
from memnets.training.failures import count_failures
from memnets.training.replay import Replay, check_replay
from memnets_tasks import Copy, Splits, generator

TASK = Copy(bits=3, max_length=6)


def draw(length, seed=0, count=4):
    return TASK.sample(count, length, generator(seed, "replay", 0))


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(vars(first).values(), vars(second).values()))


def test_nothing_changes_before_a_sequence_has_failed():
    replay, batch = Replay(0.5), draw(3)
    replay.add(batch, torch.zeros(4, dtype=torch.bool))
    assert replay.into(batch, generator(0, "into", 0)) is batch


def test_failed_sequences_stand_in_place_of_the_first_of_a_batch():
    replay, short, long = Replay(0.5), draw(2), draw(5, seed=1)
    replay.add(short, torch.tensor([False, True, False, False]))
    replay.add(long, torch.tensor([False, False, True, False]))
    fresh = draw(torch.tensor([1, 6, 3, 4]), seed=2)
    seen = set()
    for seed in range(20):
        mixed = replay.into(fresh, generator(seed, "into", 0))
        assert mixed.lengths[2:].tolist() == [7, 9]
        assert mixed.inputs.shape[1] == int(mixed.lengths.max()) == mixed.mask.shape[1]
        for row in range(2):
            n = int(mixed.lengths[row])
            source, index = {5: (short, 1), 11: (long, 2)}[n]
            seen.add(n)
            for name in ("inputs", "targets", "mask"):
                own = getattr(mixed, name)[row]
                assert torch.equal(own[:n], getattr(source, name)[index, :n])
                assert not own[n:].any()
        for name in ("inputs", "targets", "mask"):
            assert torch.equal(getattr(mixed, name)[2:, :9], getattr(fresh, name)[2:, :9])
    assert seen == {5, 11}


def test_batches_of_one_are_replayed_as_often_as_the_share_says():
    replay, failed, fresh = Replay(0.25), draw(5, count=1), draw(3, seed=1, count=1)
    replay.add(failed, torch.tensor([True]))
    mixed = [replay.into(fresh, generator(seed, "into", 0)) for seed in range(200)]
    assert all(same(batch, failed) or batch is fresh for batch in mixed)
    assert 35 <= sum(batch is not fresh for batch in mixed) <= 65


def test_those_that_fail_are_what_is_counted():
    replay, work = Replay(0.1), learner()
    found = count_failures(work.model, work.task, sequences=30, threshold=0.1, replay=replay)
    assert found.failing == len(replay.failed) > 20
    assert (work.task.errors(work.model(replay.failed.inputs)[0], replay.failed) >= 0.1).all()


def test_a_run_replays_what_failed_and_a_checkpoint_keeps_it(tmp_path):
    work = learner(failure_replay=0.75)
    solved = callbacks.StopWhenSolved(99.0, 1, 2, failure_bound=0, failure_sequences=20)
    solved.threshold = 1e-9  # no sequence is without an error, and every validation near enough to anneal
    runner = trainer(max_steps=6, val_check_interval=2, check_val_every_n_epoch=None, callbacks=[solved])
    before = work.training_batch(0)
    runner.fit(work)
    after = work.training_batch(0)
    assert torch.equal(before.lengths[3:], after.lengths[3:])  # fresh ones stay as they were
    assert torch.equal(before.targets[3, : before.lengths[3]], after.targets[3, : before.lengths[3]])
    assert not same(before, after)
    runner.save_checkpoint(tmp_path / "last.ckpt")
    other = learner(failure_replay=0.75)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    other.on_load_checkpoint(saved)
    assert same(other.training_batch(7), work.training_batch(7))


@pytest.mark.parametrize(("share", "expected"), [(0.5, [25, 50]), (0, [None, None])])
def test_validations_of_an_annealing_look_for_what_fails(share, expected):
    """Each time among as many as are counted at its end; none before it begins, and none for no replay."""
    work, held = learner(failure_replay=share), []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            replay = pl_module.train_on_batch.replay
            if trainer.global_step in (3, 5, 7):
                held.append(None if replay is None or replay.failed is None else len(replay.failed))

    solved = callbacks.StopWhenSolved(99.0, 1, 100, failure_bound=0, failure_sequences=25, anneal_checks=2)
    solved.threshold = 1e-9  # no sequence is without an error
    runner = trainer(max_steps=8, val_check_interval=2, check_val_every_n_epoch=None, callbacks=[solved, Watch()])
    runner.fit(work)
    assert held == [None, *expected]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"failure_replay": 1.5}, "failure_replay is 1.5, .* such as 0.125"), ({"failure_replay": -1}, "is -1")],
)
def test_what_is_no_share_of_a_batch_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        learner(**settings)


def test_what_is_kept_from_training_is_not_replayed():
    task = SimpleNamespace(splits=lambda: Splits(Copy(), Copy()))
    with pytest.raises(ValueError, match=r"failure_replay is 0.2, but SimpleNamespace keeps .* leave it at 0"):
        check_replay(0.2, task)
