"""Batches read back into symbols, and the checks of their format on the way."""

import torch


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def decode(task, batch):
    """Of each sequence its string, its answer, and how many steps it is asked in."""
    sequences = []
    for inputs, targets, mask, steps in zip(batch.inputs, batch.targets, batch.mask, batch.lengths.tolist()):
        shown = _symbols(inputs[:steps])
        empty = len(task.symbols)
        length = shown.index(empty) if empty in shown else steps
        assert set(shown[length:]) <= {empty}
        scored = int(mask.sum())
        assert mask[length : length + scored].all(), "what is scored comes first after the string"
        assert not inputs[steps:].any()
        answer = [task.answers[i] for i in _symbols(targets[mask])]
        sequences.append(([task.symbols[i] for i in shown[:length]], answer, steps - length))
    return sequences


def _symbols(vectors):
    assert ((vectors == 0) | (vectors == 1)).all()
    assert (vectors.sum(-1) == 1).all()
    return vectors.argmax(-1).tolist()
