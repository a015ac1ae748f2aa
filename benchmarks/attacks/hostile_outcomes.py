"""What becomes of a call: through both backends, and how the two are compared."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from hostile_families import Args, backends, has_order
from torch import Tensor

import memnets
from memnets.base.state import state_tensors

TOLERANCE = {torch.float32: 2e-3, torch.float64: 1e-7}
BEYOND = ("huge", "of infinities")
"""Where the order of operations says whether a number overflows to an infinity or to NaN: shapes alone are compared."""
EQUAL = ("state tiny", "state of NaN")
"""These make slots equal, of which rounding then says which comes first."""

CLEAR = (ValueError, TypeError, memnets.BackendUnavailableError, MemoryError)


class Outcome(NamedTuple):
    """What became of a call: its kind, a word, and details."""

    kind: str
    word: str
    what: str = ""


def run(model: Any, args: Args, seed: int, back: bool = True) -> list[Tensor]:
    """Outputs, last state, and gradients of inputs, state and parameters."""
    inputs, state, lengths = args
    leaves = []
    if back:
        if isinstance(inputs, Tensor) and inputs.is_floating_point():
            inputs = inputs.detach().requires_grad_()
            leaves.append(inputs)
        leaves += [p for p in model.parameters() if p.requires_grad]
    outputs, last = model(inputs, state, lengths)
    found = [outputs, *state_tensors(last)]
    if back:
        generator = torch.Generator().manual_seed(seed)
        floats = [t for t in found if t.is_floating_point()]  # what only says which slot has no gradient
        drawn = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in floats]
        loss = torch.stack([(a * t).sum() for a, t in zip(drawn, floats)]).sum()
        loss = loss + sum(0 * leaf.sum() for leaf in leaves[:1])  # where all lengths are 0, a constant
        grads = torch.autograd.grad(loss, leaves, allow_unused=True) if leaves else ()
        found += [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(grads, leaves)]
    return [t.detach() for t in found]


def attempt(work: Callable[[], Any]) -> Any:
    """What it gives, or the error."""
    try:
        return work()
    except (Exception, RecursionError) as error:
        return error


def compare(kind: str, plain: Any, fused: Any, shapes: bool = False) -> Outcome:
    """Whether both backends did the same; with ``shapes``, shapes alone of what they gave."""
    if isinstance(fused, memnets.BackendUnavailableError):
        return Outcome(kind, "refused", one_line(fused))
    if isinstance(plain, Exception) and isinstance(fused, Exception):
        if (type(plain), str(plain)) != (type(fused), str(fused)):
            return Outcome(kind, "TWO ERRORS", f"{one_line(plain)} | {one_line(fused)}")
        return judged(kind, fused)
    if isinstance(plain, Exception) or isinstance(fused, Exception):
        what = [one_line(r) if isinstance(r, Exception) else "numbers" for r in (plain, fused)]
        return Outcome(kind, "DIFFERS", " | ".join(what))
    if shapes or any(word in kind for word in BEYOND):
        return Outcome(kind, "same numbers" if [a.shape for a in plain] == [b.shape for b in fused] else "DIFFERS")
    for number, (a, b) in enumerate(zip(plain, fused, strict=True)):
        tolerance = TOLERANCE.get(b.dtype, 1e-2)
        scale = float(torch.nan_to_num(a.double(), 0, 0, 0).abs().max()) if a.numel() else 0
        if a.shape != b.shape or not torch.allclose(a, b, rtol=tolerance, atol=tolerance * (1 + scale), equal_nan=True):
            return Outcome(kind, "DIFFERS", f"tensor {number} of {len(plain)}, {tuple(a.shape)}")
    return Outcome(kind, "same numbers")


def judged(kind: str, error: Exception) -> Outcome:
    """An error is clear where it is of ours, of one line; torch's own are counted apart."""
    clear = isinstance(error, CLEAR) and "\n" not in str(error)
    of_torch = isinstance(error, RuntimeError) or (isinstance(error, IndexError) and "dimension" in str(error))
    word = "clear error" if clear else "torch's error" if of_torch else "RAW ERROR"
    return Outcome(kind, word, one_line(error))


def one_line(error: Exception) -> str:
    """Type and message."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def both(kind: str, model: Any, args: Args, seed: int, back: bool = True) -> Outcome:
    """The call through both backends."""
    found = []
    for name in backends(model):
        model.backend = name
        found.append(attempt(lambda: run(model, args, seed, back)))
    return compare(kind, *found, shapes=kind in EQUAL and has_order(model))


def alone(kind: str, work: Callable[[], Any]) -> Outcome:
    """A call that has no plain counterpart."""
    found = attempt(work)
    return judged(kind, found) if isinstance(found, Exception) else Outcome(kind, "ran")
