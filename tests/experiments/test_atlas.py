"""``memnets compare`` and ``memnets atlas``: sizes, scores, going on, and what the page says."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

import memnets
from memnets.base.errors import UsageError
from memnets.cli import main
from memnets.experiments.atlas import run, words
from memnets.experiments.atlas.cell import Maker, choose
from memnets.experiments.atlas.commands import find_plan
from memnets.experiments.atlas.page import Results, make_page, protocol_text
from memnets.experiments.atlas.plan import Protocol, read_atlas
from memnets.experiments.atlas.scores import chance, score
from memnets.experiments.atlas.sizes import fit_state, kept_bytes, state_size, with_value
from memnets.experiments.atlas.train import train
from memnets_tasks import Copy, DynamicNGrams, MissingDuplicate, ParityCheck, RepeatCopy, generator

PLAN = """
protocol: {state: 64, steps: 6, seconds: 100, batch_size: 4, rates: [1.0e-2, 1.0e-3], seeds: [1, 2],
  validate_every: 3, validation: 8, sequences: 8, multiples: [1, 2]}
memories:
  LSTM: {class_path: memnets.LSTM, fit: hidden_size}
  Stack: {class_path: memnets.MemoryNetwork, fit: memory.slots, init_args: {hidden_size: 8, controller: rnn,
    backend: reference, memory: {class_path: memnets.StackMemory, init_args: {width: 4}}}}
tasks:
  Copy: {class_path: memnets_tasks.Copy, init_args: {bits: 2, max_length: 3}}
  Heads: {class_path: memnets_tasks.InductionHeads, init_args: {vocabulary: 6, min_length: 4, max_length: 6}}
