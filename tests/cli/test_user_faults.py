"""Mistakes in a user's own files and in Lightning's callbacks: one line that shows where, and nothing left behind."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch

from memnets.cli import main
from memnets.training import step as training_step
from running import TINY, fit

pytestmark = pytest.mark.usefixtures("without_figures")
MODULES = {
    "missing_import": (
        "import no_such_package\n",
        "ModuleNotFoundError: No module named 'no_such_package' (",
        "line 1)",
    ),
    "bad_syntax": ("class T(\n    pass\n", "bad_syntax.py, line", ")"),
    "raises": ("x = 1\nraise ValueError('out of cheese')\n", "ValueError: out of cheese (", "line 2)"),
    "fails": ("x = 1\nraise RuntimeError('out of cheese')\n", "RuntimeError: out of cheese (", "line 2)"),
    "exits": ("import sys\nsys.exit(3)\n", "SystemExit: 3 (", "line 2)"),
    "within": ("import json\njson.loads('{')\n", "JSONDecodeError: ", "line 2)"),
    "attribute": ("import os\nos.nothing\n", "AttributeError: module 'os' has no attribute 'nothing' (", "line 2)"),
    "another": ("class Tosk: pass\n", "module another has no attribute 'T'", ""),
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def said(capsys, *arguments, status=2):
    assert main(list(arguments)) == status
    error = capsys.readouterr().err
    assert error.startswith("memnets: error: ")
    assert error.count("\n") == 1
    return error


WHERE = ["--task=", "--model=", "--optimizer=", "--trainer.callbacks+=", "--loggers+="]
# Each fault in one place and each place with one fault: how a name is looked up has nothing to do with where it stands.
EACH = [(name, WHERE[position % len(WHERE)]) for position, name in enumerate(MODULES)]
FAULTS = dict.fromkeys([*EACH, *(("missing_import", where) for where in WHERE), *(("fails", where) for where in WHERE)])


@pytest.mark.parametrize(("name", "where"), FAULTS)
def test_the_error_of_ones_own_module_is_shown_with_its_line(name, where, here, capsys):
    code, *expected = MODULES[name]
    (here / f"{name}.py").write_text(code)
    error = said(capsys, "fit", "copy-ntm", f"{where}{name}.T")
    assert all(text in error for text in expected)
    assert "is not a value of the right type" not in error


def test_a_module_that_is_nowhere(capsys):
    error = said(capsys, "fit", "copy-ntm", "--task", "no_such_module_here.T")
    assert "there is no module no_such_module_here" in error
    assert "beside the file" in error


YAML = """
task: {class_path: memnets_tasks.Copy}
model: {class_path: memnets.NTM, init_args: {hidden_size: 4}}
optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.1}}
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (YAML + "model: {class_path: memnets.LSTM}\n", "'model' stands twice, again in line 5"),
        (YAML.replace("lr: 0.1", "lr: 0.1, lr: 0.2"), "'lr' stands twice"),
        ("", "is empty: it must name at least a task, a model and an optimizer"),
        ("# nothing\n", "is empty"),
        ("- a\n- b\n", "holds list in place of settings"),
        ("task: [", "is not valid YAML"),
        ("a: &x [*x, *x]\n", "Circular reference"),
        ("[" * 5000, "is not valid YAML"),
        (YAML + "extra: 1\n", "extra"),
        (YAML + "training: {bogus: 1}\n", "unknown setting 'training.bogus'"),
        (YAML + "trainer: 3\n", "trainer is 3, but must hold settings"),
        (YAML + "wandb: [a]\n", "wandb is ['a'], but must hold settings"),
        (YAML + "trainer:\ntraining: {batch_size: 0}\n", "batch_size is 0"),  # a group without settings is none
    ],
)
def test_files_that_are_no_experiment(text, message, here, capsys):
    (here / "mine.yaml").write_text(text)
    error = said(capsys, "fit", "mine.yaml")
    assert message in error
    assert [path.name for path in here.iterdir()] == ["mine.yaml"]


