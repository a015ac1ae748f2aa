"""benchmarks/timing/gpu_step_time.py, as far as it goes without a GPU."""

import importlib.util
import json
import subprocess
import sys
import time

import pytest
import torch

from running import ROOT, environment

SCRIPT = ROOT / "benchmarks" / "timing" / "gpu_step_time.py"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_refuses_without_a_device_and_needs_no_command_line_libraries():
    blocked = "import sys, runpy; sys.modules.update(wandb=None, jsonargparse=None, lightning=None)"
    path = f"sys.argv = ['gpu_step_time.py']; sys.path.insert(0, {str(SCRIPT.parent)!r})"
    run = f"{path}; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", f"{blocked}; {run}"], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 2
    said = "torch sees no CUDA device; benchmarks/timing/step_time.py measures on the CPU"
    assert done.stderr == f"gpu_step_time: {said}\n"


def test_the_table_and_its_file(monkeypatch, tmp_path, capsys):
    """The whole script on the CPU, with a clock in place of CUDA events."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = importlib.util.spec_from_file_location("gpu_step_time", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def clock(run):
        began = time.perf_counter()
        run()
        return 1e3 * (time.perf_counter() - began)

    monkeypatch.setattr(script, "DEVICE", "cpu")
    monkeypatch.setattr(script, "milliseconds", clock)
    monkeypatch.setattr(script, "about", lambda: {"device": "stand-in"})
    monkeypatch.setattr(script, "LEAST_ROUNDS", 2)
    monkeypatch.setattr(script, "STEPS", (2,))
    monkeypatch.setattr(script, "BATCHES", (1, 3))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    file = tmp_path / "out.json"
    monkeypatch.setattr(
        sys, "argv", ["gpu_step_time.py", "--backends", "reference", "--seconds", "0", "--json", str(file)]
    )
    script.main()
    rows = json.loads(file.read_text())["rows"]
    assert [(row["batch"], row["dtype"]) for row in rows] == [
        (1, "float32"), (3, "float32"), (1, "bfloat16"), (3, "bfloat16")
    ]  # fmt: skip
    for row in rows:
        for kind in ("train", "inference"):
            found = row[kind]
            assert found["reference"]["ratio"] == pytest.approx(found["reference"]["ms"] / found["nn.LSTM"]["ms"])
            assert found["reference"]["ms"] > 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 2 * len(rows)
