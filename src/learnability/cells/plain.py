"""The plain recurrent network, without a gate."""

from typing import Literal, final, get_args

import torch
from torch import Tensor

from ..randomness import Seed
from .base import Cell, Factor, Initialisation, Steps, previous
from .layernorm import normalise, own_derivative, pull_back, slopes

Nonlinearity = Literal["tanh", "relu"]


@final
class TorchRNN(Cell):
    """A recurrent network without a gate, as `torch.nn.RNN` is.

    ``h' = tanh(LN(W_x x + b_x + W_h h))``, or relu in place of tanh. Nothing is kept
    by a gate: the leak is 0, all that a unit carries is the correction ``r``.

    Args:
        inputs: D.
        units: H.
        nonlinearity: ``tanh`` or ``relu``.
        layernorm: whether LN is LayerNorm or the identity.
        init: see `Cell.reset`.
        seed: NumPy-style seed of the initial weights.

    Raises:
        ValueError: if the nonlinearity is unknown or a size is below 1.

    Example:
        >>> TorchRNN(3, 4, nonlinearity="relu").recurrent
        ('W_h',)

    Source: Elman 1990; the equations in the documentation of `torch.nn.RNN`.
    """

    recurrent = ("W_h",)
    s = 1.0  # the gate, as the compiled engine sees it: nothing of the past is kept
    W_x: Tensor
    b_x: Tensor
    W_h: Tensor

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        nonlinearity: Nonlinearity = "tanh",
        layernorm: bool = False,
        init: Initialisation = "published",
        seed: Seed = 0,
    ) -> None:
        if nonlinearity not in get_args(Nonlinearity):
            raise ValueError(
                f"the nonlinearity is {nonlinearity!r}; it must be 'tanh' or 'relu'"
            )
        super().__init__(inputs, units, layernorm=layernorm, init=init, seed=seed)
        self.nonlinearity: Nonlinearity = nonlinearity

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            "W_x": (self.units, self.inputs),
            "b_x": (self.units,),
            "W_h": (self.units, self.units),
        }

    def gate_bias(self) -> None:
        return None

    def project(self, x: Tensor) -> Tensor:
        return x @ self.W_x.T + self.b_x

    def candidate(self, h: Tensor, projected: Tensor) -> tuple[Tensor, Tensor]:
        """Give the pre-activation and what stands inside the nonlinearity."""
        a = projected + h @ self.W_h.T
        return a, normalise(a, self.ln_weight, self.ln_bias)

    def advance(self, state: Tensor, projected: Tensor) -> Tensor:
        _, inside = self.candidate(state, projected)
        return torch.tanh(inside) if self.nonlinearity == "tanh" else inside.relu()

    def slope(self, inside: Tensor) -> Tensor:
        """Give the derivative of the nonlinearity: ``1 - c^2``, or 1 above 0."""
        if self.nonlinearity == "tanh":
            return 1 - torch.tanh(inside) ** 2
        return (inside > 0).to(inside.dtype)

    def factors(self, states: Tensor, x: Tensor) -> dict[str, Factor]:
        everything = slice(0, self.units)
        sources = {"W_x": x, "b_x": None, "W_h": previous(states)}
        return {name: Factor(everything, source) for name, source in sources.items()}

    def linearize(self, states: Tensor, x: Tensor) -> Steps:
        """Give the leak 0 and ``r = slope k``, with ``A = W_h``."""
        a, inside = self.candidate(previous(states), self.project(x))
        k = own_derivative(
            a, self.ln_weight, self.W_h.diagonal(), lambda y: y @ self.W_h
        )
        return Steps(leak=torch.zeros_like(a), correction=self.slope(inside) * k)

    def partials(self, states: Tensor, x: Tensor) -> Tensor:
        """Give the slope, then LayerNorm's."""
        a, inside = self.candidate(previous(states), self.project(x))
        return torch.stack(slopes(a, self.ln_weight, self.slope(inside)), dim=-2)

    def pull(self, adjoint: Tensor, partials: Tensor) -> tuple[Tensor, Tensor]:
        """Give ``W_h^T p``, ``p = LN^T(slope lambda)``."""
        by_candidate, *xhat = partials.unbind(dim=-2)
        p = pull_back(by_candidate * adjoint, xhat)
        return p @ self.W_h, p
