"""A user's own cell, known by ``step(state, x)`` alone: all else by autodiff."""

from typing import final

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vjp, vmap

from ..cells import Cell, Factor, Steps, previous


class _Step(nn.Module):
    """A module whose forward pass is another's step."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, state: Tensor, x: Tensor) -> Tensor:
        return self.module.step(state, x)  # pyright: ignore[reportCallIssue]


@final
class Stepped(Cell):
    """A cell of which nothing is known but its step.

    The leak is 0 and the diagonal of the Jacobian the correction: only a cell that
    names its gate has a zeroth order. Every unit of the state counts as output.

    Args:
        module: has ``step(state, x) -> state``, (sequence, state) and (sequence,
            input).
        inputs: D.
        units: S, the size of the state.

    Example:
        >>> import torch
        >>> class Half(torch.nn.Module):
        ...     def step(self, state, x):
        ...         return 0.5 * state + x
        >>> Stepped(Half(), 3, 3).step(torch.ones(1, 3), torch.zeros(1, 3))
        tensor([[0.5000, 0.5000, 0.5000]])
    """

    recurrent = ()

    def __init__(self, module: nn.Module, inputs: int, units: int) -> None:
        nn.Module.__init__(self)
        self.inputs, self.units = inputs, units
        self.ln_weight = self.ln_bias = None
        self.stepped = _Step(module)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def gate_bias(self) -> None:
        return None

    def project(self, x: Tensor) -> Tensor:
        return x

    def advance(self, state: Tensor, projected: Tensor) -> Tensor:
        lead = state.shape[:-1]
        flat = self.stepped(state.flatten(0, -2), projected.flatten(0, -2))
        return flat.reshape(*lead, -1)

    def linearize(self, states: Tensor, x: Tensor) -> Steps:
        """Give the leak 0 and the Jacobian's diagonal as correction."""
        diagonal = self.partials(states, x).diagonal(dim1=-2, dim2=-1)
        return Steps(leak=torch.zeros_like(diagonal), correction=diagonal)

    def partials(self, states: Tensor, x: Tensor) -> Tensor:
        """Give the whole Jacobian of every step."""
        before = previous(states)

        def one(state: Tensor, inputs: Tensor) -> Tensor:
            return self.stepped(state[None], inputs[None])[0]

        return vmap(vmap(jacrev(one)))(before, x).detach()

    def pull(self, adjoint: Tensor, partials: Tensor) -> tuple[Tensor, Tensor]:
        """Give ``J^T lambda``, and lambda itself: what `row_gradients` takes."""
        return (adjoint[..., None, :] @ partials)[..., 0, :], adjoint

    def factors(self, states: Tensor, x: Tensor) -> dict[str, Factor]:
        raise NotImplementedError("use row_gradients")

    def row_gradients(self, p: Tensor, states: Tensor, x: Tensor) -> Tensor:
        """Give each sequence's and row's gradient, (sequence, row, parameter).

        Args:
            p: cotangents of all states; (sequence, row, step, state).
            states: the states after each step, from a zero initial state.
            x: inputs.
        """
        at = {name: value.detach() for name, value in self.named_parameters()}

        def one(rows: Tensor, before: Tensor, inputs: Tensor) -> Tensor:
            back = vjp(lambda q: functional_call(self, q, (before, inputs)), at)[1]
            (named,) = vmap(back)(rows)
            return torch.cat([g.flatten(1) for g in named.values()], dim=1)

        before = previous(states)
        return torch.stack([one(*row) for row in zip(p, before, x, strict=True)])