def test_keys_that_are_merged_may_be_overridden(here, capsys):
    """YAML's own ``<<`` is no duplicate."""
    merged = YAML + "common: &c {batch_size: 4, checks: 2}\ntraining: {<<: *c, batch_size: 0}\n"
    (here / "mine.yaml").write_text(
        merged.replace("common: &c {batch_size: 4, checks: 2}\n", "").replace("<<: *c, ", "")
    )
    assert "batch_size is 0" in said(capsys, "fit", "mine.yaml")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--seed", "12345678901234567890123"], 2, "--seed is 12345678901234567890123, but must be"),
        (["--optimizer", "torch.optim.SparseAdam"], 2, "SparseAdam takes sparse gradients alone"),
        (["--optimizer", "torch.optim.LBFGS"], 2, "LBFGS evaluates a batch several times"),
        (["--optimizer", "os.system"], 2, "os.system"),
        (["--trainer.callbacks+=lightning.pytorch.callbacks.Timer"], 2, "cannot be written to config.yaml"),
        (["--trainer.precision", "bf16-mied"], 2, "--trainer.precision is 'bf16-mied', but must be one of"),
        (
            ["--trainer.callbacks+=lightning.pytorch.callbacks.RichProgressBar"],
            2,
            "RichProgressBar would be a second progress bar, a run has one: leave it out",
        ),
        (
            ["--trainer.callbacks+=lightning.pytorch.callbacks.LearningRateFinder"],
            2,
            "set --optimizer.lr",
        ),
        (
            [
                "--trainer.callbacks+=lightning.pytorch.callbacks.StochasticWeightAveraging",
                "--trainer.callbacks.swa_lrs",
                "0.1",
            ],
            1,
            "swa_epoch_start",
        ),
    ],
)
def test_what_cannot_begin_is_said_in_one_line_and_leaves_no_run(arguments, status, message, here, capsys):
    error = said(capsys, "fit", "copy-ntm", *TINY, "--trainer.max_steps", "2", *arguments, status=status)
    assert message in error
    assert not list(here.glob("runs/*/*"))


