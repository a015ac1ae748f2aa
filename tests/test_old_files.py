"""Runs, sweeps and saved modules that version 0.1.0 wrote are read, evaluated and gone on with; see data/old/README.md.

Only public names and commands are used, and what they say is compared with what 0.1.0 said (``*.json`` beside a run,
``expected.safetensors`` within a module's folder), numbers within the rounding of another kernel or processor.
"""

import csv
import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.testing import assert_close

import memnets
from memnets.cli import main

DATA = Path(__file__).resolve().parent / "data" / "old"
RUNS = sorted(path.parent.relative_to(DATA).as_posix() for path in DATA.glob("runs/*/*/config.yaml"))
STOPPED = [run for run in RUNS if not (DATA / run / "result.json").is_file()]
SEQUENCES = {
    **dict.fromkeys(("ntm-lstm", "ntm-gru", "ntm-rnn", "ntm-feedforward", "ntm-2-layers"), memnets.NTM),
    **{"lstm": memnets.LSTM, "gru": memnets.GRU, "rnn": memnets.RNN},
}
LOOKING = ("reader", "reader-ntm", "captioner", "captioner-ntm")


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A copy of all files; commands run in it, as the paths in them are relative."""
    shutil.copytree(DATA, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    return tmp_path / "old"


def noted(run: str) -> dict:
    """What 0.1.0 said of a run; the test is left out where its data need a package that is not there."""
    if "ocr-digits" in run:
        pytest.importorskip("sklearn")
    return json.loads((DATA / run).with_suffix(".json").read_text())


def assert_same(got, want, rel=1e-3, where="") -> None:
    """All that is in ``want``, where ``got`` may have more."""
    if isinstance(want, dict):
        assert set(want) <= set(got), where
        for name, value in want.items():
            assert_same(got[name], value, rel, f"{where}/{name}")
    elif isinstance(want, list):
        assert len(got) == len(want), where
        for n, (ours, theirs) in enumerate(zip(got, want)):
            assert_same(ours, theirs, rel, f"{where}/{n}")
    elif isinstance(want, float):
        assert got is not None, where
        assert math.isclose(got, want, rel_tol=rel, abs_tol=rel / 10), f"{where}: {got}, but 0.1.0 had {want}"
    else:
        assert got == want, where


def result(run: str) -> dict:
    return json.loads(Path(run, "result.json").read_text())


def rows(run: str) -> list[dict[str, float]]:
    with Path(run, "metrics.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


# Runs


def test_every_kind_of_run_is_there():
    assert len(RUNS) == 14
    assert len(STOPPED) == 3


def read_table(printed: str) -> dict[str, list[float | None]]:
    """The cells of each length, None for a dash."""
    cells = [re.split(r"\s*│\s*", line.strip())[1:-1] for line in printed.splitlines() if line.startswith("│")]
    return {row[0]: [None if cell == "-" else float(cell.strip("%")) for cell in row[1:]] for row in cells}


@pytest.mark.parametrize("run", RUNS)
def test_lengths_are_as_before(run, old, capsys):
    for said in noted(run)["lengths"]:
        assert main(["lengths", run, *said["arguments"]]) == 0
        got = read_table(capsys.readouterr().out)
        assert list(got) == list(said["table"])
        for length, cells in said["table"].items():
            for ours, theirs in zip(got[length], cells, strict=True):
                if theirs == "-":
                    assert ours is None
                else:  # a bit that is on the edge, or a pixel of a font that is drawn otherwise
                    assert ours == pytest.approx(float(theirs.strip("%")), rel=0.02, abs=5.0 if "%" in theirs else 0.06)


@pytest.mark.parametrize("run", [run for run in RUNS if "ocr" in run or "caption" in run])
def test_images_are_read_and_described_as_before(run, old, capsys):
    for said in noted(run)["images"]:
        given = said["arguments"]
        own = ["--decode", "attention"] if given[0] == "read" and "--decode" not in given and "ctc" not in run else []
        assert main([*said["arguments"], *own, "--run", run, "--json"]) == 0  # both together are the default now
        answers = json.loads(capsys.readouterr().out)
        got = [[answer.get("text", answer.get("caption")), answer["confidence"]] for answer in answers]
        # Along the line an end is no longer believed before it is reached; these untrained readers write it anywhere.
        if "ctc" in run:  # what is unsure is read in the negative too, and the surer reading counts
            assert all(ours[1] >= theirs[1] * (1 - 1e-3) for ours, theirs in zip(got, said["said"], strict=True))
            got = [[ours[0], theirs[1]] for ours, theirs in zip(got, said["said"])]
        assert_same(got, said["said"], 0.25 if "attention" in [*given, *own] else 1e-3)


@pytest.mark.parametrize("run", ["runs/copy-ntm/finished", "runs/ocr-words/finished"])
def test_show_draws(run, old):
    assert main(["show", run]) == 0
    assert len(list(Path(run, "figures").glob("*.png"))) > 2


@pytest.mark.parametrize("run", STOPPED)
def test_a_stopped_run_ends_as_it_would_have_before(run, old, without_figures):
    """Weights, optimiser, annealing, gradients' norms, the best weights to go back to, random numbers: all go on."""
    said = noted(run)
    before = rows(run)
    assert main(["resume", run]) == 0
    got = rows(run)
    after = [row for row in got if row["step"] > said["checkpoint_step"]]
    rel = 1e-6 if "precision: 64-true" in Path(run, "config.yaml").read_text() else 1e-3
    assert_same(after, said["continued"]["metrics"], rel)
    assert_same(result(run), said["continued"]["result"], rel)
    assert_same(got[: len(got) - len(after)], [row for row in before if row["step"] <= said["checkpoint_step"]])


