"""The examples of docs/images.md work, one after the other, in a directory of their own."""

import re

import pytest

from running import ROOT


def test_the_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "docs"}
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "images.md").read_text(), re.DOTALL)
    assert len(examples) == 5
    for code in examples:
        exec(code, names)
    assert [len(text) for text in names["batch"].texts] == list(range(5, 13))
    assert names["left"] < names["right"]
    assert float(names["scores"]["character_error_rate"]) == pytest.approx(0.1)
    assert len(names["files"]) == 24
    assert names["files"].skipped == {}
    assert names["loaded"].paths == ("line.png",)
    assert names["loaded"].problems == {"none.png": "image is not there"}
