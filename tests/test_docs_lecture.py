"""The example and the commands of docs/lecture.md."""

import re
import shlex

import memnets
from memnets.cli.parser import COMMANDS, parse
from memnets.experiments.catalogue import find_experiment
from memnets.experiments.config import parse_experiment
from running import ROOT

TEXT = (ROOT / "docs" / "lecture.md").read_text()


def test_python():
    names: dict = {"__name__": "docs"}
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(code, names)
    assert names["model"].translate(["1"])
    loud, plain = (kind(2, 64) for kind in (names["LoudRNN"], memnets.RNN))
    largest = [float(network.layer.weight_hh_l0.detach().abs().max()) for network in (loud, plain)]
    assert 3.5 < largest[0] / largest[1] < 4.5


def test_commands():
    for line in filter(None, "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)).splitlines()):
        words = shlex.split(line, comments=True)[1:]
        assert words[0] in COMMANDS, line
        options = parse(words)
        if words[0] == "fit":  # trained in tests/cli/test_experiments_language.py
            parse_experiment(find_experiment(words[1])[1], options.settings)
