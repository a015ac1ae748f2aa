"""The reproduction cards: every memory and layer has one, and what they name is there."""

import ast
import inspect
import re
import shlex

from torch import nn

import memnets
import memnets.layers
import memnets.memories
from memnets.base.module import Model, SequenceModule
from memnets.cli.parser import make_parser
from memnets.experiments.catalogue import find_experiment
from running import ROOT

PAGE = ROOT / "docs" / "results" / "reproductions.md"
NAMES, TEXTS = zip(*(part.split("\n", 1) for part in PAGE.read_text().split("\n## ")[1:]))
CARDS = dict(zip(NAMES[:-1], TEXTS))  # the last says what has none
VERDICTS = ("reproduced", "in part", "not reproduced", "not measured")


def verdicts(text: str) -> list[str]:
    """The last cells of a card's table, below its head."""
    rows = re.findall(r"^\|.*\|$", text, re.MULTILINE)
    return [row.split("|")[-2].strip() for row in rows[2:]]


def arguments(kind: type) -> set[str]:
    """Names of a constructor's arguments, those that it passes on among them."""
    parameters = inspect.signature(kind).parameters.values()
    passed_on = [part.annotation.__args__[0] for part in parameters if part.kind is part.VAR_KEYWORD]
    return {part.name for part in parameters} | {name for options in passed_on for name in options.__annotations__}


def test_every_memory_and_layer_is_named():
    public = {getattr(home, name) for home in (memnets, memnets.memories, memnets.layers) for name in home.__all__}
    modules = {x for x in public if inspect.isclass(x) and issubclass(x, nn.Module)}
    modules -= {
        x for x in modules if issubclass(x, Model) and not issubclass(x, SequenceModule)
    }  # of pictures, text ...
    named = {name for text in TEXTS for name in re.findall(r"`(\w+)`", text.strip().split("\n\n")[0])}
    missing = {kind.__name__ for kind in modules} - named - {"SequenceModule", "Layer"}
    assert not missing, f"write a card for {', '.join(sorted(missing))} in {PAGE.name}"


def test_cards_are_whole():
    for card, text in CARDS.items():
        for part in ("- **Measured:**", "- **Left open:**", "- **Not measured:**", "```bash\n"):
            assert part in text, f"{card}: {part}"
        assert set(verdicts(text)) <= {*VERDICTS, ""}, card


def test_commands_are_there():
    parser = make_parser()
    for words in map(shlex.split, "".join(re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)).splitlines()):
        if words[0] == "python":
            script = (ROOT / words[1]).read_text()
            assert all(f'"{option}"' in script for option in words if option.startswith("--")), words
            continue
        options, settings = parser.parse_known_args(words[1:])
        assert options.takes_settings or not settings, words
        for name in getattr(options, "targets", [getattr(options, "experiment", "copy-ntm")]):
            find_experiment(name)


def test_switches_are_there():
    for code in re.findall(r"`(\w+\([^`]*\))`", PAGE.read_text()):
        call = ast.parse(code, mode="eval").body
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Name)
        kind = getattr(memnets, call.func.id, None) or getattr(memnets.layers, call.func.id)
        assert {keyword.arg for keyword in call.keywords} <= arguments(kind), code


def test_files_are_there():
    text = PAGE.read_text()
    for file in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (ROOT / file).is_file(), file
    for file in re.findall(r"\]\(([\w./-]+)", text):
        assert (PAGE.parent / file).is_file(), file


def test_the_summary_counts_what_the_cards_say():
    rows = dict(re.findall(r"^\| \[(.+?)\]\(#.+?\) \| (.*) \|$", PAGE.read_text(), re.MULTILINE))
    counts = {card: " | ".join(str(verdicts(text).count(kind)) for kind in VERDICTS) for card, text in CARDS.items()}
    assert rows == counts