@pytest.mark.parametrize("key", ["--trainer.callbacks", "--loggers", "--seed"])
def test_a_date_that_yaml_takes_for_one_and_is_none_is_one_line(key, capsys):
    assert main(["fit", "copy-ntm", key, "2020-99-99"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_wrong_monitor_is_one_line(capsys):
    stop = ["--trainer.callbacks+=lightning.pytorch.callbacks.EarlyStopping", "--trainer.callbacks.monitor", "val_los"]
    steps = ["--trainer.max_steps", "4", "--trainer.val_check_interval", "2"]
    error = said(capsys, "fit", "copy-ntm", *TINY, *steps, *stop, status=1)
    assert "val_los" in error
    assert "val/bit_errors" in error


@pytest.mark.parametrize("name", ["ModelCheckpoint", "WeightAveraging", "LearningRateMonitor"])
def test_callbacks_of_lightning_train_and_are_resumed(name, here):
    run = fit(
        here / "runs",
        *("--trainer.max_steps", "4", "--trainer.val_check_interval", "2"),
        f"--trainer.callbacks+=lightning.pytorch.callbacks.{name}",
    )
    assert main(["resume", str(run), "--trainer.max_steps", "8"]) == 0
    assert json.loads((run / "result.json").read_text())["steps"] == 8
    if name == "ModelCheckpoint":
        assert list((run / "checkpoints").glob("epoch=0-step=*.ckpt"))


def test_a_torn_checkpoint_gives_no_advice_to_load_it_unsafely(here, capsys):
    run = fit(here / "runs", "--trainer.max_steps", "2", "--trainer.val_check_interval", "2")
    path = run / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    error = said(capsys, "lengths", str(run), status=1)
    assert "last.ckpt cannot be read as a checkpoint" in error
    assert "weights_only" not in error


NAN = """
import torch, memnets_tasks
class Broken(memnets_tasks.Copy):
    def sample(self, batch_size, length, generator):
        batch = super().sample(batch_size, length, generator)
        if batch_size == 4:
            batch.inputs[0, 0, 0] = float("nan")
        return batch
"""


def test_inputs_that_are_no_numbers_are_named_and_no_rate_is_blamed(here, capsys):
    (here / "nan_task.py").write_text(NAN)
    error = said(capsys, "fit", "copy-ntm", *TINY, "--task", "nan_task.Broken", "--trainer.max_steps", "2", status=1)
    assert "inputs of the batch hold NaN or Inf" in error
    assert "lr" not in error
    assert training_step.DivergedError.__module__ == "memnets.training.step"


def test_a_run_that_is_deleted_while_it_trains_says_so(here, monkeypatch, capsys):
    import shutil

    import lightning.pytorch as pl

    class Delete(pl.Callback):
        def on_train_end(self, trainer, module):
            shutil.rmtree(here / "runs")

    (here / "deleting.py").write_text("")
    module = type(sys)("deleting")
    Delete.__module__, Delete.__qualname__ = "deleting", "Delete"
    module.Delete = Delete
    monkeypatch.setitem(sys.modules, "deleting", module)
    arguments = ["--trainer.max_steps", "2", "--trainer.callbacks+=deleting.Delete"]
    error = said(capsys, "fit", "copy-ntm", *TINY, *arguments, status=1)
    assert "was deleted while its run was trained" in error


def test_no_module_of_posix_alone_is_needed():
    """Windows has neither; the lock there is that of filelock."""
    hidden = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty")
    code = f"import sys\nfor name in {hidden}: sys.modules[name] = None\n"
    code += (
        "import memnets_tasks, memnets_tasks.images\nfor name in memnets_tasks.__all__: getattr(memnets_tasks, name)\n"
    )
    code += "for name in memnets_tasks.images.__all__: getattr(memnets_tasks.images, name)\n"
    code += "import memnets.cli.main, memnets.experiments.start, memnets.experiments.load, memnets.experiments.trial\n"
    code += (
        "import memnets.experiments.sweep, memnets.experiments.engines.local, memnets.experiments.engines.commands\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unknown_option_names_the_nearest(capsys):
    assert "unrecognized arguments: --lenght" in (error := said(capsys, "show", ".", "--lenght", "3"))
    assert "did you mean --length" in error
    assert "did you mean sweep" in said(capsys, "swep")


def test_help_loads_no_torch():
    for words in (["--help"], ["list"], ["fit", "--help"], ["sweep", "--help"], ["resume", "--help"]):
        code = f"import sys\nfrom memnets.cli import main\ntry:\n    main({words!r})\nexcept SystemExit: pass\n"
        code += (
            "assert not {'torch', 'lightning', 'jsonargparse', 'numpy', 'yaml'} & set(sys.modules), sys.modules.keys()"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_a_second_signal_ends_at_once_and_says_how_to_go_on(tmp_path):
    from memnets.training.callbacks import Checkpoints, StoppedBySignal

    checkpoints = Checkpoints(tmp_path)
    checkpoints._on_signal(2, None)
    with pytest.raises(StoppedBySignal, match="stopped by SIGINT"):
        checkpoints._on_signal(2, None)
    import signal

    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert torch.is_tensor(torch.zeros(1))


def test_a_shell_completes_commands_and_experiments(capsys):
    pytest.importorskip("shtab", reason="the extra memnets[train] is not installed as it is now")
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    with pytest.raises(SystemExit):
        main(["--print-completion", "bash"])
    script = capsys.readouterr().out
    for words, wanted in (("memnets leng", "lengths"), ("memnets fit copy-ntm-", "copy-ntm-ff")):
        line = words.split()
        ask = f'COMP_WORDS=({words}); COMP_CWORD={len(line) - 1}; _shtab_memnets; echo "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True)
        assert wanted in done.stdout.split(), done.stderr


def test_waiting_threads_sleep_unless_something_else_was_chosen():
    """``benchmarks/timing/threads.py``: spinning, two threads on a busy machine are ten times slower than one."""
    code = "import os; from memnets.cli import main; main(['list']); print(os.environ.get('OMP_WAIT_POLICY'))"
    for chosen, expected in (
        ({}, "passive"),
        ({"OMP_WAIT_POLICY": "active"}, "active"),
        ({"GOMP_SPINCOUNT": "5"}, "None"),
    ):
        kept = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**kept, **chosen})
        assert done.stdout.splitlines()[-1] == expected
