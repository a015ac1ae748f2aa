"""From a run to its model, and from its weights to another run."""

import shutil

import pytest
import torch
import yaml

import memnets
from memnets.base.adopting import Adopted
from memnets.cli import main
from memnets.experiments.run_dir import RunDir
from running import TINY, fit, fit_images, result

STEPS = ["--trainer.max_steps", "2", "--trainer.val_check_interval", "2", "--model.backend", "reference"]


pytestmark = pytest.mark.usefixtures("without_figures")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fit(tmp_path_factory.mktemp("first"), *STEPS)


def weights_of(run, which="last"):
    state = RunDir(run).read_checkpoint(which)["state_dict"]
    return {name.removeprefix("model."): tensor for name, tensor in state.items()}


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_a_run_gives_its_model(run, checkpoint):
    before = torch.get_rng_state()
    model = memnets.load(run, checkpoint)
    assert torch.equal(torch.get_rng_state(), before)  # what is loaded changes nothing that is drawn
    assert type(model) is memnets.NTM
    assert not model.training
    assert model.cell.memory.slots == 9
    for name, tensor in weights_of(run, checkpoint).items():
        assert torch.equal(model.state_dict()[name], tensor)
    assert model(torch.zeros(1, 2, 4))[0].shape == (1, 2, 3)


def test_a_story_teller_has_its_pictures_size_of_the_task(tmp_path):
    """Its words alone, which the checkpoint holds, do not make it."""
    small = ["--model.hidden_size", "6", "--model.embedding_size", "4", "--model.feature_size", "5"]
    told = fit_images(tmp_path, "stories-none", 1, *small, "--training.batch_size", "2")
    model = memnets.load(told)
    assert type(model) is memnets.StoryTeller
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in weights_of(told).items())
    assert main(["save", str(told), str(tmp_path / "saved")]) == 0
    assert (tmp_path / "saved" / "model.safetensors").is_file()


def test_what_cannot_be_loaded_names_the_remedy(run, tmp_path):
    with pytest.raises(ValueError, match="'first', but must be last or best"):
        memnets.load(run, "first")
    with pytest.raises(Exception, match="is not a directory"):
        memnets.load(tmp_path / "nothing")


def test_a_stranger_s_run_executes_nothing(run, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["model"]["class_path"] = "stranger.Model"
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "stranger.py").write_text("raise SystemExit('ran')\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match=r"stranger\.Model, code of its own"):
        memnets.load(copy)


def test_a_run_starts_from_the_weights_of_another(run, tmp_path, capsys):
    """Nothing is trained: what is saved is what was taken, and what differs in shape stays as drawn."""
    still = ["--optimizer", "torch.optim.SGD", "--optimizer.lr", "0", "--model.width", "6"]
    second = fit(tmp_path, *STEPS, *still, "--init_from", str(run))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("starts from")]
    first, now = weights_of(run), weights_of(second)
    same = [name for name in now if first[name].shape == now[name].shape]
    others = [name for name in now if name not in same]
    assert same
    assert others
    assert all(torch.equal(first[name], now[name]) for name in same)
    assert all(name in line for name in others)
    assert f"{len(same)} tensors taken" in line
    assert yaml.safe_load((second / "config.yaml").read_text())["init_from"] == str(run)


def test_going_on_does_not_start_again_from_the_other_run(run, tmp_path, capsys):
    """A run that was stopped before its first checkpoint does."""
    first = tmp_path / "first"
    shutil.copytree(run, first)
    second = fit(tmp_path, *STEPS, "--init_from", str(first / "checkpoints" / "best.ckpt"))
    whole = weights_of(second)
    capsys.readouterr()
    (second / "checkpoints" / "last.ckpt").unlink()
    (second / "result.json").unlink()
    assert main(["resume", str(second)]) == 0
    assert "starts from" in capsys.readouterr().out
    assert all(torch.equal(whole[name], tensor) for name, tensor in weights_of(second).items())
    shutil.rmtree(first)
    assert main(["resume", str(second), "--trainer.max_steps", "4"]) == 0
    assert "starts from" not in capsys.readouterr().out
    assert result(second)["steps"] == 4


def test_a_folder_of_save_pretrained_is_a_start_too(run, tmp_path, capsys):
    folder = memnets.load(run).save_pretrained(tmp_path / "saved")
    fit(tmp_path, *STEPS, "--init_from", str(folder))
    line = capsys.readouterr().out
    assert "tensors taken\n" in line
    assert "new:" not in line


@pytest.mark.parametrize("start", ["nothing", "lstm"])
def test_a_start_that_is_none_is_refused(start, tmp_path, capsys):
    torch.manual_seed(0)
    memnets.LSTM(4, 3).save_pretrained(tmp_path / "lstm")
    folder = str(tmp_path / start)
    assert main(["fit", "copy-ntm", *TINY, "--runs", str(tmp_path / "runs"), "--init_from", folder]) == 2
    error = capsys.readouterr().err
    assert "--init_from" in error
    assert folder in error
    assert not (tmp_path / "runs").exists()


def test_a_model_may_adopt_weights_in_a_way_of_its_own(run, tmp_path):
    from memnets.experiments.init_from import start_from

    class Own(memnets.NTM):
        def adopt_state(self, weights, config):
            self.given = weights, config
            return Adopted(list(weights), notes=["3 characters are new"])

    model = Own(4, 12, slots=9, width=5, output_size=3)
    line = start_from(str(run), model)
    assert line.endswith(f"{len(weights_of(run))} tensors taken; 3 characters are new")
    assert model.given[1]["class_path"] == "memnets.NTM"
    assert model.given[1]["init_args"]["hidden_size"] == 12