"""


@pytest.fixture
def plan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(PLAN)
    return tmp_path / "tiny.yaml"


def cells(folder):
    return {path.parent.relative_to(folder): json.loads(path.read_text()) for path in folder.rglob("cell.json")}


def test_a_size_is_fitted_to_the_state():
    make = lambda arguments: memnets.NTM(3, **arguments)  # noqa: E731
    arguments = fit_state(make, {"hidden_size": 10, "width": 6}, "slots", state=300, tolerance=0.1, steps=5)
    slots = arguments["slots"]
    by_hand = 2 * 10 + slots * 6 + 2 * slots + 6  # hidden and cell, memory, both heads' weightings, the last read
    assert state_size(make(arguments), 5) == by_hand
    assert abs(by_hand - 300) <= 4  # half of what a slot takes
    with pytest.raises(UsageError, match="no slots gives a state of 25 numbers within 10%: 1 gives 34"):
        fit_state(make, {"hidden_size": 10, "width": 6}, "slots", state=25, tolerance=0.1, steps=5)


def test_a_value_that_is_too_small_for_the_memory_is_passed_over():
    def make(arguments):
        if arguments["slots"] < 4:
            raise UsageError(f"slots is {arguments['slots']}, but must be at least 4")
        return memnets.NTM(3, 10, width=6, **arguments)

    assert fit_state(make, {}, "slots", state=90, tolerance=0.1, steps=5) == {"slots": 8}
    with pytest.raises(UsageError, match="slots is 1, but must be at least 4"):
        fit_state(lambda arguments: make({"slots": 1}), {}, "slots", state=90, tolerance=0.1, steps=5)


def test_a_size_may_be_a_multiple_and_of_a_nested_class():
    make = lambda arguments: memnets.Transformer(3, heads=2, **arguments)  # noqa: E731
    arguments = fit_state(make, {}, "hidden_size", state=100, tolerance=0.2, steps=6, stride=4)
    assert arguments == {"hidden_size": 8}
    assert state_size(make(arguments), 6) == 6 * 2 * 8 + 1  # a key and a value a step, and how many there are
    nested = {"memory": {"class_path": "a.B", "init_args": {"width": 3}}}
    assert with_value(nested, "memory.slots", 7)["memory"]["init_args"] == {"width": 3, "slots": 7}
    assert nested["memory"]["init_args"] == {"width": 3}
    with pytest.raises(UsageError, match=r"memry\.slots is no argument"):
        with_value(nested, "memry.slots", 7)


@pytest.mark.parametrize(("name", "memories", "tasks"), [("atlas", 12, 12), ("chomsky", 5, 15)])
def test_every_memory_of_the_lists_that_ship_can_be_made_of_its_size(name, memories, tasks):
    atlas = read_atlas(find_plan(name))
    assert len(atlas.memories) >= memories
    assert len(atlas.tasks) >= tasks
    for cell in atlas.cells()[: len(atlas.memories)]:
        maker = Maker(atlas, cell)
        size = state_size(maker.model(0), maker.steps)
        assert cell.memory.fit is None or abs(size - atlas.protocol.state) <= 0.1 * atlas.protocol.state


def test_what_a_step_keeps_grows_with_its_length_and_leaves_parameters_out():
    task, model = Copy(bits=2, max_length=3), memnets.LSTM(3, 8, output_size=2)
    short, long = (kept_bytes(model, task, task.sample(4, n, generator(0, "a", 0))) for n in (5, 50))
    assert 5 * short < long < 20 * short


@pytest.mark.parametrize(("task", "expected"), [(Copy(), 0.5), (RepeatCopy(bits=3, max_repeats=1), 0.5)])
def test_chance_of_bits_is_what_comes_most_often(task, expected):
    batch = task.sample(400, 9, generator(0, "a", 0))
    share = float((batch.targets[batch.mask] == 0).float().mean())  # the end's channel is nearly always zero
    assert chance(task, batch) == pytest.approx(max(expected, share), abs=0.03)


def test_scores_are_0_for_a_constant_answer_and_1_for_no_mistake():
    task = MissingDuplicate()
    batch = task.sample(300, 20, generator(0, "a", 0))
    usual = chance(task, batch)
    assert usual == pytest.approx(batch.targets[batch.mask].mean(0).max())
    assert score(task, {"accuracy": usual}, batch) == 0
    assert score(task, {"accuracy": 1.0}, batch) == pytest.approx(1)
    bits = Copy(bits=4).sample(300, 5, generator(0, "a", 0))
    assert score(Copy(bits=4), {"bit_errors": 20 * (1 - chance(Copy(bits=4), bits))}, bits) == pytest.approx(0)
    grams = DynamicNGrams(order=3, min_length=20, max_length=20)
    batch = grams.sample(50, 20, generator(0, "a", 0))
    guessing = grams.scores(torch.zeros_like(batch.targets), batch)
    assert score(grams, {name: float(value) for name, value in guessing.items()}, batch) == pytest.approx(0, abs=1e-4)
    with pytest.raises(UsageError, match="needs a score named accuracy"):
        score(task, {"luck": 1.0}, batch)


def test_a_training_learns_settles_and_ends_early():
    protocol = Protocol(steps=2000, seconds=60, validate_every=25, decay=0.5)
    torch.manual_seed(0)
    task, model = ParityCheck(max_length=5), memnets.LSTM(3, 24, output_size=2)
    done = train(model, task, protocol, rate=1e-2, seed=0)
    assert done.solved_at is not None
    assert done.error < task.threshold
    begun = done.solved_at + 50  # the third validation
    assert done.steps == pytest.approx(1.5 * begun, abs=2)  # half as many again
    stopped = train(memnets.LSTM(3, 24, output_size=2), task, protocol, rate=1e-2, seed=0, until=7)
    assert stopped.steps == 7
    short = train(memnets.LSTM(3, 24, output_size=2), task, Protocol(steps=2000, seconds=0.05), rate=1e-2, seed=0)
    assert short.steps < 200


def test_the_rate_is_that_of_the_first_to_solve_or_of_the_fewest_errors():
    rows = [{"rate": 1, "solved_at": None, "error": 2.0}, {"rate": 2, "solved_at": None, "error": 1.0}]
    assert choose([*rows, {"rate": 3, "solved_at": None, "error": None}]) == 2
    assert choose([*rows, {"rate": 3, "solved_at": 90, "error": 0.0}, {"rate": 4, "solved_at": 60, "error": 0.1}]) == 4


def test_what_was_stopped_goes_on_to_the_same_scores(plan, tmp_path, monkeypatch, capsys):
    assert main(["compare", "tiny.yaml", "--into", "whole"]) == 0
    whole = cells(tmp_path / "whole")
    assert len(whole) == 4
    calls, real = [], run.run_cell

    def a_few(atlas, cell, record, save, may_begin):
        return real(atlas, cell, record, save, lambda: len(calls) < 3 and calls.append(1) is None)

    monkeypatch.setattr(run, "run_cell", a_few)
    assert main(["compare", "tiny.yaml", "--into", "parts", "--memories", "LSTM"]) == 0
    parts = [len(record["chosen"]) + len(record["measured"]) for record in cells(tmp_path / "parts").values()]
    assert sorted(parts) == [0, 3]
    monkeypatch.setattr(run, "run_cell", real)
    assert main(["compare", "tiny.yaml", "--into", "parts"]) == 0
    for name, record in cells(tmp_path / "parts").items():
        ours, theirs = ([t["scores"] for t in one["measured"]] for one in (record, whole[name]))
        assert ours == theirs, name
        assert [t["seed"] for t in record["measured"]] == [1, 2]
        assert {t["seed"] for t in record["chosen"]} == {0}
        assert len(record["chosen"]) == 2
    monkeypatch.setattr(run, "run_cell", None)  # nothing is left to be run
    capsys.readouterr()
    assert main(["compare", "tiny.yaml", "--into", "parts"]) == 0
    assert "4 of 4 cells are done" in capsys.readouterr().out
    assert main(["atlas", "parts", "--page", "page"]) == 0
    page = (tmp_path / "page" / "README.md").read_text()
    assert "memnets compare tiny.yaml --into parts\nmemnets atlas parts --page page" in page
    assert "4 of 4 cells are done" in page
    assert {path.name for path in (tmp_path / "page" / "figures").iterdir()} == {"heat-map.png", "lengths.png"}
    assert main(["compare", "tiny.yaml", "--into", "parts", "--steps", "7"]) == 2
    assert "another protocol (steps)" in capsys.readouterr().err


def test_a_memory_of_ones_own_and_one_that_fails(plan, tmp_path, capsys):
    (tmp_path / "own_atlas_memories.py").write_text(
        "import memnets\n\n\nclass Mine(memnets.GRU):\n    pass\n\n\n"
        "class Bad(memnets.GRU):\n    def run(self, *given):\n        raise RuntimeError('no such luck')\n"
    )
    own = PLAN[: PLAN.index("  LSTM")] + "  Mine: {class_path: own_atlas_memories.Mine, fit: hidden_size}\n"
    own += "  Bad: {class_path: own_atlas_memories.Bad, fit: hidden_size}\n" + PLAN[PLAN.index("tasks:") :]
    plan.write_text(own)
    assert main(["compare", "tiny.yaml", "--tasks", "Copy"]) == 1
    assert "Bad on Copy: RuntimeError: no such luck" in capsys.readouterr().out
    assert main(["atlas", "atlas/tiny"]) == 0
    page = (tmp_path / "atlas" / "tiny" / "page" / "README.md").read_text()
    assert "1 could not be run: Bad on Copy (RuntimeError: no such luck)" in page
    assert "**Bad**: not run yet" in page
    assert "| Mine | 64 |" in page


def made_up(plan, scores):
    """Results of an atlas whose seeds have these scores: by memory and task, a list of (at 1, at 2)."""
    atlas = read_atlas(plan)
    about = {"state": 64, "length": 3, "unit": "vectors", "steps": 7, "parameters": 9, "kept_bytes": 0, "fitted": {}}
    about |= {"backend": "torch", "date": "2026-01-01", "machine": {"cpu": "", "cores": 1, "torch": "", "threads": 1}}
    found = {}
    for memory, row in scores.items():
        for task, seeds in row.items():
            measured = [
                {"scores": {str(k): {"score": s, "scores": {}, "length": 3} for k, s in zip((1, 2), pair)}, "seed": n}
                | {"diverged": "NaN" if pair[0] < 0 else None, "milliseconds": 1.0, "rate": 1e-3}
                | {"steps": 1, "seconds": 1.0, "solved_at": None}
                for n, pair in enumerate(seeds, 1)
            ]
            found.setdefault(memory, {})[task] = {"about": about, "measured": measured, "chosen": [], "done": True}
    return Results(atlas, found)


def test_the_words_are_those_of_the_numbers(plan, tmp_path):
    scores = {
        "LSTM": {"Copy": [(0.95, 0.2), (0.97, 0.3)], "Heads": [(0.02, 0.0), (0.05, 0.0)]},
        "Stack": {"Copy": [(1.0, 0.99), (1.0, 0.95)], "Heads": [(0.95, 0.5), (-0.1, 0.0)]},
    }
    results = made_up(plan, scores)
    lstm, stack = (words.about_memory(results, name, ["Copy", "Heads"]) for name in ("LSTM", "Stack"))
    assert "learns Copy (1 of 2 tasks" in lstm
    assert "not beyond it on Copy" in lstm
    assert "No better than without looking: Heads" in lstm
    assert "to 2 times it on Copy" in stack
    assert "With its best seed also Heads" in stack
    assert "Diverged: seed 2 on Heads" in stack
    assert "depends on the seed on Heads" in stack
    assert "learnt by Stack and LSTM (2 of 2), at 2 times the length by Stack" in words.about_task(results, "Copy")
    assert "none of 2 memories learns it; Stack is nearest, at 0.42" in words.about_task(results, "Heads")
    make_page(results, tmp_path / "page", [["memnets", "compare"]])
    page = (tmp_path / "page" / "README.md").read_text()
    assert "| LSTM | 0.96 (0.97) | 0.04 (0.05) |" in page
    assert (tmp_path / "page" / "scores.csv").read_text().count("\n") == 1 + 8 * 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (PLAN.replace("steps: 6", "stepz: 6"), "unknown setting 'stepz' of the protocol; did you mean steps"),
        (PLAN.replace("steps: 6", "steps: 0"), "steps is 0, but must be a whole number of at least 1"),
        (PLAN.replace("seeds: [1, 2]", "seeds: [0, 1]"), "choice_seed 0 is among seeds"),
        (PLAN.replace("fit: hidden_size", "fits: hidden_size"), "unknown key 'fits'; did you mean fit"),
        (PLAN.replace("memories:", "memory:"), "unknown key 'memory'; did you mean memories"),
        ("tasks: {}", "memories is None"),
    ],
)
def test_mistakes_in_the_file_are_one_line(plan, changed, message, capsys):
    plan.write_text(changed)
    assert main(["compare", "tiny.yaml"]) == 2
    assert message in capsys.readouterr().err


def test_what_is_not_there_is_named(plan, tmp_path, capsys):
    assert main(["compare", "tiny.yaml", "--memories", "LSTN"]) == 2
    assert "unknown memory 'LSTN'; did you mean LSTM" in capsys.readouterr().err
    assert main(["compare", "chomski"]) == 2
    assert "there is no file chomski, nor a list of that name; did you mean chomsky" in capsys.readouterr().err
    assert main(["atlas", "nowhere"]) == 2
    assert "nowhere is no atlas" in capsys.readouterr().err
    assert not (tmp_path / "atlas").exists()


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """An atlas with one cell that is done, and the cell's file within it."""
    folder = tmp_path_factory.mktemp("known")
    (folder / "one.yaml").write_text(PLAN)
    only = ["--memories", "LSTM", "--tasks", "Copy", "--steps", "1", "--seeds", "1", "--rates", "1e-2"]
    assert main(["compare", str(folder / "one.yaml"), *only, "--into", str(folder / "at")]) == 0
    return folder / "at"


