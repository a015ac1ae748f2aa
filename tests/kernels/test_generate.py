"""Generated kernels of cells that nobody foresaw, against the plain cell; and what cannot be generated."""

import cells
import pytest
import torch
import torch.nn.functional as F
from agreement import agree, poisoned
from emulated import Emulated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from memnets import BackendUnavailableError, MemoryCell, Recurrent
from memnets.base.state import map_state
from memnets.kernels.generate import cells as generated
from memnets.kernels.generate import library
from memnets.memories import DeltaMemory, DNCMemory, MANNMemory, NeuralStackMemory, NTMMemory, StackMemory, TapeMemory


@pytest.fixture(autouse=True)
def poison(monkeypatch):
    """Every buffer starts as NaN, so that a number read before it is written shows."""
    monkeypatch.setattr(library, "empty", poisoned)


@pytest.fixture(params=["C", "CUDA"])
def either(request, monkeypatch, tmp_path):
    """In both languages, CUDA as the CPU runs it."""
    if request.param == "CUDA":
        monkeypatch.setattr(generated, "engine_of", lambda device: Emulated(tmp_path))


CELLS = {
    "dnc": lambda: cells.DNC(4, 10, slots=11, width=5, heads=2),
    "stack": lambda: cells.Stack(4, 7, stacks=2, depth=5, width=3),
    "delta rule": lambda: cells.Delta(6, heads=2, key=5, value=3),
    "queue": lambda: cells.Queue(4, 6, slots=3, width=5),
    "many operators": cells.Odd,
}


@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS.keys())
@pytest.mark.parametrize("lengths", [None, [6, 2, 0]], ids=str)
def test_cells_that_nobody_foresaw(make, lengths):
    torch.manual_seed(0)
    agree(make(), lengths=lengths)


@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS.keys())
def test_checkpoints_truncation_and_single_precision(make):
    torch.manual_seed(0)
    agree(make(), batch=2, steps=5, truncated_bptt_steps=3, checkpoint_every=2)
    agree(make(), batch=9, steps=4, dtype=torch.float32)


@pytest.mark.parametrize("slots", [33, 64])
def test_large_states_are_kept_every_few_steps(slots):
    """Large enough that the state is recomputed between checkpoints, over more than one of them."""
    torch.manual_seed(0)
    agree(cells.DNC(3, 8, slots=slots, width=33), batch=2, steps=19, lengths=[19, 10])


@st.composite
def memory_cells(draw):
    size = st.sampled_from([1, 2, 3, 5, 8, 13])
    heads = st.integers(1, 3)
    memory = draw(
        st.one_of(
            st.builds(NTMMemory, size, size, heads, heads, st.integers(0, 2)),
            st.builds(DNCMemory, size, size, heads, heads, st.booleans(), st.booleans(), st.booleans()),
            st.builds(
                MANNMemory, st.sampled_from([3, 5, 13]), size, heads, values=st.booleans(), strength=st.booleans()
            ),
            st.builds(StackMemory, size, size, stacks=heads, joint=st.booleans()),
            st.builds(NeuralStackMemory, size, size, stacks=heads, kind=st.sampled_from(["stack", "queue"])),
            st.builds(TapeMemory, size, size, tapes=heads, empty_channel=st.sampled_from([None, 0])),
            st.builds(DeltaMemory, size, size, heads=heads),
        )
    )
    controller = draw(st.sampled_from(["lstm", "gru", "rnn", "feedforward"]))
    layers, hidden = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2, 7, 17]))
    return MemoryCell(draw(st.integers(1, 3)), memory, controller=controller, hidden_size=hidden, num_layers=layers)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    cell=memory_cells(),
    batch=st.integers(1, 10),
    steps=st.integers(1, 10),
    double=st.booleans(),
    ragged=st.booleans(),
    seed=st.integers(0, 99),
)
def test_random_cells(cell, batch, steps, double, ragged, seed):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, steps + 1, (batch,), generator=generator).tolist() if ragged else None
    if lengths and not any(lengths):
        lengths[0] = 1
    agree(cell, batch, steps, lengths, torch.float64 if double else torch.float32, seed)


