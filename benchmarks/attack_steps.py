"""A million training steps of each family's fused kernel, at settings that are made to break: no NaN, no growth.

What is counted are steps of sequences, forward and back: 200 an update, whatever the batch. Inputs are up to 30 times
their usual size, the learning rate is 0.02, one update in four has lengths, and the state is carried from update to
update until a sequence is reset. Exit code 1 where a loss or a parameter was not finite or resident memory grew.
"""

import argparse
import datetime
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from hostile_kernels import FAMILIES as ALL
from hostile_kernels import queue

import memnets
from memnets import detach_state

FAMILIES = tuple(family for family in ALL if family != "sam")  # which has no kernel
STEPS, BATCH, FEATURES, OUTPUTS = 200, 4, 5, 3
ALLOWED = 8.0
"""MB by which resident memory may end above what it was after a tenth of the updates."""


def model_of(family: str) -> Any:
    """A small model."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"output_size": OUTPUTS, "backend": "fused"}
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


def train(family: str, total: int) -> dict[str, Any]:
    """The figures of one family."""
    model, generator = model_of(family), torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    updates = total // STEPS
    began, bad, state, base = time.process_time(), 0, None, 0.0
    samples: list[float] = []
    for update in range(updates):
        scale = float(10 ** (1.5 * torch.rand((), generator=generator)))
        inputs = scale * torch.randn(BATCH, STEPS, FEATURES, generator=generator)
        targets = (inputs[..., :OUTPUTS].roll(3, 1) > 0).float()
        lengths = torch.randint(STEPS + 1, (BATCH,), generator=generator).tolist() if update % 4 == 0 else None
        outputs, state = model(inputs, state, lengths)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(outputs, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        state = None if update % 16 == 15 else detach_state(state)
        bad += not torch.isfinite(loss)
        if update % max(1, updates // 100) == 0:
            bad += not all(bool(torch.isfinite(p).all()) for p in model.parameters())
            samples.append(resident())
            base = samples[-1] if update <= updates // 10 else base
    return {
        "sequence_steps": updates * STEPS,
        "updates": updates,
        "batch": BATCH,
        "not_finite": bad,
        "last_loss": round(float(loss.detach()), 4),  # pyright: ignore[reportPossiblyUnboundVariable]
        "resident_mb_after_a_tenth": round(base, 1),
        "resident_mb_highest_after": round(max(samples[len(samples) // 10 :]), 1),
        "resident_mb_at_the_end": round(resident(), 1),
        "cpu_seconds": round(time.process_time() - began, 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, help="add the figures to this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    failed = 0
    for family in options.families:
        figures = train(family, options.steps)
        grew = figures["resident_mb_at_the_end"] - figures["resident_mb_after_a_tenth"]
        failed |= bool(figures["not_finite"]) or grew > ALLOWED
        print(family, figures, flush=True)
        if options.json:
            known = json.loads(options.json.read_text()) if options.json.exists() else {}
            figures["command"] = f"python benchmarks/attack_steps.py --families '{family}' --steps {options.steps}"
            figures["date"] = f"{datetime.date.today()}"
            figures["hardware"] = "one thread of 2 cores of an Intel Xeon"
            options.json.write_text(json.dumps({**known, family: figures}, indent=2) + "\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
