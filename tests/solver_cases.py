"""Batches against slow solvers in plain Python, which are shown the inputs of one sequence at a time."""

import torch

from memnets_tasks import Task


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixed_batches(task: Task, smallest: int, largest: int, examples: int = 1000):
    """At least as many sequences: some of the smallest and of the largest size, most of mixed training lengths."""
    yield task.sample(100, smallest, seeded(1))
    yield task.sample(20, largest, seeded(2))
    yield task.sample(3, torch.tensor([largest, smallest, task.max_length]), seeded(3))
    drawn = 123
    while drawn < examples:
        random = seeded(drawn)
        yield task.sample(220, task.sample_lengths(220, random), random)
        drawn += 220


def check_answers(task: Task, solve, smallest: int, largest: int, examples: int = 1000) -> None:
    """Compare targets and masks with what ``solve(inputs of the sequence's steps)`` gives: ``{step: answer}``."""
    seen = 0
    for batch in mixed_batches(task, smallest, largest, examples):
        assert int(batch.lengths.max()) == batch.inputs.shape[1]
        inputs, targets, mask = batch.inputs.tolist(), batch.targets.tolist(), batch.mask.tolist()
        for b, length in enumerate(batch.lengths.tolist()):
            answers = solve(inputs[b][:length])
            assert [t for t, scored in enumerate(mask[b]) if scored] == sorted(answers), (b, inputs[b][:length])
            for step, answer in answers.items():
                assert targets[b][step] == answer, (b, step, inputs[b][:length])
            seen += 1
    assert seen >= examples


def outputs_for(batch, size: int, right: torch.Tensor) -> torch.Tensor:
    """Logits that name the target where ``right (B, T)``, and the class after it elsewhere."""
    named = torch.where(right, batch.targets, (batch.targets + 1) % size)
    return torch.nn.functional.one_hot(named, size).float()