class Function(nn.Module):
    """A cell around a function of (x (B, 3), hidden (B, 3))."""

    def __init__(self, function, size=3):
        super().__init__()
        self.input_size = self.output_size = size
        self.function, self.weight = function, nn.Parameter(torch.randn(size, size) * 0.3)

    def initial_state(self, batch_size, *, device=None, dtype=None):
        dtype = dtype or self.weight.dtype
        return cells.DeltaState(torch.zeros(batch_size, self.input_size, device=device, dtype=dtype))

    def forward(self, x, state):
        hidden = self.function(x @ self.weight.t(), state.memory)
        return hidden, cells.DeltaState(hidden)


def reported(function) -> str:
    """Why the cell has no kernel; the plain one runs."""
    module = Recurrent(Function(function))
    assert module(torch.randn(2, 3, 3))[0].shape == (2, 3, 3)
    report = module.backend_report()
    assert report["reference"].startswith("chosen")
    module.backend = "fused"
    with pytest.raises(BackendUnavailableError):
        module(torch.randn(2, 3, 3))
    return report["fused"]


def branches(x, hidden):
    return x + hidden if bool((x.sum() > 0).item()) else x


def searches(x, hidden):
    return torch.searchsorted(hidden.detach(), x.detach()) * 0.1 + x


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, grad):
        return grad


def clips(x, hidden):
    hidden = hidden + x
    if hidden.requires_grad:
        hidden.register_hook(lambda g: g.clamp(-1, 1))
    return hidden


def test_what_cannot_be_generated_is_named_with_its_line():
    assert "_local_scalar_dense" in reported(branches)
    assert "test_generate.py:" in reported(branches)
    assert "searchsorted" in reported(searches)
    assert "Straight" in reported(lambda x, h: Straight.apply(x + h))
    assert "register_hook" in reported(clips)
    assert "without numbers" in reported(lambda x, h: torch.tanh(x + h) + x[:, :0] @ torch.zeros(0, 3))


def test_samples_that_see_each_other_are_found_out():
    assert "batch" in reported(lambda x, h: torch.tanh(x + h - x.mean(0)))


def test_values_drawn_at_random_are_not_generated():
    assert "has no rule" in reported(lambda x, h: F.dropout(x + h, 0.5, True))


ROWS = {
    "sorted": lambda x, h: torch.sort(x + h, dim=-1, descending=True)[0],
    "ties": lambda x, h: torch.cummax(x.relu() + h, -1)[0] if False else torch.sort(x.relu() + h.round(), -1)[0] + h,
    "cumulative product with zeros": lambda x, h: torch.cumprod(torch.cat([x, h], -1), -1)[:, :3] + x,
    "product": lambda x, h: x.prod(-1, keepdim=True) * h + x,
    "largest": lambda x, h: (x + h).max(-1, keepdim=True)[0] - x,
    "where": lambda x, h: torch.where(x > h, x, h * 0.5),
    "powers": lambda x, h: (x.abs() + 0.1).pow(1.7) * 0.1 + h.abs().clamp(min=0.1).sqrt(),
    "norms": lambda x, h: F.normalize(x + h, dim=-1),
    "outer": lambda x, h: torch.einsum("bi,bj,bj->bi", x, h, x).tanh(),
    "flips": lambda x, h: x.flip(-1) + torch.roll(h, -2, -1).tanh(),
    "in place": lambda x, h: x.clone().mul_(0.5).add_(h.tanh()),
    "unfold": lambda x, h: F.pad(x + h, (1, 1)).unfold(-1, 3, 1).sum(-1).tanh(),
    "cut": lambda x, h: (x + h).detach() * x,
    "no grad": lambda x, h: x + _without_grad(h),
    "error function": lambda x, h: F.gelu(x) + torch.erf(h),
    "softmax": lambda x, h: torch.softmax(x, -1) * torch.log_softmax(h, -1).exp() + x,
    "index": lambda x, h: x[:, [2, 0, 0]] + h[:, torch.tensor([1, 1, 2])].tanh(),
}


