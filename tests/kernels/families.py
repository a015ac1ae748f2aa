"""Every memory that steps, at sizes of one's choice."""

import cells

from memnets import (
    ACT,
    NTM,
    DeltaMemory,
    DNCMemory,
    FastWeights,
    MANNMemory,
    MemoryNetwork,
    NeuralStackMemory,
    StackMemory,
    TapeMemory,
)


def families(slots: int, width: int, hidden: int, inputs: int, outputs: int) -> dict:
    """By name, a function that makes the module."""
    memories = {
        "dnc": lambda: DNCMemory(slots, width),
        "dnc-heads": lambda: DNCMemory(slots, width, read_heads=2, write_heads=2),
        "stack": lambda: StackMemory(slots, width, stacks=2),
        "neural stack": lambda: NeuralStackMemory(slots, width),
        "neural queue": lambda: NeuralStackMemory(slots, width, kind="queue"),
        "tape": lambda: TapeMemory(slots, width),
        "mann": lambda: MANNMemory(slots, width, 2),
        "delta": lambda: DeltaMemory(width, width, heads=2),
    }
    found = {
        f"ntm-{name}": lambda name=name: NTM(
            inputs, hidden, output_size=outputs, slots=slots, width=width, controller=name
        )
        for name in ("lstm", "gru", "rnn", "feedforward")
    }
    found["ntm-heads-layers"] = lambda: NTM(
        inputs, hidden, slots=slots, width=width, read_heads=2, write_heads=3, num_layers=2, shift_range=2
    )
    for name, memory in memories.items():
        found[name] = lambda memory=memory: MemoryNetwork(inputs, hidden, memory=memory(), output_size=outputs)
    found["fast weights"] = lambda: FastWeights(inputs, hidden, output_size=outputs)
    found["act"] = lambda: ACT(inputs, hidden, controller="gru", max_passes=3, output_size=outputs)
    found["queue"] = lambda: cells.Queue(inputs, hidden, slots=slots, width=width)
    found["many operators"] = cells.Odd
    return found
