"""A text reader's weights: saved, loaded, of other characters and of other times."""

import copy
import dataclasses
import inspect

import pytest
import torch
from torch import nn

from memnets.models.text_reader import TextReader
from reading_cases import BATCH, draw, loss_of, read, tiny_captioner, tiny_reader


def test_the_characters_are_in_the_checkpoint(tmp_path):
    reader = tiny_reader(charset="ab\\ ")
    torch.save(reader.state_dict(), tmp_path / "reader.pt")
    weights = torch.load(tmp_path / "reader.pt", weights_only=True)
    assert weights["_extra_state"].tolist() == [97, 98, 92, 32]
    other = tiny_reader(charset="ab\\ ")
    other.load_state_dict(weights)
    assert torch.equal(other.ctc.weight, reader.ctc.weight)


def rows(reader):
    """Each character's parameters, and the reserved class's under ''."""
    tables = [reader.ctc.weight, reader.ctc.bias.unsqueeze(1), reader.decoder.output.weight]
    tables += [reader.decoder.output.bias.unsqueeze(1), reader.decoder.embedding.weight]
    joined = torch.cat([table.detach() for table in tables], 1)
    return dict(zip(["", *reader.charset], joined))


def test_weights_of_other_characters_are_taken_over_by_character():
    old, new = tiny_reader(charset="abcd"), tiny_reader(charset="xdb")
    before, fresh = rows(old), copy.deepcopy(rows(new))
    with pytest.warns(UserWarning, match=r"other symbols: 2 kept; 1 added, untrained \('x'\); 2 dropped \('a', 'c'\)"):
        nn.ModuleDict({"reader": new}).load_state_dict({f"reader.{k}": v for k, v in old.state_dict().items()})
    after = rows(new)
    assert new.charset == "xdb"
    for character in ("", "d", "b"):
        assert torch.equal(after[character], before[character])
    assert torch.equal(after["x"], fresh["x"])


def test_another_training_is_started_from_character_by_character():
    """``memnets fit --init_from``: what is new is said, and what is of another size is left as it is."""
    old, new = tiny_reader(charset="abcd"), tiny_reader(charset="xdb", hidden_size=13)
    fresh = copy.deepcopy(rows(new))
    adopted = new.adopt_state(dict(old.state_dict()), {})
    assert torch.equal(rows(new)["d"], rows(old)["d"])
    assert torch.equal(rows(new)["x"], fresh["x"])
    assert torch.equal(new.encoder.collapse.weight, old.encoder.collapse.weight)
    assert "2 kept; 1 added, untrained ('x'); 2 dropped ('a', 'c')" in adopted.describe()
    assert any(name.startswith("decoder.cell") for name in adopted.new)
    captioner = tiny_captioner()
    assert "ctc.weight" not in captioner.adopt_state(dict(old.state_dict()), {}).taken


def test_characters_in_another_order_are_no_change(recwarn):
    old, new = tiny_reader(charset="abcd"), tiny_reader(charset="dcba")
    new.load_state_dict(old.state_dict())
    assert not recwarn.list
    assert {k: v.tolist() for k, v in rows(new).items()} == {k: v.tolist() for k, v in rows(old).items()}


def test_changing_the_characters_in_place():
    reader = tiny_reader()
    before = copy.deepcopy(rows(reader))
    change = reader.change_charset("ba!")
    assert change == (("b", "a"), ("!",), ("c", "d"))
    for character in ("", "a", "b"):
        assert torch.equal(rows(reader)[character], before[character])
    loss, _ = loss_of(reader, dataclasses.replace(draw(["ab"]), texts=("a!",)))
    loss.backward()
    assert reader.ctc.weight.grad.shape[0] == 4
    with pytest.raises(ValueError, match="holds 'c'"):
        loss_of(reader, BATCH)


def test_saving_and_loading(tmp_path):
    reader = TextReader(charset="ab\\", height=16, hidden_size=8, cell="gru", attention="content").eval()
    loaded = TextReader.from_pretrained(reader.save_pretrained(tmp_path / "own"))
    images, widths = torch.rand(2, 1, 16, 30), torch.tensor([30, 12])
    one, two = reader(images, widths, ["a", "b\\"]), loaded(images, widths, ["a", "b\\"])
    assert torch.equal(one.logits, two.logits)
    foreign = tiny_reader().eval()
    foreign.save_pretrained(tmp_path / "foreign")
    with pytest.raises(ValueError, match=r"encoder is 'given' .*TextReader.from_pretrained\(folder, encoder="):
        TextReader.from_pretrained(tmp_path / "foreign")
    loaded = TextReader.from_pretrained(tmp_path / "foreign", encoder=tiny_reader().encoder)
    assert [r.text for r in read(loaded)] == [r.text for r in read(foreign)]


def test_weights_from_before_there_was_a_calibration_are_loaded():
    reader = tiny_reader()
    old = {name: value for name, value in reader.state_dict().items() if not name.startswith("calibration")}
    other = tiny_reader()
    other.load_state_dict(old)
    assert other.calibration.of_ctc == 1.0


def test_every_argument_is_saved():
    """An argument missing from ``config`` would come back as its default."""
    for model in (tiny_reader(), tiny_captioner()):
        assert set(model.config) == set(inspect.signature(type(model)).parameters)
