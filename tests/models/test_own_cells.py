"""Readers and captioners with cells and encoders of a user's own."""

import copy
from typing import NamedTuple

import pytest
import torch
from torch import nn

from memnets.controllers import make_controller
from memnets.experiments.config import instantiate, parse_experiment
from memnets.memories.ntm import NTMMemory
from memnets.models.text_reader import TextReader
from memnets.recurrent.cell import MemoryCell
from memnets.vision.freezing import freeze
from reading_cases import LETTERS, draw, loss_of, random_scenes, tiny_captioner, tiny_reader
from running import ROOT

BATCH = draw(["abca", "d", "", "bb"])


def read(reader, **settings):
    return reader.read(BATCH.images, BATCH.widths, **settings)


class Echo(nn.Module):
    """A cell of a user's own, with a state of two tensors."""

    class State(NamedTuple):
        seen: torch.Tensor
        steps: torch.Tensor

    output_size = 7

    def __init__(self, input_size: int):
        super().__init__()
        self.project = nn.Linear(input_size + 7, 7)

    def initial_state(self, batch_size, *, device=None, dtype=None):
        return self.State(*(torch.zeros(batch_size, n, device=device, dtype=dtype) for n in (7, 1)))

    def forward(self, x, state):
        seen = torch.tanh(self.project(torch.cat([x, state.seen], 1)))
        return seen, self.State(seen, state.steps + 1)


class Plain(nn.Module):
    """One whose state is a tensor."""

    output_size = 7

    def __init__(self, input_size: int):
        super().__init__()
        self.cell = nn.GRUCell(input_size, 7)

    def initial_state(self, batch_size, *, device=None, dtype=None):
        return torch.zeros(batch_size, 7, device=device, dtype=dtype)

    def forward(self, x, state):
        state = self.cell(x, state)
        return state, state


class Pair(Plain):
    """One whose state is a plain tuple, which says of no part what it is."""

    def initial_state(self, batch_size, *, device=None, dtype=None):
        return (super().initial_state(batch_size, device=device, dtype=dtype),)


def own_memory_cell(input_size: int) -> MemoryCell:
    """An NTM with two layers, two read heads, and another controller than the one called "ntm"."""
    memory = NTMMemory(5, 4, read_heads=2)
    return MemoryCell(input_size, memory, controller="gru", hidden_size=9, num_layers=2)


@pytest.mark.parametrize("cell", [Echo, Plain, own_memory_cell], ids=["own", "tensor", "memory"])
@pytest.mark.parametrize("attention", ["content", "location"])
def test_a_cell_of_ones_own_reads_learns_and_is_handed_in_again(cell, attention, tmp_path):
    sizes = {"height": 8, "embedding_size": 8, "attention_size": 8}
    reader = TextReader(charset=LETTERS, cell=cell, attention=attention, restart=0.5, **sizes)
    loss, _ = loss_of(reader, BATCH)
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in reader.decoder.cell.parameters())
    reader.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"cell is 'given' .* hand it in again.*cell="):
        TextReader.from_pretrained(tmp_path)
    loaded = TextReader.from_pretrained(tmp_path, cell=cell)
    assert [r.text for r in read(loaded, beam_size=3)] == [r.text for r in read(reader, beam_size=3)]
    captioner = tiny_captioner(cell=cell)
    scenes = random_scenes(2, torch.Generator().manual_seed(0))
    loss_of(captioner, scenes)[0].backward()
    assert captioner.decoder.start.layers[0].weight.grad.any()
    assert len(captioner.describe(scenes.images, beam_size=2)) == 2


def test_what_is_no_cell_is_named():
    with pytest.raises(ValueError, match=r"cell is LSTMCell, but must be one of lstm, .* or a function that makes a"):
        tiny_reader(cell=nn.LSTMCell(3, 3))
    with pytest.raises(ValueError, match=r"cell made a Linear, but must make a module with output_size and initial"):
        tiny_reader(cell=lambda size: nn.Linear(size, 3))
    with pytest.raises(ValueError, match=r"cell made a Pair, whose initial_state .* is a NamedTuple of .* got tuple"):
        tiny_captioner(cell=Pair)


def test_a_cell_of_ones_own_is_named_in_a_yaml_file(tmp_path):
    path = tmp_path / "own.yaml"
    text = (ROOT / "configs" / "images" / "ocr-digits.yaml").read_text()
    for cell in (f"{{class_path: {__name__}.Echo}}", "gru"):
        path.write_text(text.replace("    height: 16\n", f"    height: 16\n    cell: {cell}\n"))
        parser, config = parse_experiment(path, [])
        model = instantiate(parser, config).model
        assert type(model.decoder.cell) is (Echo if "Echo" in cell else type(make_controller("gru", 1, 1)))
        path.write_text(parser.dump(config, skip_unset=False))
        assert instantiate(*parse_experiment(path, [])).model.config["cell"] == ("given" if "Echo" in cell else "gru")


@pytest.mark.parametrize("wrap", [torch.compile, freeze, lambda e: freeze(torch.compile(e, backend="eager"))])
def test_an_encoder_that_is_compiled_or_frozen_is_still_told_the_widths(wrap):
    plain = tiny_reader()
    other = copy.deepcopy(plain)
    other.encoder = wrap(other.encoder, backend="eager") if wrap is torch.compile else wrap(other.encoder)
    assert [r.text for r in read(plain)] == [r.text for r in read(other)]
    with torch.no_grad():
        lines = [reader.eval().encode(BATCH.images, BATCH.widths) for reader in (plain, other)]
    assert torch.equal(lines[0].features, lines[1].features)
    assert TextReader(charset="a", encoder=other.encoder).feature_size == 12