def test_one_rate_is_taken_without_a_choice(known):
    (record,) = cells(known).values()
    assert record["chosen"] == []
    assert [t["rate"] for t in record["measured"]] == [1e-2]
    assert "--rates 0.01" in (known / "atlas.yaml").read_text()
    assert "The rate is 0.01; what is reported" in protocol_text(Protocol(rates=(0.01,)))


CELL = Path("LSTM/Copy/cell.json")


@pytest.mark.parametrize("what", ["list", "measured", "scores", "about", "deep", "pipe", "folder"])
def test_a_cell_that_is_none_is_one_line(what, known, tmp_path, capsys):
    directory = Path(shutil.copytree(known, tmp_path / "at"))
    cell = directory / CELL
    record = json.loads(cell.read_text())
    if what in ("pipe", "folder", "deep", "list"):
        cell.unlink()
        {"pipe": os.mkfifo, "folder": os.mkdir, "deep": lambda p: p.write_text("[" * 99999),
         "list": lambda p: p.write_text("[]")}[what](cell)  # fmt: skip
    else:
        wrong = {"measured": [5], "about": 3, "scores": None}[what]
        (record["measured"][0] if what == "scores" else record)[what] = wrong
        cell.write_text(json.dumps(record))
    assert main(["atlas", str(directory)]) == 2
    message = capsys.readouterr().err
    assert str(cell) in message
    assert "delete it" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("name", ["page", "page/figures", "LSTM", "LSTM/Copy/cell.json", "atlas.yaml"])
def test_links_out_of_an_atlas_are_not_followed(name, known, tmp_path, capsys):
    directory, outside = Path(shutil.copytree(known, tmp_path / "at")), tmp_path / "outside"
    link = directory / name
    link.parent.mkdir(exist_ok=True)
    if link.exists():
        link.rename(outside)
    else:
        outside.mkdir()
    link.symlink_to(outside)
    before = sorted(outside.rglob("*"))
    assert main(["atlas", str(directory)]) == 2
    assert "link out of" in capsys.readouterr().err
    assert sorted(outside.rglob("*")) == before


@pytest.mark.parametrize(
    ("line", "wrong", "named"),
    [
        ("fit: hidden_size", "fit: 3", "fit 3"),
        ("fit: hidden_size", "fit: hidden_size, stride: x", "stride 'x'"),
        ("fit: hidden_size", "init_args: 3", "init_args 3"),
        ("seconds: 100", "seconds: .nan", "seconds is nan"),
    ],
)
def test_a_plan_that_makes_no_sense_is_one_line(line, wrong, named, plan, capsys):
    plan.write_text(PLAN.replace(line, wrong))
    assert main(["compare", "tiny.yaml"]) == 2
    assert named in capsys.readouterr().err
