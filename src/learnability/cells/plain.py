"""The plain recurrent network, without a gate."""

from typing import Literal, Unpack, final, get_args

import torch
from torch import Tensor

from .base import Steps, previous
from .closed import ClosedForm, Options, OuterProductFactor
from .layernorm import normalise, normalise_vjp, own_derivative

Nonlinearity = Literal["tanh", "relu"]


@final
class TorchRNN(ClosedForm):
    """A recurrent network without a gate, as `torch.nn.RNN` is.

    ``h' = tanh(LN(W_x x + b_x + W_h h))``, or relu in place of tanh. Nothing is kept
    by a gate: the leak is 0, all that a unit carries is the correction ``r``.

    Args:
        inputs: D.
        units: H.
        nonlinearity: ``tanh`` or ``relu``.
        options: ``layernorm``, ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if the nonlinearity is unknown or a size is below 1.

    Example:
        >>> TorchRNN(3, 4, nonlinearity="relu").recurrent
        ('W_h',)

    Source: Elman 1990; the equations in the documentation of `torch.nn.RNN`.
    """

    recurrent = ("W_h",)
    W_x: Tensor
    b_x: Tensor
    W_h: Tensor

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        nonlinearity: Nonlinearity = "tanh",
        **options: Unpack[Options],
    ) -> None:
        if nonlinearity not in get_args(Nonlinearity):
            raise ValueError(
                f"the nonlinearity is {nonlinearity!r}; it must be 'tanh' or 'relu'"
            )
        super().__init__(inputs, units, **options)
        self.nonlinearity: Nonlinearity = nonlinearity

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            "W_x": (self.units, self.inputs),
            "b_x": (self.units,),
            "W_h": (self.units, self.units),
        }

    def input_projection(self, x: Tensor) -> Tensor:
        return x @ self.W_x.T + self.b_x

    def candidate(self, h: Tensor, projected: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pre-activation and what stands inside the nonlinearity."""
        a = projected + h @ self.W_h.T
        return a, normalise(a, self.ln_weight, self.ln_bias)

    def step_projected(self, state: Tensor, projected: Tensor) -> Tensor:
        _, inside = self.candidate(state, projected)
        return torch.tanh(inside) if self.nonlinearity == "tanh" else inside.relu()

    def slope(self, inside: Tensor) -> Tensor:
        """Return the derivative of the nonlinearity: ``1 - c^2``, or 1 above 0."""
        if self.nonlinearity == "tanh":
            return 1 - torch.tanh(inside) ** 2
        return (inside > 0).to(inside.dtype)

    def factors(self, states: Tensor, x: Tensor) -> dict[str, OuterProductFactor]:
        everything = slice(0, self.units)
        sources = {"W_x": x, "b_x": None, "W_h": previous(states)}
        return {
            name: OuterProductFactor(everything, source)
            for name, source in sources.items()
        }

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return the leak 0 and ``r = slope k``, with ``A = W_h``."""
        a, inside = self.candidate(previous(states), self.input_projection(x))
        k = own_derivative(
            a, self.ln_weight, self.W_h.diagonal(), lambda y: y @ self.W_h
        )
        return Steps(leak=torch.zeros_like(a), correction=self.slope(inside) * k)

    def derivatives(self, states: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return the nonlinearity's slope and a."""
        a, inside = self.candidate(previous(states), self.input_projection(x))
        return self.slope(inside), a

    def vjp(self, adjoint: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``W_h^T p``, ``p = LN^T(slope lambda)``."""
        by_candidate, *xhat = local.unbind(dim=-2)
        p = normalise_vjp(by_candidate * adjoint, xhat)
        return p @ self.W_h, p
