"""Two processes that train one run take the steps of one process with the whole batch, and stop and resume together."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import memnets_tasks
from memnets import TextReader
from memnets.training.loggers import read_metrics
from memnets_tasks import DigitLines
from reading_cases import loss_of
from running import TINY, environment, fit, new_command, result

WATCH = '''
import os, signal, sys, torch
import lightning.pytorch as pl

class Watch(pl.Callback):
    """Keeps what each process trains on; where STOP_AT says so, the second is asked to stop."""
    def __init__(self, folder: str):
        self.folder = folder

    def on_train_batch_start(self, trainer, learner, batch, batch_idx):
        assert trainer.global_rank == 0 or sys.flags.safe_path or "TORCHELASTIC_RUN_ID" in os.environ
        drawn = learner.training_batch(learner.batches)
        where = (tuple(vars(drawn).values()), trainer.default_root_dir)
        torch.save(where, f"{self.folder}/{trainer.world_size}-{trainer.global_rank}-{trainer.global_step}.pt")

    def on_train_batch_end(self, trainer, learner, *args):
        if trainer.global_rank == 1 and str(trainer.global_step) == os.environ.get("STOP_AT"):
            os.kill(os.getpid(), signal.SIGTERM)
'''
UNEVEN = '''
import torch
import lightning.pytorch as pl
from memnets_tasks import Copy

class Uneven(Copy):
    """The seventh loss of the second process is no number, though its gradient is."""
    losses = 0
    def loss(self, logits: torch.Tensor, batch: object) -> torch.Tensor:
        self.losses += logits.requires_grad
        first = not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0
        return super().loss(logits, batch) + (0.0 if first or self.losses != 7 else float("nan"))

class Keep(pl.Callback):
    """Keeps the weights that each process ends with, and its rate."""
    def __init__(self, folder: str):
        self.folder = folder

    def on_train_end(self, trainer, learner):
        kept = learner.model.state_dict(), trainer.optimizers[0].param_groups[0]["lr"]
        torch.save(kept, f"{self.folder}/{trainer.global_rank}.pt")
'''
STEPS = ["--trainer.max_steps", "12", "--trainer.val_check_interval", "5", "--trainer.log_every_n_steps", "4"]
EXACT = ["--trainer.precision", "64-true", "--trainer.accelerator", "cpu", "--model.backend", "reference"]
TWO = ["--trainer.strategy", "ddp", "--trainer.devices", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    (folder / "watches.py").write_text(WATCH)
    return folder


def settings(folder: Path) -> list[str]:
    return [*STEPS, *EXACT, "--trainer.callbacks", "watches.Watch", "--trainer.callbacks.folder", str(folder)]


@pytest.fixture(scope="module")
def alone(folder):
    """One process with the batch of both."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(folder)
    yield fit(folder / "runs", *settings(folder), "--training.batch_size", "8", run_id="alone")
    patch.undo()


@pytest.fixture(scope="module")
def stopped(folder, alone):
    """Two processes, stopped after step 7 by a signal that only the second one got."""
    arguments = ["fit", "copy-ntm", *TINY, *settings(folder), *TWO, "--runs", str(folder / "runs"), "--run_id", "two"]
    done = new_command(*arguments, "--wandb.mode", "disabled", STOP_AT="7", PYTHONPATH=path(folder))
    assert done.returncode == 143, done.stdout + done.stderr
    assert "device cpu x 2" in done.stdout
    assert done.stdout.count("stopped by SIGTERM at step 7") == 1, "not said once"
    return folder / "runs" / "copy-ntm" / "two"


@pytest.fixture(scope="module")
def together(folder, stopped):
    """The same, resumed by processes that torchrun starts."""
    assert not (stopped / "result.json").exists()
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "memnets", "resume"]
    done = subprocess.run(
        [sys.executable, *words, str(stopped)],
        env=environment(PYTHONPATH=path(folder)),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return stopped


def path(folder: Path) -> str:
    return ":".join([str(folder), *(part for part in sys.path if part)])


def test_parameters_are_those_of_one_process_with_the_whole_batch(together, alone):
    ours, theirs = (
        torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for run in (together, alone)
    )
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert ours[name].dtype == torch.float64
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-12, msg=name)


