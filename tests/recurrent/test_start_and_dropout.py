"""A learned start, and dropout between a controller's layers."""

import functools

import pytest
import torch
from torch.testing import assert_close

import memnets
from cases import HIDDEN, INPUTS, run_oracle, sequences, weighted
from memnets.controllers import CONTROLLERS, make_controller
from running import fit

SIZES = {"slots": 6, "width": 4}
LEARNED = {"learned_state": True, "learned_memory": True}


def ntm(**options):
    torch.manual_seed(1)
    return memnets.NTM(INPUTS, HIDDEN, **{**SIZES, "output_size": 2, **options}).double()


def moved(module):
    """With a start that is not that of a module without one."""
    for start in (module.cell.state_start, module.cell.memory_start):
        for value in start.values:
            torch.nn.init.normal_(value)
    return module


def test_a_learned_start_begins_as_the_usual_one_and_is_handed_on():
    module, inputs = ntm(**LEARNED), sequences()
    expected, _ = run_oracle(module, inputs)
    assert_close(module(inputs)[0], torch.tensor(expected))
    start = moved(module).initial_state(3)
    assert torch.equal(start.memory.memory[2], module.cell.memory_start.values[0])
    assert torch.equal(start.controller.cell[1], module.cell.state_start.values[1])
    assert_close(start.reads, start.memory.memory[:, 0])  # where the head starts
    assert torch.equal(module(inputs)[0], module(inputs, start)[0])


def test_a_learned_start_is_the_same_in_compiled_code_and_where_sequences_start_afresh():
    resets = torch.zeros(3, 5, dtype=torch.bool)
    resets[0, 2] = True
    found = []
    for backend in ("reference", "fused"):
        module = moved(ntm(**LEARNED, backend=backend))
        outputs, _ = module(sequences(), lengths=[5, 3, 0], resets=resets)
        weighted([outputs]).backward()
        found.append([outputs, *(p.grad for p in module.parameters())])
        assert all(p.grad.ne(0).any() for p in module.parameters())
    assert_close(*found)


def test_a_learned_memory_keeps_its_slots_when_others_are_added(tmp_path):
    module = moved(ntm(**LEARNED))
    learned = module.cell.memory_start.values[0]
    more = module.resize(8).initial_state(2).memory.memory
    assert torch.equal(more[:, :6], learned.expand(2, 6, 4))
    assert more[:, 6:].eq(1e-6).all()
    assert torch.equal(module.resize(3).initial_state(1).memory.memory[0], learned[:3])
    module.resize(6).save_pretrained(tmp_path)
    again = memnets.NTM.from_pretrained(tmp_path)
    assert torch.equal(again(sequences())[0], module(sequences())[0])


def test_a_start_alone_can_be_learned():
    module, inputs = ntm(**LEARNED, backend="reference"), sequences()
    wanted = torch.tensor([0.3, -0.2], dtype=torch.float64)
    starts = [*module.cell.state_start.parameters(), *module.cell.memory_start.parameters()]
    optimizer = torch.optim.Adam(starts, lr=0.1)
    for _ in range(100):
        loss = (module(inputs[:1, :1])[0] - wanted).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 1e-4


@pytest.mark.parametrize("directions", [1, 2])
def test_layers_of_torch_start_from_what_is_learned(directions, tmp_path):
    torch.manual_seed(0)
    options = {"num_layers": 2, "bidirectional": directions == 2}
    module = memnets.LSTM(INPUTS, HIDDEN, learned_state=True, **options).double()
    for value in module.state_start.values:
        torch.nn.init.normal_(value)
    start = tuple(value[:, None].expand(-1, 3, -1).contiguous() for value in module.state_start.values)
    expected, _ = module.layer(sequences(), start)  # torch's own
    assert torch.equal(module(sequences())[0], expected)
    weighted([module(sequences(), lengths=[5, 2, 0])[0]]).backward()
    assert all(p.grad.ne(0).any() for p in module.parameters())
    module.save_pretrained(tmp_path)
    assert torch.equal(memnets.LSTM.from_pretrained(tmp_path)(sequences())[0], expected)
    if directions == 1:
        resets = torch.zeros(3, 5, dtype=torch.bool)
        resets[0, 2] = True
        assert_close(module(sequences(), resets=resets)[0][:1, 2:], module(sequences()[:1, 2:])[0])