def test_a_run_stopped_while_it_drew_is_evaluated_as_before(old, without_figures):
    """All of training is done; what is left gives the same ``result.json``."""
    run = "runs/copy-ntm-ff/finished"
    before = result(run)
    Path(run, "result.json").unlink()
    assert main(["resume", run]) == 0
    times_and_places = ("seconds", "seconds_to_solve", "backend", "device")
    assert_same(result(run), {name: value for name, value in before.items() if name not in times_and_places})


def test_a_finished_run_is_known_as_such(old, capsys):
    assert main(["resume", "runs/copy-lstm/finished"]) != 0
    assert "has ended" in capsys.readouterr().err


@pytest.mark.parametrize("run", ["runs/priority-sort-ntm-ff/stopped", "runs/caption-scenes-ntm/finished"])
def test_a_new_run_from_an_old_configuration(run, old, without_figures):
    short = ["--trainer.max_steps", "2", "--trainer.val_check_interval", "2", "--run_id", "new"]
    assert main(["fit", f"{run}/config.yaml", *short]) == 0
    assert result(str(Path(run).parent / "new"))["steps"] == 2


# Sweeps


def test_a_sweep_is_done_and_reported(old, capsys):
    assert main(["sweep", "sweeps/small"]) == 0
    assert "4 trials, 0 to run" in capsys.readouterr().out
    assert main(["report", "sweeps/small"]) == 0
    with Path("sweeps/small/report.csv").open(newline="") as file:
        reported = list(csv.DictReader(file))
    assert len(reported) == 4
    assert {row["seed"] for row in reported} == {"0", "1"}
    assert "model.hidden_size" in Path("sweeps/small/report.md").read_text()


def test_a_sweep_takes_more_seeds(old, capsys):
    assert main(["sweep", "sweeps/small", "--seeds", "0..2", "--engine", "commands"]) == 0
    commands = capsys.readouterr().out.splitlines()
    assert [command.split("/")[-1] for command in commands] == ["seed2", "seed2"]


def test_a_trial_goes_on(old, without_figures):
    trial = "copy-lstm/model.hidden_size=4/seed1"
    run = f"sweeps/small/{trial}"
    before = result(run)
    Path(run, "result.json").unlink()
    assert main(["trial", "sweeps/small", trial]) == 0
    assert_same(result(run)["lengths"], before["lengths"])
    assert_same(result(run)["metrics"], before["metrics"])


# Saved modules


def expected(name: str) -> tuple[dict[str, torch.Tensor], dict]:
    """Tensors, and texts."""
    path = DATA / "pretrained" / name / "expected.safetensors"
    with safe_open(path, "pt") as file:
        texts = {key: json.loads(value) for key, value in (file.metadata() or {}).items() if key != "format"}
    return load_file(path), texts


def assert_near(got: torch.Tensor, want: torch.Tensor) -> None:
    """The same in float64, within 1e-8: no weight, and no equation, is another."""
    assert_close(got, want, rtol=1e-8, atol=1e-10)


