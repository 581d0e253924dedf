"""Gradients of single sequences for many cotangents, without a graph for each.

A cotangent on the states, carried back to the pre-activations, gives every weight's
gradient as a product over steps; see `cells.OuterProductFactor`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ..cells import Cell
from .lag_gradients import immediate_sensitivity


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
        p, and the gradients of LayerNorm's parameters by name (sequence, row, unit).
    """
    adjoint = torch.zeros_like(cotangent[:, :, 0])
    adjoints, reached = [], []
    with torch.no_grad():
        partials = cell.local_derivatives(states, x)
        for t in reversed(range(x.shape[1])):
            total = adjoint + cotangent[:, :, t]
            adjoint, p = cell.vjp(total, partials[:, None, t])
            adjoints.append(total)
            reached.append(p)
    whole = torch.stack(adjoints[::-1], dim=2)
    return torch.stack(reached[::-1], dim=2), _norm_gradients(cell, x, states, whole)


def _norm_gradients(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    adjoint: Float[Tensor, "sequence row step state"],
) -> dict[str, Tensor]:
    """Return the gradients of LayerNorm's parameters for every sequence and row."""
    found = {}
    for name in ("ln_weight", "ln_bias") if cell.layernorm else ():
        # A unit's gain and bias move that unit alone: all of them can move at once.
        ones = torch.ones_like(getattr(cell, name))
        moved = immediate_sensitivity(cell, x, states, {name: ones})
        gradient = torch.einsum("nrts,nts->nrs", adjoint, moved)
        found[name] = gradient.unflatten(-1, (-1, cell.units)).sum(dim=-2)
    return found


def cell_gradients(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    cotangent: Float[Tensor, "sequence row step state"],
) -> Float[Tensor, "sequence row parameter"]:
    """Return the gradient by the cell's parameters of every sequence and row.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step, from a zero initial state.
        cotangent: any number of rows of cotangents of the states, at a fixed future.

    Returns:
        The gradients, parameters flattened one after the other: LayerNorm's, then the
        others in the order of `Cell.factors`.
    """
    p, norm = pre_cotangents(cell, x, states, cotangent)
    with torch.no_grad():
        return torch.cat([*norm.values(), cell.row_gradients(p, states, x)], dim=-1)
