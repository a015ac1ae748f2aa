"""Configurations of strangers: through every command nothing of theirs is executed or imported."""

import contextlib
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from strangers import MARK, NAMES, as_sweep, hostile, poison, put, spec

import memnets
from memnets.base.errors import RunError, UsageError
from memnets.cli import main
from memnets.cli.parser import COMMANDS
from memnets.experiments.run_dir import RunDir
from memnets.experiments.strict_yaml import load_mapping
from memnets.experiments.trust import foreign
from running import TINY


def every_command(run: Path, sweep: Path) -> list[list[str]]:
    """All that use a run or a sweep; those of an atlas are below."""
    found = [
        ["show", str(run)],
        ["lengths", str(run), "--lengths", "2", "--sequences", "2"],
        ["lengths", str(run), "--data", "gt.txt"],
        ["read", "a.png", "--run", str(run)],
        ["describe", "a.png", "--run", str(run)],
        ["cells", str(run), "a.txt"],
        ["gradients", str(run), "--length", "1", "--sequences", "1"],
        ["save", str(run), "saved"],
        ["export", str(run)],
        ["sample", str(run)],
        ["fit", "copy-ntm", *TINY, "--init_from", str(run), "--runs", "a.txt"],
        ["resume", str(run)],
        ["resume", str(run), "--trainer.max_steps", "3"],
        ["fit", str(run / "config.yaml"), "--trainer.max_steps", "1"],
        ["report", str(sweep)],
        ["trial", str(sweep), "copy-ntm/seed0"],
        ["trial", str(sweep), "copy-ntm/seed1"],
        ["sweep", str(sweep), "--engine", "local", "--processes", "1"],
    ]
    assert {command[0] for command in found} == {*COMMANDS} - {"list", "tasks", "doctor", "compare", "atlas"}
    return found


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_executed_or_imported_by_any_command(name, victim, elsewhere, undrawn, in_this_process, capsys):
    run = poison(victim, elsewhere, name)
    sweep = as_sweep(run, elsewhere)
    for file in ("a.png", "a.txt", "gt.txt"):
        (elsewhere / file).write_bytes(b"a.png x\n")
    trains = {"resume", "fit", "trial", "sweep"}
    key, value = hostile(elsewhere)[name]
    only_trains = not key.startswith(("task", "model")) and not foreign({key: value}) and name != "our command line"
    for command in every_command(run, sweep):
        if only_trains and command[0] not in {*trains, "show"}:
            continue  # they make the task and the model alone, as "our command line" sees
        status = main(command)
        said = capsys.readouterr()
        assert not (elsewhere / MARK).exists(), command
        assert "Traceback" not in said.err
        if command[0] in trains:
            assert status != 0, f"{command} took it"
        if command[0] in trains - {"sweep"}:  # which shows that its trials have failed
            assert said.err.startswith("memnets: error: ")
            assert said.err.count("\n") == 1
    with contextlib.suppress(RunError, UsageError):
        memnets.load(run)
    assert not (elsewhere / MARK).exists()


def test_modules_of_the_working_directory_are_not_found_by_commands_that_use_runs_of_others(victim, elsewhere):
    run = elsewhere / "sound"
    shutil.copytree(victim, run)
    before = list(sys.path)
    assert main(["lengths", str(run), "--lengths", "2", "--sequences", "2"]) == 0
    assert sys.path == before


SIZES = {
    "model.init_args.hidden_size": [10**12, 10**6],
    "model.init_args.num_layers": [10**7],
    "task.init_args.bits": [10**12],
    "curriculum": [spec("memnets_tasks.Growing", start=10**12, steps=2)],
    "trainer.strategy": ["ddp_spawn"],
}


def test_sizes_that_nothing_has_room_for_are_one_line(victim, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = RunDir(shutil.copytree(victim, tmp_path / "run"))
    run.result.unlink()
    for key, values in SIZES.items():
        for value in values:
            config = load_mapping(victim / "config.yaml")
            put(config, key, value)
            run.config.write_text(yaml.safe_dump(config))
            trains = not key.startswith(("task", "model"))
            for command in (["resume"], ["lengths"])[: 1 if trains else 2]:
                assert main([*command, str(run.path)]) == 2
                assert capsys.readouterr().err.count("\n") == 1


def test_aliases_of_aliases_are_counted_before_they_are_written_out(tmp_path):
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(UsageError, match=r"bomb\.yaml holds over 1000000 values"):
        load_mapping(tmp_path / "bomb.yaml")
