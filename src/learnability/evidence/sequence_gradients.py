"""Gradients of single sequences for many cotangents, without a graph for each.

A cotangent on the states, carried back to the pre-activations, gives every weight's
gradient as a product over steps; see `cells.base.Factor`.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call, vjp

from ..cells import Cell, Factor, previous
from ..unroll import Network
from .sensitivity import parameters


def pre_cotangents(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    cotangent: Float[Tensor, "sequence row step state"],
) -> tuple[Float[Tensor, "sequence row step pre"], dict[str, Tensor]]:
    """Carry cotangents of all states back to the pre-activations.

    ``lambda_t = J_{t+1}^T lambda_{t+1} + cotangent_t``; p is the part of ``lambda_t``
    that reaches the projected input of step t.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        cotangent: any number of rows for every sequence.

    Returns:
        p, and the gradients of LayerNorm's parameters (sequence, row, unit).
    """
    with torch.no_grad():
        before, projected = previous(states), cell.project(x)
    fixed = parameters(cell)
    rows = cotangent.shape[:2]
    norm = {
        name: p.expand(*rows, -1) for name, p in fixed.items() if name.startswith("ln_")
    }
    gradients = {name: torch.zeros_like(p) for name, p in norm.items()}
    adjoint = torch.zeros_like(cotangent[:, :, 0])
    reached = []
    for t in reversed(range(x.shape[1])):

        def step(state: Tensor, pre: Tensor, scale: dict[str, Tensor]) -> Tensor:
            at = fixed | scale
            return functional_call(cell, at, (state, pre), {"projected": True})

        spread = (v[:, t, None].expand(*rows, -1) for v in (before, projected))
        back = vjp(step, *spread, norm)[1]
        adjoint, p, parts = back(adjoint + cotangent[:, :, t])
        reached.append(p)
        gradients = {name: g + parts[name] for name, g in gradients.items()}
    return torch.stack(reached[::-1], dim=2), gradients


def weight_gradient(
    p: Float[Tensor, "sequence row step pre"], factor: Factor
) -> Float[Tensor, "sequence row unit source"]:
    """Give ``sum_t (scale_t * p_t) outer source_t`` of every sequence and row."""
    p = p[..., factor.columns]
    if factor.scale is not None:
        p = p * factor.scale[:, None]
    if factor.source is None:
        return p.sum(dim=2)[..., None]
    return p.transpose(-1, -2) @ factor.source[:, None]


def sequence_gradients(
    network: Network,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    weight: Float[Tensor, "sequence row step"],
) -> Float[Tensor, "sequence row parameter"]:
    """Give ``sum_t weight_t d yhat_t / d theta`` for every sequence and row.

    Args:
        network: cell and read-out; theta is all their trained parameters.
        x: inputs.
        states: the states after each step, from a zero initial state.
        weight: any number of rows of weights for every sequence.

    Returns:
        The gradients, parameters flattened one after the other: LayerNorm's, the
        cell's in the order of `Cell.factors`, the read-out's.
    """
    cell = network.cell
    cotangent = states.new_zeros(*weight.shape, cell.state_size)
    cotangent[..., cell.output] = weight[..., None] * network.w_out.detach()
    p, norm = pre_cotangents(cell, x, states, cotangent)
    with torch.no_grad():
        factors = cell.factors(states, x)
        parts = [weight_gradient(p, factor).flatten(2) for factor in factors.values()]
        to_read_out = weight @ states[..., cell.output]
        return torch.cat(
            [*norm.values(), *parts, to_read_out, weight.sum(-1, keepdim=True)], dim=-1
        )