class Taken(Function):
    """A cell whose products take the inputs as ``given`` makes them of x, by parameters that lie either way."""

    def __init__(self, given):
        super().__init__(None)
        size = given(torch.zeros(1, 3)).shape[1]
        self.given, self.first = given, nn.Parameter(torch.randn(size, 3) * 0.3)
        self.second = nn.Parameter(torch.randn(3, size + 3) * 0.3)

    def forward(self, x, state):
        given = self.given(x)
        hidden = torch.tanh(given @ self.first + torch.cat([given, state.memory], -1) @ self.second.t())
        return hidden, cells.DeltaState(hidden)


@pytest.mark.parametrize(
    "given",
    [
        lambda x: x.flip(1),
        lambda x: x[:, ::2],
        lambda x: x[:, 1:2].expand(-1, 4),
        lambda x: torch.cat([x, x[:, :1]], 1),
        lambda x: x.repeat(1, 12),
    ],
    ids=["backwards", "apart", "one several times", "one twice", "more than a product takes along"],
)
def test_products_with_inputs_in_any_order(given):
    """In the last a product's inputs are copies, so that each gets the sum of their gradients."""
    torch.manual_seed(0)
    agree(Taken(given), batch=2, steps=70, lengths=[70, 3])


def _without_grad(h):
    with torch.no_grad():
        return h.tanh()


@pytest.mark.parametrize("function", ROWS.values(), ids=ROWS.keys())
def test_operators(function):
    torch.manual_seed(0)
    agree(Function(function), batch=2, steps=4)


@pytest.mark.usefixtures("either")
def test_nan_and_infinity_pass_as_in_the_plain_cell():
    module = Recurrent(Function(lambda x, h: torch.tanh(x) + torch.log(h.exp()) + torch.sigmoid(x * 3)))
    inputs = torch.zeros(1, 5, 3)
    inputs[0, :, 0] = torch.tensor([1.0, float("inf"), 0.0, float("nan"), 2.0])
    with torch.no_grad():
        module.cell.weight.copy_(torch.eye(3))
        found = []
        for module.backend in ("reference", "fused"):
            found.append(module(inputs)[0])
    assert torch.allclose(*found, equal_nan=True, atol=1e-6)


def apart(x, h):
    """Each function of a part of its own of x."""
    functions = [torch.exp, torch.log, torch.tanh, torch.sigmoid, torch.sqrt, torch.rsqrt, torch.expm1, F.softplus]
    parts = x.chunk(len(functions) + 1, dim=-1)
    return torch.cat([f(part) for f, part in zip(functions, parts)] + [parts[8][:, :18] / parts[8][:, 18:]], dim=-1)


@pytest.mark.usefixtures("either")
def test_functions_are_exact_to_the_last_places_and_at_the_ends_of_their_range():
    torch.manual_seed(0)
    cell = Function(apart, 9 * 36 - 18)
    cell.input_size, cell.forward = 9 * 36, lambda x, state: (apart(x, None), state)  # the inputs as they are
    ends = torch.tensor([0.0, -0.0, 1.0, -1.0, 1e30, -1e30, 100.0, -100.0, 1e-30, 50.0, float("inf"), -float("inf")])
    inputs = torch.cat([ends.repeat(27), ends.repeat_interleave(27), torch.randn(648) * 0.01, torch.randn(1944) * 8])
    inputs = inputs.view(-1, 1, 324).contiguous()
    with torch.no_grad():
        found = Recurrent(cell, backend="fused")(inputs)[0].squeeze(1)
    wanted = apart(inputs.squeeze(1).double(), None)
    normal = (wanted.abs() > 1e-37) & (wanted.abs() < 3e38)
    assert torch.allclose(found[normal].double(), wanted[normal], rtol=6e-7, atol=0)
    assert torch.allclose(found[~normal], wanted[~normal].float(), atol=1e-37, equal_nan=True)


