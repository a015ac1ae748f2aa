"""Whether a task keeps the contract of :class:`memnets.base.task.Task`, by drawing from it."""

import dataclasses
from typing import Any

import torch
from torch import Tensor

from ..base.seeding import generator
from ..base.task import AnswerTask, Batch, FiniteTask, Items, Task

SIZE = 4
"""Sequences of the batches that are drawn; more than one, and a number that two processes share evenly."""


def check_task(task: Task, *, predictions: Any = None, seed: int = 0) -> None:
    """Raise AssertionError, naming what is wrong, unless ``task`` can be trained on and evaluated.

    Batches are drawn at the shortest and the longest training length and at each evaluation length.

    Args:
        task: the task.
        predictions: a function of a batch that gives what a model's ``predict`` would, for scores and errors. None
            scores random numbers of the shape of the targets, and leaves out tasks that are
            answered in symbols.
        seed: of all that is drawn.
    """
    _check_attributes(task)
    _check_lengths(task, seed)
    lengths = dict.fromkeys((task.min_length, task.max_length, *task.evaluation_lengths))
    for length in lengths:
        batch = task.sample(SIZE, length, generator(seed, "check", length))
        _check_items(batch, SIZE)
        if isinstance(batch, Batch):
            _check_batch(task, batch)
        assert isinstance(task.text(batch, 0), str), "text(batch, index) must give a str"
    _check_drawing(task, seed)
    batch = task.sample(SIZE, task.max_length, generator(seed, "check", 0))
    if not isinstance(task, AnswerTask):
        _check_loss(task, batch, seed)
        _check_scores(task, batch, _random_outputs(task, batch, seed) if predictions is None else predictions(batch))
    elif predictions is not None:
        _check_scores(task, batch, predictions(batch))
    _check_splits(task)


def _check_attributes(task: Task) -> None:
    for name in ("min_length", "max_length", "evaluation_lengths", "length_unit"):
        assert hasattr(task, name), f"{type(task).__name__} sets no {name} in its __init__"
    assert 1 <= task.min_length <= task.max_length, (
        f"min_length is {task.min_length} and max_length {task.max_length}; give 1 <= min_length <= max_length"
    )
    assert task.evaluation_lengths, "evaluation_lengths is empty; give at least one length"
    assert isinstance(task.length_unit, str), f"length_unit is {task.length_unit!r}; give a plural, such as 'items'"
    assert task.threshold > 0, f"threshold is {task.threshold}; give more than 0"


def _check_lengths(task: Task, seed: int) -> None:
    lengths = task.sample_lengths(64, generator(seed, "check", 0))
    assert isinstance(lengths, Tensor), f"sample_lengths gave a {type(lengths).__name__}; give a tensor"
    assert lengths.shape == (64,), f"sample_lengths(64, ...) gave the shape {tuple(lengths.shape)}; give (64,)"
    assert lengths.dtype == torch.int64, f"sample_lengths gave {lengths.dtype}; give torch.int64"
    inside = (lengths >= task.min_length) & (lengths <= task.max_length)
    assert inside.all(), f"sample_lengths gave {lengths[~inside].tolist()}, outside min_length to max_length"
    capped = task.sample_lengths(64, generator(seed, "check", 0), max_length=task.min_length)
    assert (capped == task.min_length).all(), f"sample_lengths with max_length={task.min_length} gave longer ones"


def _check_items(batch: Any, size: int) -> None:
    """The length of a batch, its moves and its shards."""
    assert isinstance(batch, Items), f"sample gave a {type(batch).__name__}; give a memnets_tasks.Batch, or other Items"
    assert len(batch) == size, f"sample({size}, ...) gave a batch of {len(batch)}"
    for name, value in _fields(batch).items():
        assert value is None or len(value) == size, f"{name} has {len(value)} entries in a batch of {size}"
    shards = [batch.shard(rank, 2) for rank in range(2)]
    assert sum(map(len, shards)) == size, "the shards of a batch must hold each of its items once"
    moved = _fields(batch.to("meta"))
    stayed = [name for name, value in moved.items() if isinstance(value, Tensor) and value.device.type != "meta"]
    assert not stayed, f"{stayed[0]} stays where it is when the batch is moved"


