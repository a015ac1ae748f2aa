"""Generated CUDA, run by C++ on the CPU (see emulated.h), and compiled for a GPU where NVIDIA's compiler is."""

import pytest
import torch
from agreement import assert_close, given, poisoned, results
from emulated import Emulated
from families import families

from memnets import Recurrent
from memnets.kernels.cuda import engine, nvrtc, source
from memnets.kernels.generate import cells, library
from memnets.kernels.generate.cache import BuildError

SMALL = families(slots=7, width=3, hidden=5, inputs=4, outputs=2)


@pytest.fixture(autouse=True)
def poison(monkeypatch):
    """Every buffer starts as NaN; so does what the threads of a block share."""
    monkeypatch.setattr(library, "empty", poisoned)


@pytest.fixture
def emulate(monkeypatch, tmp_path_factory):
    """Makes kernels emulated ones; a function that says who goes first."""
    folder = tmp_path_factory.getbasetemp()

    def choose(order: int = 0, shared: int = 100_000) -> None:
        monkeypatch.setattr(cells, "engine_of", lambda device: Emulated(folder, 64, shared, order))

    choose()
    return choose


def small(name: str) -> Recurrent:
    torch.manual_seed(0)
    made = SMALL[name]()
    return made if isinstance(made, Recurrent) else Recurrent(made)


@pytest.mark.parametrize("name", ["ntm-lstm", "ntm-heads-layers", "dnc-heads", "neural stack", "tape", "queue"])
def test_agrees_whoever_goes_first(emulate, name):
    """Outputs, states and every gradient; what passes between threads without a barrier differs between orders."""
    module, found = small(name).double(), []
    inputs, state = given(module, 3, 5)
    for order in (0, 1):
        emulate(order)
        cells._known.pop(module.cell, None)
        module.backend = "fused"
        found.append(results(module, inputs, state, [2, 5, 0]))
    module.backend = "reference"
    assert_close(found[0], results(module, inputs, state, [2, 5, 0]), 1e-9)
    assert all(torch.equal(found[0][part], found[1][part]) for part in found[0])


def test_what_does_not_fit_where_threads_share_it_lies_in_global_memory(emulate):
    emulate(shared=2000)
    module = small("dnc").double()
    inputs, state = given(module, 2, 4)
    found = []
    for module.backend in ("fused", "reference"):
        found.append(results(module, inputs, state, None))
    assert_close(*found, 1e-9)


def test_a_barrier_that_is_missing_shows(emulate, monkeypatch):
    """So that the tests above can fail."""
    build = source.build

    def without(*args, **kwargs):
        made = build(*args, **kwargs)
        return made._replace(source=made.source.replace("__syncthreads();\n{ const int me", ";\n{ const int me", 1))

    monkeypatch.setattr(source, "build", without)
    said = []
    for order in (0, 1):
        emulate(order)
        said.append(small("ntm-lstm").double().backend_report()["fused"])
    assert any("apart from the plain cell" in verdict for verdict in said), said


def test_bfloat16_comes_and_goes_and_is_computed_in_single_precision(emulate):
    module, exact = small("ntm-gru").bfloat16(), small("ntm-gru")
    exact.load_state_dict(module.state_dict())
    inputs = torch.randn(2, 6, 4).bfloat16()
    module.backend = "fused"
    found, (want, _) = module(inputs), exact(inputs.float())
    assert {t.dtype for t in (found[0], found[1].controller.hidden)} == {torch.bfloat16}
    assert_close({"": found[0].detach().float()}, {"": want.detach()}, 2e-2)
    found[0].float().square().sum().backward()
    want.square().sum().backward()
    for (name, p), q in zip(module.named_parameters(), exact.parameters()):
        assert p.grad.dtype == torch.bfloat16
        assert_close({name: p.grad.float()}, {name: q.grad}, 5e-2)


def test_nvidias_compiler_takes_it():
    try:
        nvrtc.library()
    except BuildError as error:
        pytest.skip(str(error))
    cell = small("ntm-rnn").cell
    made = source.build(cells._trace(cell, torch.float32), double=False, shared=232_448)
    assert nvrtc.compile_to_cubin(made.source, "sm_90").startswith(b"\x7fELF")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_what_is_missing_is_named():
    assert engine.missing() == "torch sees no CUDA device"
    with pytest.raises(cells.Refusal, match="torch sees no CUDA device"):
        engine.engine_on(torch.device("cuda"))
