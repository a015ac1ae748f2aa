"""A stranger's run or sweep sends nothing and writes nowhere else without the user's own word."""

import shutil

import pytest
import yaml
from strangers import as_sweep, spec

from memnets.cli import main
from memnets.experiments.run_dir import RunDir
from memnets.experiments.strict_yaml import load_mapping
from memnets.experiments.sweeps.directory import HEAD

SENT = {
    "wandb.mode": ("wandb", {"mode": "online"}),
    "wandb.entity": ("wandb", {"mode": "offline", "entity": "stranger"}),
    "trainer.model_registry": ("trainer", {"model_registry": "stranger/model"}),
    "MLFlowLogger may": ("loggers", [spec("lightning.pytorch.loggers.MLFlowLogger", tracking_uri="sqlite:x")]),
    "$HOME": ("loggers", [spec("lightning.pytorch.loggers.TensorBoardLogger", name="$HOME/x")]),
    "dirpath is": ("trainer", {"callbacks": [spec("lightning.pytorch.callbacks.ModelCheckpoint", dirpath="beside")]}),
    "https://": ("trainer", {"callbacks": [spec("memnets.training.callbacks.Checkpoints", folder="https://x")]}),
    "write_atomically": (
        "trainer",
        {
            "callbacks": [
                spec("lightning.pytorch.callbacks.LambdaCallback", setup="memnets.base.files.write_atomically")
            ]
        },
    ),
    "by config": ("config", "pipe.yaml"),
}


@pytest.mark.parametrize("said", SENT)
def test_a_stranger_s_run_sends_nothing_and_writes_nowhere_else(said, victim, elsewhere, monkeypatch, capsys):
    """Not even where the user has W&B send what is sent: to whom is the user's to say."""
    if said == "wandb.entity":
        monkeypatch.setenv("WANDB_MODE", "online")
    elif said == "wandb.mode":
        monkeypatch.delenv("WANDB_MODE")
    run = RunDir(shutil.copytree(victim, elsewhere / "run"))
    run.result.unlink()
    key, change = SENT[said]
    config = load_mapping(run.config)
    config[key] = config[key] | change if isinstance(change, dict) else change
    run.config.write_text(yaml.safe_dump(config))
    before = sorted(elsewhere.rglob("*"))
    assert main(["resume", str(run.path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert sorted(elsewhere.rglob("*")) == before
    if said != "by config":
        assert not run.is_trusted()
        run.vouch()  # as fit does, so that one's own run goes on without a word
        assert run.is_trusted()


def test_settings_of_wandb_in_a_stranger_s_run_are_not_read(victim, elsewhere, capsys):
    run = RunDir(shutil.copytree(victim, elsewhere / "run"))
    run.result.unlink()
    run.wandb.mkdir(exist_ok=True)
    (run.wandb / "settings").write_text("[default]\nbase_url = https://stranger\n")
    assert main(["resume", str(run.path)]) == 2
    assert f"{run.wandb / 'settings'} would tell W&B where to send" in capsys.readouterr().err


def test_settings_of_wandb_in_the_working_directory_are_not_read_for_a_stranger_s_run(
    victim, elsewhere, monkeypatch, capsys
):
    """W&B looks there as well, and would send the key and the numbers to the address they name."""
    monkeypatch.delenv("WANDB_MODE")
    run = RunDir(shutil.copytree(victim, elsewhere / "run"))
    run.result.unlink()
    settings = elsewhere / "wandb" / "settings"
    settings.parent.mkdir()
    settings.write_text("[default]\nbase_url = https://stranger\n")
    for command in (["resume", str(run.path)], ["fit", str(run.config)]):
        assert main([*command, "--wandb.mode", "online"]) == 2
        assert f"{settings} would tell W&B where to send" in capsys.readouterr().err


def test_a_stranger_s_sweep_sends_what_the_user_says_and_not_its_plan(
    victim, elsewhere, undrawn, in_this_process, monkeypatch, capsys
):
    """Neither whether nor to whom."""
    monkeypatch.delenv("WANDB_MODE")
    sweep = as_sweep(victim, elsewhere)
    config, plan = sweep / "configs" / "copy-ntm.yaml", load_mapping(sweep / "sweep.yaml")
    for settings in ({}, {"wandb.mode": "online", "wandb.entity": "stranger"}):
        (sweep / "sweep.yaml").write_text(f"{HEAD}it\n{yaml.safe_dump(plan | {'settings': settings})}")
        for own in ({}, {"mode": "offline", "entity": "stranger"}):
            config.write_text(yaml.safe_dump(load_mapping(victim / "config.yaml") | {"wandb": own}))
            for command in (["trial", str(sweep), "copy-ntm/seed1"], ["sweep", str(sweep), "--retry-failed"]):
                if settings or own:
                    assert main([*command, "--wandb.mode", "online"]) == 2
                    assert "wandb.entity is 'stranger'" in capsys.readouterr().err
    words = ["--engine", "commands", "--retry-failed", "--wandb.mode", "online", "--wandb.entity", "own"]
    assert main(["sweep", str(sweep), *words]) == 0
    assert "copy-ntm/seed1 --wandb.mode online --wandb.entity own\n" in capsys.readouterr().out
    assert main(["trial", str(sweep), "copy-ntm/seed1", "--wandb.mode", "disabled"]) == 0
    assert load_mapping(sweep / "copy-ntm" / "seed1" / "config.yaml")["wandb"]["mode"] == "disabled"