def find_state(state: object, fields: set[str]) -> dict[str, torch.Tensor]:
    """The part of a nested state that has these fields."""
    if not isinstance(state, tuple):
        return {}
    own = state._asdict() if hasattr(state, "_fields") else {}
    if fields <= set(own):
        return own
    return next(filter(None, (find_state(part, fields) for part in state)), {})


def test_every_saved_module_is_compared():
    assert sorted([*SEQUENCES, *LOOKING]) == sorted(path.name for path in (DATA / "pretrained").iterdir())


@pytest.mark.parametrize("name", SEQUENCES)
@torch.no_grad()
def test_sequence_modules_give_the_same(name, tmp_path):
    want, _ = expected(name)
    module = SEQUENCES[name].from_pretrained(DATA / "pretrained" / name)
    assert not module.training
    assert all(parameter.dtype == torch.float32 for parameter in module.parameters())
    module = module.double()
    inputs, lengths = want["inputs"], want["lengths"]
    output, state = module(inputs)
    assert_near(output, want["output"])
    assert_near(module(inputs, lengths=lengths)[0], want["padded"])
    steps = int(module.batch_first)
    first, second = inputs.split([2, 4], dim=steps)
    begun, middle = module(first)
    assert_near(torch.cat([begun, module(second, middle)[0]], dim=steps), want["output"])
    fields = {key.removeprefix("state."): value for key, value in want.items() if key.startswith("state.")}
    last = find_state(state, set(fields))
    for field, value in fields.items():
        assert_near(last[field], value)
    again = SEQUENCES[name].from_pretrained(module.save_pretrained(tmp_path))
    assert_near(again(inputs)[0], want["output"])


@pytest.mark.parametrize("name", [name for name, kind in SEQUENCES.items() if kind is memnets.NTM])
@torch.no_grad()
def test_more_slots_give_the_same(name):
    want, _ = expected(name)
    module = memnets.NTM.from_pretrained(DATA / "pretrained" / name, slots=16).double()
    assert_near(module(want["inputs"])[0], want["output_16_slots"])


def load(kind, name: str):
    """A reader or captioner; one with an encoder of one's own needs it again."""
    own = {"encoder": nn.Identity(), "feature_size": 3} if name.endswith("-ntm") else {}
    module = kind.from_pretrained(DATA / "pretrained" / name, **own)
    dtype = torch.float32 if own else torch.bfloat16
    assert all(parameter.dtype == dtype for parameter in module.parameters())
    return module.double()


@pytest.mark.parametrize("name", ["reader", "reader-ntm"])
@torch.no_grad()
def test_readers_give_the_same(name):
    want, texts = expected(name)
    reader = load(memnets.TextReader, name)
    assert reader.charset == "abcde"
    output = reader(want["images"], want["widths"], texts["texts"])
    for part in ("logits", "weights", "ctc_log_probs"):
        assert_near(getattr(output, part), want[part])
    for part in ("columns", "targets"):
        assert torch.equal(getattr(output, part), want[part])
    for decode, read in texts["read"].items():
        beam = 1 if decode == "attention" else 2
        found = reader.read(want["images"], want["widths"], decode=decode, beam_size=beam, max_length=5)
        assert [reading.text for reading in found] == read
        confidences = torch.tensor([reading.confidence for reading in found], dtype=torch.float64)
        assert_close(confidences, want[f"confidence.{decode}"], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["captioner", "captioner-ntm"])
@torch.no_grad()
def test_captioners_give_the_same(name):
    want, texts = expected(name)
    captioner = load(memnets.Captioner, name)
    assert list(captioner.vocabulary) == ["a", "red", "blue", "circle", "above"]
    output = captioner(want["images"], texts["captions"])
    for part in ("logits", "weights", "gates"):
        assert_near(getattr(output, part), want[part])
    assert torch.equal(output.targets, want["targets"])
    for beam, said in texts["said"].items():
        found = captioner.describe(want["images"], beam_size=int(beam), max_length=5)
        assert [list(caption.words) for caption in found] == said
        confidences = torch.tensor([caption.confidence for caption in found], dtype=torch.float64)
        assert_close(confidences, want[f"confidence.{beam}"], rtol=1e-5, atol=1e-7)
