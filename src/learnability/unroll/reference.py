"""A cell through time, step by step in PyTorch: any device, any dtype."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..cells import Cell


def unroll(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    state: Float[Tensor, "sequence state"] | None = None,
) -> Float[Tensor, "sequence step state"]:
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
    for projected in cell.project(x).unbind(dim=1):
        state = cell.advance(state, projected)
        states.append(state)
    return torch.stack(states, dim=1)
