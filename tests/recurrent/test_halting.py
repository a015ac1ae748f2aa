"""Several passes a step: what adaptive computation time does, costs and shows, and what cannot ponder."""

import pytest
import torch
from torch.testing import assert_close

import memnets
from cases import assert_same_state, sequences
from memnets.controllers import GRUController
from memnets.recurrent.halting import ACTCell, RepeatCell
from memnets.recurrent.stacked import StackedCell
from memnets_tasks import VectorParity


def act(seed=1, **options):
    torch.manual_seed(seed)
    return memnets.ACT(3, 5, controller="rnn", **{"max_passes": 4, "output_size": 2} | options).double()


def test_fused_equals_reference_with_the_ponder_cost():
    fused, reference = act(backend="fused"), act(backend="reference")
    results = []
    for model in (fused, reference):
        inputs = sequences().requires_grad_()
        outputs, state = model(inputs, None, [4, 0, 5])
        loss = outputs.square().sum() + model.auxiliary_loss(state)
        results.append((outputs, state, torch.autograd.grad(loss, [inputs, *model.parameters()])))
    assert_close(results[0][0], results[1][0])
    assert_same_state(results[0][1], results[1][1])
    for got, want in zip(results[0][2], results[1][2]):
        assert_close(got, want)


def test_the_ponder_cost_has_the_gradient_of_the_remainder():
    model = act(ponder_cost=1.0, backend="reference")
    inputs = sequences().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: model.auxiliary_loss(model(x)[1]), [inputs], fast_mode=True)
    _, state = model(inputs[:, :1])
    passes, remainder = (state.shares > 0).sum(1), state.ponder - (state.shares > 0).sum(1)
    last = state.shares.gather(1, passes.unsqueeze(1) - 1).squeeze(1)
    assert_close(remainder, last)  # the last pass counts with what is left
    assert_close(state.shares.sum(1), torch.ones(3).double())


def test_passes_end_where_the_halting_units_say():
    model = act(backend="reference")
    for bias, passes in ((-1e3, 4), (1e3, 1), (0.0, 2)):  # h is 0, 1 or a half, and a half twice is 1
        with torch.no_grad():
            model.cell.halt.weight.zero_()
            model.cell.halt.bias.fill_(bias)
        _, state = model(sequences())
        assert (state.shares > 0)[:, passes - 1].all()
        assert state.shares[:, passes:].eq(0).all()
        assert state.steps.tolist() == [5, 5, 5]


def test_a_trace_shows_passes_and_what_a_memory_did_in_each():
    memory = memnets.StackMemory(4, 2)
    model = memnets.ACT(3, 5, memory=memory, controller="rnn", max_passes=3).double()
    lengths = [2, 5, 0]
    with memnets.trace(model) as trace:
        _, state = model(sequences(), lengths=lengths)
    assert trace["ponder.shares"].shape == (3, 5, 3)
    assert trace.kinds["ponder.shares"] == "weighting"
    assert trace["ponder.passes"].gt(0).sum(1).tolist() == lengths
    assert_close(trace["ponder.shares"][1, -1], state.shares[1])
    assert {f"pass{n}.stack" for n in (1, 2, 3)} < set(trace)
    assert trace["pass3.stack"].shape == (3, 5, 1, 4, 2)
    twice = memnets.Repeat(3, 5, memory=memnets.StackMemory(4, 2), repeats=2).double()
    with memnets.trace(twice) as trace:
        _, state = twice(sequences())
    assert_close(trace["pass2.stack"][:, -1], state.memory.stack)
    assert not torch.equal(trace["pass1.stack"], trace["pass2.stack"])


def test_a_pass_that_is_dear_is_given_up():
    """Where every pass costs more than it gives, the network learns to take one alone."""
    torch.manual_seed(0)
    task, random = VectorParity(size=4), torch.Generator().manual_seed(0)
    model = memnets.ACT(4, 8, controller="rnn", output_size=1, ponder_cost=1.0, max_passes=3, backend="reference")
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    taken = []
    for _ in range(150):
        batch = task.sample(32, task.sample_lengths(32, random), random)
        made = model.training_outputs(batch)
        taken.append((model(batch.inputs)[1].shares > 0).sum(1).float().mean().item())
        optimizer.zero_grad()
        (task.loss(made.outputs, batch) + made.auxiliary_loss).backward()
        optimizer.step()
    assert taken[0] > 1.5
    assert taken[-1] < 1.1


def test_repeats_and_stacks_of_plain_controllers_take_the_precision_of_their_weights():
    for cell in (RepeatCell(GRUController(4, 4)), StackedCell([GRUController(3, 4), GRUController(4, 4)])):
        model = memnets.Recurrent(cell, backend="reference").double()
        assert model(sequences())[0].dtype == torch.float64


class Counter(torch.nn.Module):
    """A cell whose state has a whole number."""

    input_size, output_size = 3, 2

    def initial_state(self, batch_size, *, device=None, dtype=None):
        return memnets.HiddenState(torch.zeros(batch_size, 1, dtype=torch.int64, device=device))


@pytest.mark.parametrize(
    ("make", "error", "found"),
    [
        (lambda: act(max_passes=0), ValueError, "max_passes is 0, but must be at least 1"),
        (lambda: act(epsilon=1.0), ValueError, "epsilon is 1.0, but must lie between 0 and 1"),
        (lambda: act(ponder_cost=-1.0), ValueError, "ponder_cost is -1.0, but must be at least 0"),
        (lambda: memnets.Repeat(3, 5, repeats=0), ValueError, "repeats is 0, but must be at least 1"),
        (lambda: memnets.Repeat(3, 5, controller="ntm"), ValueError, "controller is 'ntm', but must be one of lstm"),
        (lambda: RepeatCell(memnets.ACT(1, 2).cell), ValueError, "input_size=1, but needs one input more"),
        (lambda: ACTCell(Counter()), TypeError, r"hidden of Counter is torch.int64.*use memnets.Repeat"),
    ],
)
def test_what_cannot_ponder(make, error, found):
    with pytest.raises(error, match=found):
        make()
