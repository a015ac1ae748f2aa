"""The contract of a memory, checked on one of your own."""

import copy
import io
from typing import Any

import torch
from torch import Tensor

from ..base.errors import BackendUnavailableError
from ..base.records import KINDS
from ..base.state import index_state, map_state, named_tensors, state_tensors
from ..memories.base import Memory
from ..models.memory_network import MemoryNetwork
from ..recurrent.trace import trace

BATCH, STEPS, INPUTS, HIDDEN = 3, 5, 3, 6
TOLERANCE = 1e-9


def check_memory(memory: Memory, *, controller: str = "lstm") -> None:
    """Put a memory through every contract that the memories of this library keep, in float64.

    Shapes, purity, independence of the batch, lengths, carried state, copies, ``state_dict``, traces, other dtypes and
    sizes, the gradient, and where it can be had the fused backend against the plain step.

    >>> from memnets.testing import check_memory
    >>> check_memory(Queue(slots=4, width=3))

    Args:
        memory: is copied, not changed.
        controller: what drives it.

    Raises:
        AssertionError: something does not hold; the message says what, and what was found.
    """
    torch.manual_seed(0)
    _check_step(copy.deepcopy(memory).double())
    model = MemoryNetwork(INPUTS, HIDDEN, memory=copy.deepcopy(memory), controller=controller, backend="reference")
    model = model.double().eval()
    for check in (
        _check_halves,
        _check_lengths,
        _check_batch,
        _check_copies,
        _check_dtypes,
        _check_gradient,
        _check_trace,
        _check_resize,
        _check_fused,
    ):
        check(model)


def _check_step(memory: Memory) -> None:
    name = type(memory).__name__
    assert memory.reads_size >= 1, f"{name}.reads_size is {memory.reads_size}, but must be at least 1"
    state = memory.initial_state(BATCH, dtype=torch.float64)
    for field, tensor in named_tensors(state):
        assert tensor.shape[:1] == (BATCH,), (
            f"{name}.initial_state({BATCH}) has {field} of shape {tuple(tensor.shape)}, but the batch must come first"
        )
        assert torch.equal(tensor, tensor[:1].expand_as(tensor)), (
            f"{name}.initial_state({BATCH}) has {field} that differs between sequences, but they must start alike: the "
            "state of one is taken for each"
        )
    reads = memory.initial_reads(state)
    wanted = (BATCH, memory.reads_size)
    assert reads.shape == wanted, f"{name}.initial_reads gives {tuple(reads.shape)}, but must give {wanted}"
    emission = torch.randn(BATCH, memory.interface.size, dtype=torch.float64)
    kept = emission.clone(), map_state(Tensor.clone, state)
    reads, after = memory(emission, state)
    assert reads.shape == wanted, f"{name}.step gives reads of shape {tuple(reads.shape)}, but must give {wanted}"
    assert type(after) is type(state), f"{name}.step gives a {type(after).__name__} for a {type(state).__name__}"
    for (field, before), now in zip(named_tensors(state), state_tensors(after), strict=True):
        assert memory.growing or before.shape == now.shape, (
            f"{name}.step turns {field} of shape {tuple(before.shape)} into {tuple(now.shape)}: a memory whose state "
            "grows says so with growing = True"
        )
    assert torch.equal(emission, kept[0]), f"{name}.step changes what it is handed"
    for (field, tensor), before in zip(named_tensors(state), state_tensors(kept[1]), strict=True):
        assert torch.equal(tensor, before), f"{name}.step changes {field} of the state it is handed, in place"
    again, _ = memory(emission, state)
    assert torch.equal(again, reads), f"{name}.step gives other reads when it is called again"


def _inputs(batch: int = BATCH) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, STEPS, INPUTS, generator=generator, dtype=torch.float64)


def _distance(got: Any, want: Any) -> float:
    pairs = list(zip(state_tensors(got), state_tensors(want), strict=True))
    for a, b in pairs:
        if a.shape != b.shape:
            return float("inf")
    return max((float((a - b).detach().abs().max()) for a, b in pairs if a.numel()), default=0.0)


def _agree(model: MemoryNetwork, got: Any, want: Any, what: str, tolerance: float = TOLERANCE) -> None:
    found = _distance(got, want)
    name = type(model.cell.memory).__name__
    assert found <= tolerance, f"{name}: {what} differs by {found:.1e}, more than {tolerance:.0e}"


@torch.no_grad()
def _check_halves(model: MemoryNetwork) -> None:
    whole, last = model(_inputs())
    for cut in (1, 3):
        head, state = model(_inputs()[:, :cut])
        tail, state = model(_inputs()[:, cut:], state)
        _agree(model, torch.cat([head, tail], 1), whole, "a sequence fed in two halves")
        if not model.growing:
            _agree(model, state, last, "the state of a sequence fed in two halves")