def _check_batch(task: Task, batch: Batch) -> None:
    """Shapes and dtypes of a batch of sequences, and that what is past a length is padding."""
    count, steps = batch.mask.shape
    assert batch.mask.dtype == torch.bool, f"mask is {batch.mask.dtype}; give torch.bool"
    assert batch.lengths.dtype == torch.int64, f"lengths is {batch.lengths.dtype}; give torch.int64"
    assert int(batch.lengths.min()) >= 1, f"a sequence has {int(batch.lengths.min())} steps; give at least 1"
    assert int(batch.lengths.max()) == steps, (
        f"the longest sequence has {int(batch.lengths.max())} steps, but the batch {steps}; pad to the longest alone"
    )
    for name, tensor, size in (
        ("inputs", batch.inputs, task.input_size),
        ("targets", batch.targets, task.output_size),
    ):
        assert tensor.shape[:2] == (count, steps), f"{name} has the shape {tuple(tensor.shape)}; give (B, T, ...)"
        if tensor.is_floating_point():
            assert tensor.dtype == torch.float32, f"{name} is {tensor.dtype}; give torch.float32, or int64 tokens"
            assert tensor.shape[2:] == (size,), f"{name} has {tensor.shape[2:]} channels; the task says {size}"
            assert tensor.isfinite().all(), f"{name} holds NaN or infinity"
        else:
            assert tensor.dtype == torch.int64, f"{name} is {tensor.dtype}; give torch.float32, or int64 tokens"
    if not batch.inputs.is_floating_point():
        most = int(batch.inputs.max())
        assert isinstance(task.vocabulary, int), "the inputs are tokens; set vocabulary to their number"
        assert 0 <= int(batch.inputs.min()) <= most < task.vocabulary, f"a token is {most}, past the vocabulary"
    past = torch.arange(steps, device=batch.mask.device) >= batch.lengths.unsqueeze(1)  # (B, T)
    for name in ("inputs", "targets", "mask"):
        assert not getattr(batch, name)[past].any(), f"{name} is not zero past a sequence's length"
    assert not batch.targets[~batch.mask].any(), "targets is not zero where the output is not scored"
    assert batch.mask.any(1).all(), "a sequence has no step that is scored"


def _check_drawing(task: Task, seed: int) -> None:
    """A batch is a function of the arguments and the generator's state; torch's own random numbers are left alone."""
    lengths = task.sample_lengths(SIZE, generator(seed, "check", 1))
    before = torch.get_rng_state()
    one, again, other = (task.sample(SIZE, lengths, generator(seed, "check", step)) for step in (2, 2, 3))
    assert torch.equal(torch.get_rng_state(), before), "sample draws torch's own random numbers; draw the generator's"
    assert _alike(one, again), "the same state of the generator gave two batches; draw all numbers from it"
    if not isinstance(task, FiniteTask):
        assert not _alike(one, other), "two states of the generator gave the same batch; draw its numbers"
    _check_items(one, SIZE)


def _random_outputs(task: Task, batch: Any, seed: int) -> Tensor:
    shape = (*batch.mask.shape, task.output_size or batch.targets.shape[-1])
    return torch.randn(shape, generator=generator(seed, "check", 4))


def _check_loss(task: Task, batch: Any, seed: int) -> None:
    outputs = _random_outputs(task, batch, seed).requires_grad_()
    loss = task.loss(outputs, batch)
    assert isinstance(loss, Tensor), f"loss gave a {type(loss).__name__}; give a tensor"
    assert loss.shape == (), f"loss gave the shape {tuple(loss.shape)}; give a scalar"
    assert loss.isfinite(), f"the loss of random outputs is {float(loss)}"
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert gradient.isfinite().all(), "the loss's gradient is not finite"
    assert not gradient[~batch.mask].any(), "the loss depends on outputs that are not scored: see Batch.mask"
    assert gradient[batch.mask].any(), "the loss does not depend on the outputs that are scored"
    assert float(task.loss_weight(batch)) > 0, "loss_weight gave nothing for a whole batch"


def _check_scores(task: Task, batch: Any, predictions: Any) -> None:
    errors = task.errors(predictions, batch)
    assert errors.shape == (len(batch),), f"errors gave the shape {tuple(errors.shape)}; give ({len(batch)},)"
    assert errors.is_floating_point(), f"errors gave {errors.dtype}; give torch.float32"
    scores = task.scores(predictions, batch)
    assert scores, "scores gave nothing; give at least one"
    for name, value in scores.items():
        assert isinstance(name, str), f"a score's name is {name!r}; give a str"
        assert torch.as_tensor(value).dim() == 0, f"the score {name} is no scalar"
    whole = task.corpus_scores([(predictions, batch)])
    assert whole.keys() == scores.keys(), f"corpus_scores gave {[*whole]}, but scores {[*scores]}"


def _check_splits(task: Task) -> None:
    validation, test, unseen = task.splits()
    for name, other in {"validation": validation, "test": test, **unseen}.items():
        assert isinstance(other, Task), f"splits gave for {name} a {type(other).__name__}; give a task"
        sizes = [(part.input_size, part.output_size) for part in (task, other)]
        assert sizes[0] == sizes[1], f"the task of {name} has sizes of its own: {sizes[1]} in place of {sizes[0]}"


def _fields(batch: Any) -> dict[str, Any]:
    return {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}


def _alike(one: Any, other: Any) -> bool:
    for a, b in zip(_fields(one).values(), _fields(other).values()):
        if isinstance(a, Tensor) and (a.shape != b.shape or not torch.equal(a.nan_to_num(), b.nan_to_num())):
            return False
        if not isinstance(a, Tensor) and a != b:
            return False
    return True
