"""A cell with a linear read-out: the model that studies train."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..cells import Cell
from ..cells.base import Inputs, States
from ..randomness import Seed, torch_generator
from .recurrence import Engine, outputs, unroll


@final
class Network(nn.Module):
    """A recurrent network with one output, ``yhat_t = w_out . h_t + b_out``.

    Args:
        cell: the recurrence.
        seed: NumPy-style seed of the read-out's weights, uniform in 1/sqrt(H).
        engine: what unrolls the cell, see `unroll`.

    Example:
        >>> import torch
        >>> from learnability.cells import GRU
        >>> Network(GRU(3, 4))(torch.zeros(2, 5, 3)).shape
        torch.Size([2, 5])
    """

    def __init__(self, cell: Cell, *, seed: Seed = 0, engine: Engine = "auto") -> None:
        super().__init__()
        self.cell = cell
        self.engine: Engine = engine
        bound = cell.units**-0.5
        weight = torch.empty(cell.units)
        weight.uniform_(-bound, bound, generator=torch_generator(seed))
        self.w_out = nn.Parameter(weight)
        self.b_out = nn.Parameter(torch.zeros(()))

    def states(self, x: Inputs) -> States:
        """Give the state after every step."""
        return unroll(self.cell, x, engine=self.engine)

    def read(self, states: Float[Tensor, "*batch state"]) -> Float[Tensor, "*batch"]:
        """Give the outputs of given states."""
        return states[..., self.cell.output] @ self.w_out + self.b_out

    def forward(self, x: Inputs) -> Float[Tensor, "sequence step"]:
        return outputs(self.cell, x, self.w_out, engine=self.engine) + self.b_out

    def error_signal(self, states: States, y: Float[Tensor, "sequence step"]) -> States:
        """Give ``delta_t = (yhat_t - y_t) w_out`` on h and 0 on c.

        It is the derivative of the step's loss ``1/2 (yhat_t - y_t)^2`` by the state
        at a fixed past.
        """
        delta = torch.zeros_like(states)
        error = self.read(states) - y
        delta[..., self.cell.output] = error[..., None] * self.w_out
        return delta.detach()
