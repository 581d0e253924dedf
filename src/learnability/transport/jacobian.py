"""Jacobians of single steps, by automatic differentiation."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jacrev, vmap

from ..cells import Cell, previous


def step_jacobians(
    cell: Cell,
    state: Float[Tensor, "*batch state"],
    x: Float[Tensor, "*batch input"],
) -> Float[Tensor, "*batch state state"]:
    """Give ``J = d step(state, x) / d state``, row: new state, column: old state.

    Args:
        cell: the recurrence.
        state: states before the step.
        x: inputs of the step.
    """
    batch = state.shape[:-1]
    flat = vmap(jacrev(cell.step))(state.reshape(-1, state.shape[-1]), x.flatten(0, -2))
    return flat.detach().reshape(*batch, *flat.shape[1:])


def jacobians(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
) -> Float[Tensor, "sequence step state state"]:
    """Give the Jacobian of every step, ``J_t = d state_t / d state_{t-1}``."""
    with torch.no_grad():
        before = previous(states)
    return step_jacobians(cell, before, x)