class Started(Function):
    """A cell whose sequences start from a parameter, and from chance too where ``drawn``."""

    def __init__(self, drawn):
        super().__init__(lambda x, h: torch.tanh(x + h))
        self.start, self.drawn = nn.Parameter(torch.zeros(3)), drawn

    def initial_state(self, batch_size, *, device=None, dtype=None):
        start = super().initial_state(batch_size, device=device, dtype=dtype).memory
        start = torch.rand_like(start) if self.drawn else self.start.to(start).expand_as(start)
        return cells.DeltaState(start)


def test_a_first_state_of_plain_numbers_alone_is_made_once(monkeypatch):
    inputs = torch.zeros(2, 1, 3)
    for drawn in (False, True):
        module = Recurrent(Started(drawn), backend="fused")
        before = module(inputs)[0]
        module.cell.start.data += 1
        assert not torch.equal(module(inputs)[0], before)
    module = Recurrent(Function(lambda x, h: torch.tanh(x + h + 1)), backend="fused")
    before = module(inputs)[0], *module(inputs, None, [1, 0])
    monkeypatch.setattr(Function, "initial_state", None)
    after = module(inputs)[0], *module(inputs, None, [1, 0])
    assert torch.equal(after[0], before[0])
    assert torch.equal(after[1], before[1])
    assert torch.equal(after[2].memory, before[2].memory)


def kinks(x, h):
    """Functions in pieces, each with a factor of its own: what is no number is on one side of a piece's end."""
    pieces = [x.relu(), x.clamp(-1, 1), x.clamp(min=0), F.hardtanh(x), F.threshold(x, 0.5, 9.0), F.elu(x)]
    pieces += [torch.maximum(x, x.new_zeros(3)), torch.minimum(x, x.new_zeros(3)), F.leaky_relu(x), x.abs()]
    return sum(2**n * piece for n, piece in enumerate(pieces)) + 0 * h


@pytest.mark.usefixtures("either")
def test_gradients_of_what_is_no_number_are_those_of_the_plain_cell():
    module, found = Recurrent(Function(kinks)), []
    for module.backend in ("reference", "fused"):
        inputs = torch.tensor([[[float("nan"), 0.7, -3.0]]], requires_grad=True)
        with torch.no_grad():
            module.cell.weight.copy_(torch.eye(3))
        module.cell.weight.requires_grad_(False)
        module(inputs)[0].sum().backward()
        found.append(inputs.grad)
    assert torch.equal(*found), found


def test_parameters_that_change_are_seen():
    """In place, as an optimiser does, and replaced by others."""
    module = Recurrent(Function(lambda x, h: torch.tanh(x + h)))
    inputs = torch.randn(2, 4, 3)
    for change in (
        lambda: module.cell.weight.data.mul_(2),
        lambda: setattr(module.cell, "weight", nn.Parameter(torch.ones(3, 3))),
        lambda: setattr(module.cell, "function", lambda x, h: torch.tanh(x - h)),
    ):
        change()
        found = []
        for module.backend in ("reference", "fused"):
            found.append(module(inputs)[0].detach())
        assert torch.allclose(*found, atol=1e-6)


def test_a_sequence_within_a_step():
    """A cell whose step runs another cell over a sequence: generated as one, without waiting for itself."""
    inner = Recurrent(Function(lambda x, h: torch.tanh(x + h)), backend="auto")
    cell = Function(lambda x, h: inner(torch.stack([x, h], 1))[0][:, -1] + x)
    cell.inner = inner
    agree(cell, batch=2, steps=3)


def test_a_tensor_of_another_shape_is_refused():
    cell = cells.Queue(4, 6, slots=3, width=5)
    module = Recurrent(cell, backend="fused")
    module(torch.randn(2, 3, 4))
    from memnets import kernels

    key, *names = kernels.find(cell)
    state = map_state(lambda t: t[:, :1], cell.initial_state(2))
    with pytest.raises(ValueError, match=r"state\[0\] has shape \(2, 1\), but the kernel was made for \(2, 6\)"):
        kernels.run_sequence(cell, key, names, torch.randn(2, 3, 4), state, None)
    with pytest.raises(ValueError, match=r"inputs has shape \(3, 2, 5\), but the kernel was made for"):
        kernels.run_sequence(cell, key, names, torch.randn(2, 3, 5), cell.initial_state(2), None)