def test_numbers_are_those_of_the_whole_batch(together, alone):
    ours, theirs = read_metrics(together / "metrics.csv"), read_metrics(alone / "metrics.csv")
    for name in ("train/loss", "train/bit_errors", "train/grad_norm", "val/loss", "val/bit_errors"):
        assert ours[name][0] == theirs[name][0], "not at the same sequences"
        assert ours[name][1] == pytest.approx(theirs[name][1], abs=1e-6), name
    assert len(ours["train/loss"][0]) == 3
    assert {key: result(together)[key] for key in ("steps", "sequences", "parameters", "lengths")} == {
        key: result(alone)[key] for key in ("steps", "sequences", "parameters", "lengths")
    }


@pytest.mark.parametrize("step", [0, 6, 11])
def test_each_process_has_its_own_half_of_the_batch(step, folder, together, alone):
    (whole, _), (first, at), (second, also_at) = (
        torch.load(folder / f"{name}-{step}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1")
    )
    assert at == also_at == str(together)
    for part, one, two in zip(whole, first, second):
        assert torch.equal(one, part[0::2])
        assert torch.equal(two, part[1::2])
    assert not torch.equal(first[0], second[0])


def test_uneven_halves_are_what_the_weights_are_for(folder, alone):
    """The masks of the halves differ in size, so that a plain mean of the two losses would be another loss."""
    masks = [torch.load(folder / f"1-0-{step}.pt", weights_only=True)[0][2] for step in range(12)]
    assert sum(int(mask[0::2].sum()) != int(mask[1::2].sum()) for mask in masks) > 6


TASKS = [
    kind
    for kind in (getattr(memnets_tasks, name) for name in memnets_tasks.__all__)
    if isinstance(kind, type)
    and issubclass(kind, memnets_tasks.Task)
    and not kind.__abstractmethods__
    and not {"folder", "path"} & {p.name for p in inspect.signature(kind).parameters.values() if p.default is p.empty}
    and not issubclass(kind, memnets_tasks.AnswerTask)  # whose losses are of a model's own outputs: see below
]


@pytest.mark.parametrize("kind", TASKS)
def test_weighed_losses_of_the_parts_are_the_loss_of_the_whole(kind):
    """For every task there is, a new one included."""
    task, random = kind(), torch.Generator().manual_seed(0)
    whole = task.sample(6, task.sample_lengths(6, random), random)
    logits = torch.randn(*whole.inputs.shape[:2], task.output_size, generator=random)
    total = 0.0
    for rank in range(3):
        part = whole.shard(rank, 3)
        total += float(task.loss(logits[rank::3], part) * task.loss_weight(part))
    assert total / float(task.loss_weight(whole)) == pytest.approx(float(task.loss(logits, whole)), rel=1e-5)


def test_one_process_writes(together):
    assert [run.name for run in together.parent.iterdir() if run.name.startswith("two")] == ["two"]
    assert {p.name for p in together.iterdir()} == {
        *("config.yaml", "metrics.csv", "checkpoints", "figures", "result.json")
    }


def test_what_a_process_reads_counts_as_its_characters_do():
    """A reader's loss is a mean over characters, and processes have lines of any lengths."""
    task = DigitLines()
    whole = task.sample(6, torch.tensor([1, 12, 2, 9, 1, 11]), torch.Generator().manual_seed(0))
    reader = TextReader(charset=task.charset, height=task.height, hidden_size=8, ctc_weight=0.0).double().eval()
    total = 0.0
    for rank in range(3):
        part = whole.shard(rank, 3)
        total += float(loss_of(reader, part)[0].detach() * task.loss_weight(part))
    mean = total / float(task.loss_weight(whole))
    assert mean == pytest.approx(float(loss_of(reader, whole)[0].detach()), rel=1e-5)


def test_processes_go_back_together_where_one_alone_would_diverge(tmp_path):
    (tmp_path / "uneven.py").write_text(UNEVEN)
    keep = ["--trainer.callbacks", "uneven.Keep", "--trainer.callbacks.folder", str(tmp_path)]
    arguments = ["fit", "copy-ntm", "--task", "uneven.Uneven", *TINY, *STEPS, *EXACT, *TWO, *keep]
    arguments += ["--training.collapse_rise", "50", "--runs", str(tmp_path), "--wandb.mode", "disabled"]
    done = new_command(*arguments, PYTHONPATH=path(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("step 6: the loss or a gradient became NaN or Inf; back to the weights of step 5") == 1
    (ours, rate), (theirs, other) = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert rate == other == 2.5e-4
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