def test_what_cannot_be_learned_is_said():
    class Bare(memnets.StackMemory):
        contents = ()

    with pytest.raises(ValueError, match="learned_memory is True, but Bare"):
        memnets.MemoryNetwork(3, 4, memory=Bare(), learned_memory=True)
    with pytest.raises(ValueError, match="FeedforwardState holds nothing that could be learned"):
        ntm(controller="feedforward", learned_state=True)


@pytest.mark.parametrize("kind", CONTROLLERS)
def test_masks_multiply_what_a_layer_gives_the_next(kind):
    torch.manual_seed(0)
    controller = make_controller(kind, 3, 4, 2, 0.5).double()
    first, second = make_controller(kind, 3, 4).double(), make_controller(kind, 4, 4).double()
    first.layers[0].load_state_dict(controller.layers[0].state_dict())
    second.layers[0].load_state_dict(controller.layers[1].state_dict())
    x, masks = torch.randn(5, 3).double(), controller.draw_masks(5, like=torch.zeros(1).double())
    assert masks.unique().tolist() == [0, 2]
    h, _ = controller(x, controller.initial_state(5, dtype=torch.float64), masks)
    between, _ = first(x, first.initial_state(5, dtype=torch.float64))
    expected, _ = second(between * masks, second.initial_state(5, dtype=torch.float64))
    assert_close(h, expected)


def test_dropout_is_drawn_each_step_keeps_the_mean_and_ends_in_evaluation():
    controller = make_controller("gru", 3, 50, 2, 0.2)
    masks = controller.draw_masks(100, 30, like=torch.zeros(1))
    assert masks.shape == (100, 30, 50)
    assert abs(float(masks.mean()) - 1) < 0.01
    assert not torch.equal(masks[:, 0], masks[:, 1])
    assert make_controller("gru", 3, 5, 2, 1.0).draw_masks(4, like=masks).eq(0).all()
    module, plain = ntm(num_layers=2, dropout=0.5, backend="reference"), ntm(num_layers=2, backend="reference")
    assert not torch.equal(module(sequences())[0], plain(sequences())[0])
    assert torch.equal(module.eval()(sequences())[0], plain(sequences())[0])
    with pytest.raises(ValueError, match=r"dropout is 1\.5"):
        ntm(dropout=1.5)
    for make in (ntm, functools.partial(memnets.LSTM, 3, 4)):
        with pytest.warns(UserWarning, match=r"dropout is 0\.5.*num_layers=2"):  # as torch does
            make(dropout=0.5)


@pytest.mark.parametrize("other", [{"backend": "fused"}, {"backend": "reference", "checkpoint_every": 2}])
def test_one_seed_drops_the_same_whatever_computes(other):
    found = []
    for options in ({"backend": "reference"}, other):
        module = ntm(num_layers=3, dropout=0.5, **options)
        torch.manual_seed(5)
        outputs, _ = module(sequences(), lengths=[5, 2, 3])
        weighted([outputs]).backward()
        found.append([outputs, *(p.grad for p in module.parameters())])
    assert_close(*found)
    if other["backend"] == "fused":
        assert module.backend_report()["fused"].startswith("chosen")
        assert_close(module.eval()(sequences())[0], ntm(num_layers=3)(sequences())[0])


def test_all_of_it_is_named_in_a_file(tmp_path):
    steps = ["--trainer.max_steps", "2", "--trainer.val_check_interval", "2", "--model.backend", "reference"]
    options = ["--model.bidirectional", "true", "--model.num_layers", "2", "--model.dropout", "0.2"]
    run = fit(tmp_path, *steps, *options, "--model.learned_state", "true", "--model.learned_memory", "true")
    model = memnets.load(run)
    assert model.config["dropout"] == 0.2
    assert model(torch.zeros(1, 2, 4))[1].backward.memory.memory.shape == (1, 9, 5)
