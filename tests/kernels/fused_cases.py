"""A configuration of an NTM run through the fused kernel and through the reference, and how far they lie apart."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from memnets import NTM, map_state
from memnets.base.state import state_tensors

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}


@dataclass
class Case:
    batch: int = 3
    steps: int = 6
    features: int = 4
    hidden: int = 8
    slots: int = 10
    width: int = 5
    readers: int = 1
    writers: int = 1
    shift_range: int = 1
    controller: str = "lstm"
    layers: int = 1
    output_size: int | None = 3
    lengths: list[int] | None = None
    carried: bool = True
    scale: float = 1.0
    seed: int = 0
    dtype: torch.dtype = torch.float64
    device: str = "cpu"
    options: dict = field(default_factory=dict)

    def model(self, backend: str, **options) -> NTM:
        torch.manual_seed(self.seed)
        ntm = NTM(
            self.features,
            self.hidden,
            output_size=self.output_size,
            slots=self.slots,
            width=self.width,
            read_heads=self.readers,
            write_heads=self.writers,
            shift_range=self.shift_range,
            controller=self.controller,
            num_layers=self.layers,
            backend=backend,
            **{**self.options, **options},
        ).to(self.device, self.dtype)
        with torch.no_grad():
            for parameter in ntm.parameters():
                parameter.mul_(self.scale)
        return ntm

    def inputs(self) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)
        drawn = torch.randn(self.batch, self.steps, self.features, generator=generator, dtype=self.dtype)
        return drawn.to(self.device)

    def state(self, ntm: NTM):
        """A starting state with values of its own, or None."""
        if not self.carried:
            return None
        generator = torch.Generator().manual_seed(self.seed + 1)

        def draw(tensor: Tensor) -> Tensor:
            drawn = torch.rand(tensor.shape, generator=generator, dtype=self.dtype)
            return drawn.to(self.device).requires_grad_()

        return map_state(draw, ntm.initial_state(self.batch))

    def results(self, ntm: NTM) -> dict[str, Tensor]:
        """Outputs, last state, and the gradients of all that can have one, by name."""
        inputs, state = self.inputs().requires_grad_(), self.state(ntm)
        output, last = ntm(inputs, state, self.lengths)
        found = {"output": output, **{f"last {i}": t for i, t in enumerate(state_tensors(last))}}
        generator = torch.Generator().manual_seed(self.seed + 2)

        def weight(tensor: Tensor) -> Tensor:
            return torch.randn(tensor.shape, generator=generator, dtype=self.dtype).to(self.device)

        loss = sum((t * weight(t)).sum() for t in found.values())
        leaves = {"d inputs": inputs, **{f"d {name}": p for name, p in ntm.named_parameters() if p.requires_grad}}
        if state is not None:
            leaves |= {f"d first {i}": t for i, t in enumerate(state_tensors(state))}
        grads = [None] * len(leaves)
        if loss.requires_grad:  # not where no sequence has a step
            grads = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        for (name, leaf), grad in zip(leaves.items(), grads):
            found[name] = torch.zeros_like(leaf) if grad is None else grad
        return {name: tensor.detach() for name, tensor in found.items()}


def distance(got: Tensor, want: Tensor) -> float:
    """Norm of the difference, relative to the wanted values' norm or, where that is tiny, to 1e-6 a number."""
    assert got.shape == want.shape
    assert bool(torch.isfinite(got).all())
    floor = 1e-6 * want.numel() ** 0.5
    return float((got - want).norm() / max(float(want.norm()), floor))


def assert_agree(case: Case, tolerance: float | None = None, **options) -> None:
    """The fused kernel gives what the reference gives, in everything."""
    want = case.results(case.model("reference"))
    got = case.results(case.model("fused", **options))
    tolerance = tolerance or TOLERANCE[case.dtype]
    apart = {name: distance(got[name], want[name]) for name in want}
    worst = max(apart, key=lambda name: apart[name])
    assert apart[worst] < tolerance, f"{worst} lies {apart[worst]:.2e} apart in {case}"
