"""The exact sweep and sampled exact gains, each step by automatic differentiation."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.func import jacrev, vjp, vmap

from learnability.cells import Cell, previous


def sweep(
    cell: Cell,
    x: Tensor,
    states: Tensor,
    delta: Tensor,
    anchors: Sequence[int],
    longest: int,
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield lag, source steps and ``lambda_{t,l}`` as `evidence.sweep` does."""
    at, before = torch.as_tensor(anchors), previous(states).detach()
    adjoint = delta[:, at]
    for lag in range(longest + 1):
        source = at - lag
        yield lag, source, adjoint
        if lag < longest:
            alive = source.clamp(min=0)
            x_there = x[:, alive]
            back = vjp(lambda h, x=x_there: cell.step(h, x), before[:, alive])[1]
            adjoint = (back(adjoint)[0] * (source > 0)[:, None]).detach()


def jacobian(cell: Cell, state: Tensor, x: Tensor) -> Tensor:
    """Give the Jacobian of a batch of steps."""
    return vmap(jacrev(cell.step))(state, x).detach()


def sampled_matrices(
    cell: Cell, x: Tensor, states: Tensor, longest: int, anchors: Tensor
) -> Iterator[Tensor]:
    """Yield ``M_{t,l}`` of sampled windows for lag 0, 1, .. longest."""
    sequence, step = anchors.unbind(dim=1)
    matrix = torch.eye(cell.state_size, dtype=x.dtype).expand(len(step), -1, -1)
    yield matrix
    for lag in range(1, longest + 1):
        source = step - lag
        before = states[sequence, source]
        matrix = matrix @ jacobian(cell, before, x[sequence, source + 1])
        yield matrix