@torch.no_grad()
def _check_lengths(model: MemoryNetwork) -> None:
    lengths, inputs = [2, 5, 0], _inputs()
    outputs, state = model(inputs, lengths=lengths)
    inputs[0, 2:], inputs[2] = float("nan"), float("nan")
    padded, _ = model(inputs, lengths=lengths)
    _agree(model, padded, outputs, "the output of padded sequences when the padding is NaN")
    for b, length in enumerate(lengths):
        if length:
            alone, after = model(_inputs()[b : b + 1, :length])
            _agree(model, outputs[b : b + 1, :length], alone, f"a sequence of length {length} in a batch and alone")
            if not model.growing:
                _agree(model, index_state(state, b), after, f"the state after length {length} in a batch and alone")


@torch.no_grad()
def _check_batch(model: MemoryNetwork) -> None:
    outputs, _ = model(_inputs())
    for b in range(BATCH):
        _agree(model, model(_inputs()[b : b + 1])[0], outputs[b : b + 1], "a sequence in a batch and alone")


@torch.no_grad()
def _check_copies(model: MemoryNetwork) -> None:
    outputs, _ = model(_inputs())
    _agree(model, copy.deepcopy(model)(_inputs())[0], outputs, "a deep copy's output")
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = copy.deepcopy(model)
    for parameter in other.parameters():
        parameter.zero_()
    other.load_state_dict(torch.load(file, weights_only=True))
    _agree(model, other(_inputs())[0], outputs, "the output after state_dict is saved and loaded")


@torch.no_grad()
def _check_dtypes(model: MemoryNetwork) -> None:
    expected, _ = model(_inputs())
    single = copy.deepcopy(model).float()
    outputs, state = single(_inputs().float())
    name = type(model.cell.memory).__name__
    dtypes = {t.dtype for t in (outputs, *state_tensors(state)) if t.is_floating_point()}
    assert dtypes == {torch.float32}, f"{name}: a float32 module has states or outputs in {dtypes}"
    _agree(model, outputs.double(), expected, "float32 from float64", 1e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, _ = single(_inputs().float())
    assert outputs.isfinite().all(), f"{name}: outputs under bfloat16 autocast are not finite"


def _check_gradient(model: MemoryNetwork) -> None:
    name = type(model.cell.memory).__name__
    inputs = _inputs().requires_grad_()
    outputs, _ = model(inputs)
    weights = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    parameters = dict(model.named_parameters())
    found = torch.autograd.grad((outputs * weights).sum(), [inputs, *parameters.values()], allow_unused=True)
    for what, gradient in zip(("the inputs", *parameters), found):
        assert gradient is not None, f"{name}: no gradient reaches {what}: is something detached?"
        assert gradient.isfinite().all(), f"{name}: the gradient of {what} is not finite"


def _check_trace(model: MemoryNetwork) -> None:
    expected, _ = model(_inputs())
    with trace(model) as record, torch.no_grad():
        outputs, _ = model(_inputs(), lengths=[5, 2, 4])
    name = type(model.cell.memory).__name__
    assert len(record.kinds) >= 1, f"{name}: a trace holds nothing"
    for key, kind in record.kinds.items():
        shape = tuple(record[key].shape)
        assert shape[:2] == (BATCH, STEPS), f"{name}: the record {key} has shape {shape}, not (batch, steps, ...)"
        assert kind in KINDS, f"{name}: the record {key} is a {kind!r}, but a kind is one of {', '.join(KINDS)}"
    _agree(model, outputs[:1], expected[:1].detach(), "the output while a trace is recorded")


@torch.no_grad()
def _check_resize(model: MemoryNetwork) -> None:
    memory = model.cell.memory
    if memory.slots:
        larger = copy.deepcopy(model).resize(memory.slots + 2)
        outputs, _ = larger(_inputs())
        assert outputs.isfinite().all(), f"{type(memory).__name__}: outputs with two more slots are not finite"


def _check_fused(model: MemoryNetwork) -> None:
    """In outputs, last state and every gradient."""
    fused = copy.deepcopy(model)
    fused.backend = "fused"

    def results(module: MemoryNetwork, lengths: Any) -> list[Tensor]:
        inputs = _inputs().requires_grad_()
        outputs, state = module(inputs, lengths=lengths)
        loss = outputs.square().sum() + sum(t.square().sum() for t in state_tensors(state))
        leaves = [inputs, *module.parameters()]
        return [outputs, *state_tensors(state), *torch.autograd.grad(loss, leaves)]

    try:
        fused(_inputs())
    except BackendUnavailableError:
        return
    for lengths in (None, [2, 5, 0]):
        for got, want in zip(results(fused, lengths), results(model, lengths), strict=True):
            room = TOLERANCE * (1 + float(want.detach().abs().max()))
            _agree(model, got, want, "the fused backend from the plain step", room)
