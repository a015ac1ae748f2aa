"""A million training steps of each family's fused kernel, at settings that are made to break: no NaN, no growth.

Two trainings. ``--updates``: so many updates (forward, back, optimiser), each of one or two sequences of 1 to 6 steps:
one in 16 by the module as users call it, the others by the kernel's forward and backward, which is what a million of
them are for. ``--steps``: so many steps of sequences by the module, 200 an update of four sequences. In both, inputs
are up to 30 times their usual size, the learning rate is 0.02, some updates have lengths, 0 among them, and the state
is carried from update to update until a sequence is reset. Families that the file of figures has already are passed
over. Exit code 1 where a loss or a parameter was not finite or resident memory grew.
"""

import argparse
import datetime
import gc
import json
import os
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import torch
from hostile_families import FAMILIES as ALL
from hostile_families import queue
from torch import Tensor

import memnets
from memnets import detach_state, kernels
from memnets.base.state import map_state, state_tensors
from memnets.kernels.kernel import kernel_called, named

FAMILIES = tuple(family for family in ALL if family != "sam")  # which has no kernel
FEATURES, OUTPUTS = 5, 3
LONG, LONG_BATCH = 200, 4
SHORT, SHORT_BATCH = 6, 2
ALLOWED = 8.0
"""MB by which resident memory may end above what it was after a tenth of the updates."""


