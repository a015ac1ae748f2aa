"""What is trusted: the user's own files and runs, by a mark outside of them."""

import json

import yaml
from strangers import OWN, as_sweep, poison, spec

from memnets.cli import main
from memnets.experiments.strict_yaml import load_mapping
from memnets.experiments.trust import LOGGERS, foreign, is_vouched, names_in, needs_trust, vouch

TRAIN = ["--training.pictures_every", "0", "--training.batch_size", "2", "--training.validation_size", "2"]
TRAIN += ["--training.evaluation_sequences", "1", "--trainer.max_steps", "2", "--trainer.val_check_interval", "2"]


def test_a_file_that_is_given_to_fit_names_what_it_likes_and_its_run_stays_trusted(
    tmp_path, undrawn, monkeypatch, capsys
):
    """A module beside the YAML file is found, though it is not in the working directory."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    project, work = tmp_path / "project", tmp_path / "work"
    project.mkdir()
    work.mkdir()
    (project / "beside_it.py").write_text(OWN)
    settings = {
        "task": spec("beside_it.Task", bits=2, max_length=2, evaluation_lengths=[2]),
        "model": spec("memnets.NTM", hidden_size=4, slots=4, width=3, backend="reference"),
        "optimizer": spec("torch.optim.SGD", lr=0.1),
    }
    (project / "mine.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.chdir(work)
    assert main(["fit", str(project / "mine.yaml"), *TRAIN, "--run_id", "a"]) == 0
    run = work / "runs" / "mine" / "a"
    assert main(["lengths", str(run)]) == 0
    moved = run.rename(tmp_path / "moved")
    capsys.readouterr()
    assert main(["lengths", str(moved)]) == 2
    assert "names beside_it.Task" in (said := capsys.readouterr().err)
    assert "--trust" in said
    assert main(["lengths", str(moved), "--trust"]) == 0
    assert main(["lengths", str(moved)]) == 0  # asked for once
    config = (moved / "config.yaml").read_text()
    (moved / "config.yaml").write_text(config.replace("lr: 0.1", "lr: 0.2"))
    assert main(["lengths", str(moved)]) == 0  # it names nothing new
    (moved / "config.yaml").write_text(config.replace("beside_it.Task", "beside_it.Other"))
    assert main(["lengths", str(moved)]) == 2


def test_trust_is_not_handed_on_to_the_trials_of_a_stranger_s_sweep(victim, elsewhere, capsys):
    """Whose files hold what only looks like a name, while a trial's names code."""
    run = poison(victim, elsewhere, "own task")
    sweep = as_sweep(run, elsewhere)
    config = load_mapping(victim / "config.yaml") | {"experiment": "looks.like"}
    (sweep / "configs" / "copy-ntm.yaml").write_text(yaml.safe_dump(config))
    assert main(["sweep", str(sweep), "--engine", "commands"]) == 0
    said = capsys.readouterr().out
    assert "memnets trial" in said
    assert "--trust" not in said


def test_the_mark_is_not_in_the_directory(tmp_path, monkeypatch):
    """And so cannot come along with it."""
    monkeypatch.setenv("MEMNETS_STATE", str(tmp_path / "state"))
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("a: b.c")
    vouch(run, [{"task": "b.c"}])
    assert [path.name for path in run.iterdir()] == ["config.yaml"]
    assert is_vouched(run, [{"task": "b.c"}])
    assert not is_vouched(run, [{"task": "b.d"}])
    monkeypatch.setenv("MEMNETS_STATE", str(tmp_path / "another"))
    assert not is_vouched(run, [{"task": "b.c"}])


def test_what_counts_as_a_name_of_code():
    ours = {"task": spec("memnets_tasks.Copy"), "model": {"init_args": {"path": "data/gt.txt"}}}
    assert foreign(ours) == []
    assert foreign({"settings": {"model": "mine.Net"}, "grid": {"task": ["memnets_tasks.Copy", "own.T"]}}) == [
        "mine.Net",
        "own.T",
    ]
    assert foreign({"settings": {"model.cell": json.dumps(spec("mine.Cell"))}}) == ["mine.Cell"]
    assert names_in({"model": {"init_args": {"cell": "mine.Cell"}}}) == {"mine.Cell"}
    assert names_in({"callbacks": "[a.B, torch.nn.Linear]"}) == {"a.B"}
    assert names_in({"task": spec("memnets_tasks.Copy")}) == set()


def test_what_needs_trust_beside_names_of_code():
    assert needs_trust({"wandb": {"mode": "offline", "project": "p"}, "loggers": list(LOGGERS)}) == set()
    assert needs_trust({"settings": {"wandb.mode": "online"}}) == {"mode 'online'"}
    assert needs_trust({"wandb": {"mode": None, "entity": "team"}}) == {"entity 'team'"}
    assert needs_trust({"trainer": {"model_registry": "a/b"}}) == {"model_registry 'a/b'"}
