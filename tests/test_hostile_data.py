"""benchmarks/attacks/attack_data.py in small: damaged and hostile data ends no worker, and each trap is named."""

import re
import subprocess
import sys

from running import ROOT, environment

SCRIPT = ROOT / "benchmarks" / "attacks" / "attack_data.py"


def attack(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=300)


def test_a_small_attack():
    done = attack("--images", "40", "--lmdbs", "25", "--lists", "40", "--fonts", "25", "--seed", "1")
    assert done.returncode == 0, done.stdout
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", done.stdout, re.M)
    counts = {kind: list(map(int, numbers)) for kind, *numbers in rows}
    assert {kind: numbers[0] for kind, numbers in counts.items() if kind != "traps"} == {
        "images": 40,
        "lmdbs": 25,
        "lists": 40,
        "fonts": 25,
    }
    for kind, (cases, accepted, skipped, clear, *bad) in counts.items():
        assert sum((accepted, skipped, clear)) == cases
        assert bad == [0, 0, 0]
        assert skipped + clear > 0
        assert (accepted == 0) == (kind == "traps")
