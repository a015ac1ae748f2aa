"""How far back in time a gradient reaches: its norm with respect to each state before the loss."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from ..base.model import as_parameters
from ..base.modes import evaluating
from ..base.module import SequenceModule
from ..base.state import map_state, named_tensors
from ..base.task import Task
from ..models.language_model import LanguageModel

Flow = dict[str, Tensor]
"""By the name of a state's field, norms ``(T - 1,)`` of the gradient: the first is of what the last step was handed."""


def gradient_flow(model: nn.Module, task: Task, batch: Any) -> Flow:
    """The norm of the gradient of the last step's loss with respect to the state handed to each step before.

    A product of Jacobians stands behind it: it vanishes or explodes with the distance, unless the state is carried on
    as it is, as by the cell of an LSTM whose forget gate is open (Hochreiter & Schmidhuber 1997, the constant error
    carousel).

    Args:
        model: a :class:`memnets.SequenceModule` or a :class:`memnets.LanguageModel`.
        task: whose loss is taken, of the last scored step of each sequence alone.
        batch: sequences that all have T steps.

    Returns:
        For each field of the state that holds numbers ``(T - 1,)``: the mean over sequences of the Euclidean norm, one
        step back, two steps back and so on.

    Raises:
        TypeError: the model is another.
        ValueError: sequences differ in length or have one step alone, or the state grows from step to step.

    Source:
        Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, equation 5.
    """
    if not isinstance(model, (SequenceModule, LanguageModel)):
        raise TypeError(
            f"{type(model).__name__} has no state that is handed on from step to step: give a run of a sequence model"
        )
    steps = batch.mask.shape[1]
    if not bool((batch.lengths == steps).all()):
        raise ValueError("sequences have several lengths, but gradients are followed over one: sample a single length")
    if steps < 2:
        raise ValueError("sequences have one step, before which there is none: give a length with at least 2 steps")
    with evaluating(model):
        outputs, states = _unroll(model, as_parameters(model, batch.inputs))
    loss = task.loss(outputs, _last_scored_alone(batch))
    fields = [dict(named_tensors(state)) for state in states]
    names = [name for name, part in fields[0].items() if part.is_floating_point()]
    if not names:
        raise ValueError(f"{type(model).__name__} hands no numbers on from step to step: give a recurrent model")
    wanted = [field[name] for field in fields for name in names]
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    norms = [torch.zeros(()) if g is None else g.flatten(1).norm(dim=1).mean().cpu() for g in gradients]
    table = torch.stack(norms).view(steps - 1, len(names)).flip(0) * len(batch)  # of a mean over sequences
    return {name: table[:, n] for n, name in enumerate(names)}


def _unroll(model: SequenceModule | LanguageModel, inputs: Tensor) -> tuple[Tensor, list[Any]]:
    """Outputs ``(B, T, O)``, and the states handed to the second step and those after it, each part of the graph."""
    state: Any = map_state(lambda part: part.clone(), model.initial_state(len(inputs)))
    outputs, states = [], []
    for t in range(inputs.shape[1]):
        output, after = model(inputs[:, t : t + 1], state)
        _check_sizes(model, state, after)
        state = map_state(_kept, after)
        outputs.append(output)
        states.append(state)
    return torch.cat(outputs, dim=1), states[:-1]


def _kept(part: Tensor) -> Tensor:
    """A tensor of its own in the graph, so that a gradient can be asked for of it."""
    part = part.clone()
    return part if part.requires_grad or not part.is_floating_point() else part.requires_grad_()


def _check_sizes(model: nn.Module, before: Any, after: Any) -> None:
    for (name, one), (_, other) in zip(named_tensors(before), named_tensors(after)):
        if one.shape != other.shape:
            raise ValueError(
                f"the state of {type(model).__name__} grows from step to step ({name} from {tuple(one.shape)} to "
                f"{tuple(other.shape)}), so that nothing is handed on: give a recurrent model"
            )


def _last_scored_alone(batch: Any) -> Any:
    """The batch with the last scored step of each sequence as its only one."""
    steps = torch.arange(batch.mask.shape[1], device=batch.mask.device)
    last = (steps * batch.mask).amax(1, keepdim=True)  # (B, 1)
    return dataclasses.replace(batch, mask=batch.mask & (steps == last))