def model_of(family: str, outputs: int | None) -> Any:
    """A small model."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"output_size": outputs, "backend": "fused"}
    if family == "fast weights":
        return memnets.FastWeights(FEATURES, 8, **sizes)
    if family in ("act", "repeat"):
        passes: dict[str, Any] = {"max_passes": 3} if family == "act" else {"repeats": 2}
        kind = memnets.ACT if family == "act" else memnets.Repeat
        return kind(FEATURES, 8, memory=memnets.StackMemory(4, 4), **passes, **sizes)
    memory = {
        "ntm": lambda: memnets.NTMMemory(8, 6, 1, 1),
        "dnc": lambda: memnets.DNCMemory(8, 6, 1, 1),
        "stack": lambda: memnets.StackMemory(8, 6, 1),
        "neural stack": lambda: memnets.NeuralStackMemory(8, 6),
        "tape": lambda: memnets.TapeMemory(8, 6),
        "mann": lambda: memnets.MANNMemory(8, 6, 1),
        "delta": lambda: memnets.DeltaMemory(6, 6, 1),
        "queue": lambda: queue()(8, 6),
    }[family]()
    return memnets.MemoryNetwork(FEATURES, 8, memory=memory, **sizes)


def resident() -> float:
    """MB of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watch:
    """Looks now and then whether all is finite and how much memory is resident."""

    def __init__(self, count: int):
        self.count, self.bad, self.samples, self.began = count, 0, [], time.process_time()

    def look(self, number: int, *tensors: Tensor) -> None:
        """Called after each update; what is once not finite stays in the parameters."""
        if number % max(1, self.count // 200) == 0 or number == self.count - 1:
            self.bad += not all(bool(t.isfinite().all()) for t in tensors)
            self.samples.append(resident())

    def figures(self) -> dict[str, Any]:
        """What was seen."""
        tenth = len(self.samples) // 10
        return {
            "not_finite": self.bad,
            "resident_mb_after_a_tenth": round(self.samples[tenth], 1),
            "resident_mb_highest_after": round(max(self.samples[tenth:]), 1),
            "resident_mb_at_the_end": round(self.samples[-1], 1),
            "cpu_seconds": round(time.process_time() - self.began, 1),
        }


def train_long(family: str, count: int) -> dict[str, Any]:
    """The figures of updates of four long sequences."""
    model, generator = model_of(family, OUTPUTS), torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    watch, state = Watch(count), None
    for number in range(count):
        scale = float(10 ** (1.5 * torch.rand((), generator=generator)))
        inputs = scale * torch.randn(LONG_BATCH, LONG, FEATURES, generator=generator)
        targets = (inputs[..., :OUTPUTS].roll(3, 1) > 0).float()
        lengths = torch.randint(LONG + 1, (LONG_BATCH,), generator=generator).tolist() if number % 4 == 0 else None
        outputs, state = model(inputs, state, lengths)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(outputs, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        watch.look(number, loss, *model.parameters(), *state_tensors(state))
        state = None if number % 16 == 15 else detach_state(state)
    return {"sequence_steps": count * LONG, "updates": count, "batch": LONG_BATCH, **watch.figures()}


def train_short(family: str, count: int) -> dict[str, Any]:
    """The figures of updates of one or two short sequences. Inputs are views, by the thousand, of what was drawn."""
    model, generator, random = model_of(family, None), torch.Generator().manual_seed(1), Random(1)
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=0.02, fused=True)
    first = [[t.detach() for t in state_tensors(model.initial_state(batch))] for batch in range(1, SHORT_BATCH + 1)]
    template, kernel = model.initial_state(1), KernelStep(model)
    watch, steps_done, left, state = Watch(count), 0, 0, first[0]
    gc.freeze()  # so that looking for garbage costs less
    for number in range(count):
        if number % 1000 == 0:
            scale = 10 ** (1.5 * torch.rand(1000, 1, 1, 1, generator=generator))
            drawn = scale * torch.randn(1000, SHORT, SHORT_BATCH, FEATURES, generator=generator)
        if not left:
            left, state = random.randint(1, 32), random.choice(first)
        batch, steps = len(state[0]), random.randint(1, SHORT)
        inputs = drawn[number % 1000, :steps, :batch]  # pyright: ignore[reportPossiblyUnboundVariable]
        lengths = sorted(random.choices(range(steps + 1), k=batch), reverse=True) if number % 8 == 0 else None
        if number % 16:
            state = kernel.step(inputs, state, lengths)
        else:
            optimizer.zero_grad()
            outputs, last = model(inputs.transpose(0, 1), rebuilt(template, iter(state)), lengths)
            outputs.backward(away(outputs.detach()))
            state = [t.detach() for t in state_tensors(last)]
        optimizer.step()
        watch.look(number, *parameters, *state)
        left, steps_done = left - 1, steps_done + steps
    largest = round(float(max(p.detach().abs().max() for p in parameters)), 1)
    return {"updates": count, "sequence_steps": steps_done, "largest_parameter": largest, **watch.figures()}


class KernelStep:
    """Forward and backward of a model's kernel, without the module around it."""

    def __init__(self, model: Any):
        key, *names = kernels.find(model.cell)
        self.kernel, self.read = kernel_called(key), [named(model.cell, name) for name in names]
        assert {id(p) for p in model.parameters()} == {id(p) for p in self.read}

    @torch.no_grad()
    def step(self, inputs: Tensor, state: list[Tensor], lengths: list[int] | None) -> list[Tensor]:
        """The last state; the parameters have gradients afterwards."""
        outputs, last, kept = self.kernel.forward(inputs, state, self.read, lengths, True)
        needs = [False] * (1 + len(state)) + [True] * len(self.read)
        d_last: list[Tensor | None] = [None] * len(state)
        found = self.kernel.backward(inputs, state, self.read, lengths, kept, away(outputs), d_last, needs)
        for parameter, grad in zip(self.read, found.parameters):
            parameter.grad = grad
        return last


def away(outputs: Tensor) -> Tensor:
    """The gradient of a loss that wants outputs of a period of three."""
    return (torch.sigmoid(outputs) - 0.5 - 0.3 * torch.sign(outputs)) / outputs.numel()


def rebuilt(state: Any, tensors: Any) -> Any:
    """A state like that one, of these tensors."""
    return map_state(lambda _: next(tensors), state)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--updates", type=int, help="updates of short sequences")
    asked.add_argument("--steps", type=int, help="steps of long sequences")
    parser.add_argument("--json", type=Path, help="add the figures to this file, and pass over the families it has")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kind = "updates of short sequences" if options.updates else "steps of long sequences"
    failed = 0
    for family in options.families:
        known = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
        if family in known.get(kind, {}):
            continue
        count = options.updates or options.steps // LONG
        figures = (train_short if options.updates else train_long)(family, count)
        grew = figures["resident_mb_at_the_end"] - figures["resident_mb_after_a_tenth"]
        failed |= bool(figures["not_finite"]) or grew > ALLOWED
        print(family, figures, flush=True)
        if options.json:
            asked_for = f"--updates {options.updates}" if options.updates else f"--steps {options.steps}"
            figures["command"] = f"python benchmarks/attacks/attack_steps.py --families '{family}' {asked_for}"
            figures["date"] = f"{datetime.date.today()}"
            figures["hardware"] = "one thread of 2 cores of an Intel Xeon"
            options.json.write_text(
                json.dumps(known | {kind: known.get(kind, {}) | {family: figures}}, indent=2) + "\n"
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
