"""The long short-term memory."""

from typing import Unpack, final

import torch
from torch import Tensor

from .base import Steps, previous
from .closed import ClosedForm, Options, OuterProductFactor
from .layernorm import normalise, normalise_vjp, own_derivative


@final
class LSTM(ClosedForm):
    """A long short-term memory; its state is (h, c), one after the other.

    ``i, f, o = sigmoid(W x + b + U h)`` each with its own matrices,
    ``g = tanh(LN(W_g x + b_g + U_g h))``, ``c' = f c + i g``, ``h' = o tanh(c')``.

    Args:
        inputs: D.
        units: H.
        f0: the forget gate's value at the start, with ``init="published"``.
        options: ``layernorm``, ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if f0 is not between 0 and 1 or a size is below 1.

    Example:
        >>> LSTM(3, 4).state_size
        8

    Source: Hochreiter and Schmidhuber 1997, Gers et al. 2000; Livi 2025, section 3.
    """

    recurrent = ("U_i", "U_f", "U_o", "U_g")
    W_i: Tensor
    U_i: Tensor
    b_i: Tensor
    W_f: Tensor
    U_f: Tensor
    b_f: Tensor
    W_o: Tensor
    U_o: Tensor
    b_o: Tensor
    W_g: Tensor
    U_g: Tensor
    b_g: Tensor

    def __init__(
        self, inputs: int, units: int, *, f0: float = 0.5, **options: Unpack[Options]
    ) -> None:
        super().__init__(inputs, units, gate=("f", f0), **options)

    @property
    def state_size(self) -> int:
        return 2 * self.units

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return self.affine_shapes("ifog")

    def input_projection(self, x: Tensor) -> Tensor:
        return self.affine_projection("ifog", x)

    def gates(self, h: Tensor, projected: Tensor) -> tuple[Tensor, ...]:
        """Return i, f, o and the candidate's pre-activation."""
        weight = torch.cat((self.U_i, self.U_f, self.U_o, self.U_g))
        i, f, o, a = (projected + h @ weight.T).chunk(4, dim=-1)
        return torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), a

    def step_projected(self, state: Tensor, projected: Tensor) -> Tensor:
        h, c = state.chunk(2, dim=-1)
        i, f, o, a = self.gates(h, projected)
        g = torch.tanh(normalise(a, self.ln_weight, self.ln_bias))
        c = f * c + i * g
        return torch.cat((o * torch.tanh(c), c), dim=-1)

    def factors(self, states: Tensor, x: Tensor) -> dict[str, OuterProductFactor]:
        h = previous(states)[..., self.output]
        return self.affine_factors("ifog", x, dict.fromkeys("ifog", h))

    def derivatives(self, states: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return f, e, ``g i'``, ``c f'``, ``tanh(c') o'``, ``i (1 - g^2)`` and a.

        ``e = o (1 - tanh(c')^2)`` leads from c' to h'.
        """
        h, c = previous(states).chunk(2, dim=-1)
        i, f, o, a = self.gates(h, self.input_projection(x))
        g = torch.tanh(normalise(a, self.ln_weight, self.ln_bias))
        shown = torch.tanh(states[..., self.carried])
        e, by_i, by_f = o * (1 - shown**2), g * i * (1 - i), c * f * (1 - f)
        return f, e, by_i, by_f, shown * o * (1 - o), i * (1 - g**2), a

    def vjp(self, adjoint: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``U_i^T p_i + U_f^T p_f + U_o^T p_o + U_g^T p_g`` on h, ``f m`` on c.

        ``m = lambda_c + e lambda_h``; ``p_i = g i' m``, ``p_f = c f' m``,
        ``p_o = tanh(c') o' lambda_h``, ``p_g = LN^T(i (1-g^2) m)``.
        """
        keep, e, by_i, by_f, by_o, by_g, *xhat = local.unbind(dim=-2)
        on_h, on_c = adjoint.chunk(2, dim=-1)
        m = on_c + e * on_h
        p_g = normalise_vjp(by_g * m, xhat)
        p = torch.cat((by_i * m, by_f * m, by_o * on_h, p_g), dim=-1)
        weight = torch.cat((self.U_i, self.U_f, self.U_o, self.U_g))
        return torch.cat((p @ weight, keep * m), dim=-1), p

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return leak f, correction ``r_t = k_t e_{t-1}`` and exit e, ``e_{-1} = 0``.

        ``k_t = dc_t/dh_{t-1} = c f' U_f[q, q] + i g' A[q, q] + g i' U_i[q, q]``.
        """
        f, e, by_i, by_f, _, slope, a = self.derivatives(states, x)
        diagonal = self.U_g.diagonal()
        own = own_derivative(a, self.ln_weight, diagonal, lambda y: y @ self.U_g)
        k = by_f * self.U_f.diagonal() + slope * own + by_i * self.U_i.diagonal()
        return Steps(leak=f, correction=k * previous(e), exit=e)
