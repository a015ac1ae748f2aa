"""Gradients of inputs and parameters, as matrix products over all steps of what the way back left for each step."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .configuration import Plan


def input_gradient(inputs: Tensor, parameters: Sequence[Tensor], d_gates: Tensor) -> Tensor:
    """What the inputs (T, B, I) get through the first layer."""
    return torch.mm(d_gates[0].flatten(0, 1), parameters[0][:, : inputs.shape[2]]).view_as(inputs)  # (T, B, I)


def parameter_gradients(
    plan: Plan,
    inputs: Tensor,
    outputs: Tensor,
    gates: Tensor,
    lower: Tensor,
    d_gates: Tensor,
    d_emitted: Tensor,
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Each a single product over all steps and samples, of a layer's gradient with all that the layer was given.

    Args:
        plan: the configuration.
        inputs: ``(T, B, I)``.
        outputs: ``[h, reads] (T + 1, B, C + R M)``, those of the starting state first.
        gates: units after activation, ``(L, T, B, G)``.
        lower: h of an LSTM's layers below the last, ``(L - 1, T + 1, B, C)``.
        d_gates: gradients before activation, as ``gates``.
        d_emitted: those of the interface, ``(T, B, F)``.
        needs: of each parameter, whether its gradient is wanted.

    The product is taken with the layer's units as columns, then turned: with few rows that is several times faster.
    """
    hidden = gates.shape[-1] // (4 if plan.lstm else 1)
    before, after = outputs[:-1].flatten(0, 1), outputs[1:].flatten(0, 1)  # (T B, C + R M)
    grads: list[Tensor | None] = []
    per_layer = 4 if plan.lstm else 2
    for layer in range(plan.layers):
        needed = needs[layer * per_layer : (layer + 1) * per_layer]
        d = d_gates[layer].flatten(0, 1)  # (T B, G)
        only, first = plan.layers == 1, layer == 0
        own = before[:, :hidden] if layer == plan.layers - 1 else lower[layer, :-1].flatten(0, 1)
        weight_ih = weight_hh = None
        if plan.lstm and first and only and needed[0] and needed[1]:  # own and reads lie side by side
            weight_hh, reads = torch.mm(before.t(), d).split([hidden, before.shape[1] - hidden])
            weight_ih = torch.cat([torch.mm(inputs.flatten(0, 1).t(), d), reads]).t()
        else:
            if needed[0] and first:
                given = [inputs.flatten(0, 1), before[:, hidden:]]
                weight_ih = torch.cat([torch.mm(x.t(), d) for x in given]).t()
            elif needed[0]:
                below = lower[layer - 1, 1:] if plan.lstm else gates[layer - 1]
                weight_ih = torch.mm(below.flatten(0, 1).t(), d).t()
            if plan.lstm and needed[1]:
                weight_hh = torch.mm(own.t(), d)
        grads.append(None if weight_ih is None else weight_ih.contiguous())
        if plan.lstm:
            grads.append(None if weight_hh is None else weight_hh.t().contiguous())
        bias = d.sum(0) if any(needed[per_layer // 2 :]) else None
        grads.append(bias if needed[per_layer // 2] else None)
        if plan.lstm:
            grads.append(bias.clone() if bias is not None and needed[3] else None)
    d = d_emitted.flatten(0, 1)  # (T B, F)
    grads.append(torch.mm(d.t(), after[:, :hidden]) if needs[-2] else None)
    grads.append(d.sum(0) if needs[-1] else None)
    return grads
