"""A cell with a linear read-out: the models that studies train."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..cells import Cell
from ..cells.base import Inputs, States
from ..randomness import Seed, torch_generator
from .recurrence import Engine, outputs, unroll


def _weight(cell: Cell, outputs: tuple[int, ...], seed: Seed) -> Tensor:
    """Draw the weights of a read-out, uniform in 1/sqrt(H)."""
    bound = cell.units**-0.5
    weight = torch.empty(*outputs, cell.units)
    return weight.uniform_(-bound, bound, generator=torch_generator(seed))


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
        self.w_out = nn.Parameter(_weight(cell, (), seed))
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


@final
class Classifier(nn.Module):
    """A recurrent network that names sequences, ``z = W_out h_T + b_out``.

    Args:
        cell: the recurrence.
        classes: names that there are, K.
        seed: NumPy-style seed of the read-out's weights, uniform in 1/sqrt(H).
        engine: what unrolls the cell, see `unroll`.

    Example:
        >>> import torch
        >>> from learnability.cells import GRU
        >>> Classifier(GRU(3, 4), 6)(torch.zeros(2, 5, 3)).shape
        torch.Size([2, 6])
    """

    def __init__(
        self, cell: Cell, classes: int, *, seed: Seed = 0, engine: Engine = "auto"
    ) -> None:
        super().__init__()
        self.cell = cell
        self.engine: Engine = engine
        self.w_out = nn.Parameter(_weight(cell, (classes,), seed))
        self.b_out = nn.Parameter(torch.zeros(classes))

    def forward(self, x: Inputs) -> Float[Tensor, "sequence class"]:
        last = unroll(self.cell, x, engine=self.engine)[:, -1, self.cell.output]
        return last @ self.w_out.T + self.b_out


Model = Network | Classifier
"""What studies train."""
