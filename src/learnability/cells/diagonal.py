"""A recurrent network whose units see no other unit's past."""

from typing import Unpack, final

import torch
from jaxtyping import Float
from torch import Tensor

from .base import Steps, previous
from .closed import Normalised, Options, OuterProductFactor, normalise_vjp


@final
class DiagRNN(Normalised):
    """A recurrent network without a gate whose recurrent matrix is diagonal.

    ``h' = tanh(LN(W_x x + b_x + w_h h))``, element by element but for LayerNorm.
    Nothing is kept by a gate: the leak is 0, all that a unit carries is the correction.

    Args:
        inputs: their number, D.
        units: their number, H.
        w0: all recurrent weights at the start, with ``init="published"``.
        options: ``layernorm``, ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if w0 is not finite or a size is below 1.

    Example:
        >>> DiagRNN(3, 4).w_h.shape
        torch.Size([4])

    Source: Cayci and Eryilmaz 2024, section 2 (arXiv 2402.12241).
    """

    recurrent = ("w_h",)
    W_x: Tensor
    b_x: Tensor
    w_h: Tensor

    def __init__(
        self, inputs: int, units: int, *, w0: float = 0.95, **options: Unpack[Options]
    ) -> None:
        if not abs(w0) < torch.inf:
            raise ValueError(f"the weight w0 is {w0}; it must be finite")
        self._w0 = w0
        super().__init__(inputs, units, **options)

    def open_gate(self, generator: torch.Generator) -> None:
        self.w_h.fill_(self._w0)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        wide, own = (self.units, self.inputs), (self.units,)
        return {"W_x": wide, "b_x": own, "w_h": own}

    def input_projection(self, x: Float[Tensor, "*batch input"]) -> Tensor:
        return x @ self.W_x.T + self.b_x

    def step_projected(self, state: Tensor, projected: Tensor) -> Tensor:
        return self.activation(projected + self.w_h * state)

    def factors(self, states: Tensor, x: Tensor) -> dict[str, OuterProductFactor]:
        own = slice(0, self.units)
        return {
            "W_x": OuterProductFactor(own, x),
            "b_x": OuterProductFactor(own, None),
            "w_h": OuterProductFactor(own, None, previous(states)),
        }

    def derivatives(self, states: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return ``1 - h'^2`` and the pre-activation a."""
        a = self.input_projection(x) + self.w_h * previous(states)
        return 1 - self.activation(a) ** 2, a

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return the leak 0 and ``r = (1 - h'^2) k``, with ``A = diag(w_h)``."""
        slope, a = self.derivatives(states, x)
        k = self.own_derivative(a, self.w_h, lambda y: y * self.w_h)
        return Steps(leak=torch.zeros_like(a), correction=slope * k)

    def vjp(self, adjoint: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``w_h p``, ``p = LN^T((1 - h'^2) lambda)``."""
        by_candidate, *xhat = local.unbind(dim=-2)
        p = normalise_vjp(by_candidate * adjoint, xhat)
        return p * self.w_h, p
