"""A cell through time, step by step in PyTorch: any device, any dtype."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..cells import Cell
from ..cells.base import Inputs, State, States


def unroll(cell: Cell, x: Inputs, state: State | None = None) -> States:
    """Give the state after every step, ``state_t = step(state_{t-1}, x_t)``.

    Args:
        cell: the recurrence.
        x: inputs.
        state: the state before the first step; zero unless given.

    Example:
        >>> import torch
        >>> from learnability.cells import GRU
        >>> unroll(GRU(3, 4), torch.zeros(2, 5, 3)).shape
        torch.Size([2, 5, 4])
    """
    if state is None:
        state = x.new_zeros(x.shape[0], cell.state_size)
    states = []
    for projected in cell.input_projection(x).unbind(dim=1):
        state = cell.step_projected(state, projected)
        states.append(state)
    return torch.stack(states, dim=1)


class _Unrolled(nn.Module):
    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor, state: Tensor | None) -> Tensor:
        return unroll(self.cell, x, state)


def unroll_with(
    cell: Cell, values: Mapping[str, Tensor], x: Inputs, state: State | None = None
) -> States:
    """Give what `unroll` would, had the cell's parameters these values."""
    named = {f"cell.{name}": value for name, value in values.items()}
    return torch.func.functional_call(_Unrolled(cell), named, (x, state))


def tangent(
    cell: Cell, x: Inputs, direction: Mapping[str, Tensor], state: State | None = None
) -> States:
    """Give the derivative of every state along a direction of the parameters.

    ``v_t = J_t v_{t-1} + b_t``, by forward-mode differentiation; see
    `learnability.unroll.tangent`.
    """
    values = {name: p.detach() for name, p in cell.named_parameters()}
    along = {n: direction.get(n, torch.zeros_like(p)) for n, p in values.items()}

    def states(these: dict[str, Tensor]) -> Tensor:
        return unroll_with(cell, these, x, state)

    return torch.func.jvp(states, (values,), (along,))[1]
