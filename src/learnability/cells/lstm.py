"""The long short-term memory."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from ..randomness import Seed
from .base import Cell, Factor, Initialisation, Steps, logit, previous
from .layernorm import normalise, own_derivative, pull_back, slopes


@final
class LSTM(Cell):
    """A long short-term memory; its state is (h, c), one after the other.

    ``i, f, o = sigmoid(W x + b + U h)`` each with its own matrices,
    ``g = tanh(LN(W_g x + b_g + U_g h))``, ``c' = f c + i g``, ``h' = o tanh(c')``.

    Args:
        inputs: D.
        units: H.
        f0: the forget gate's value at the start, with ``init="published"``.
        layernorm: whether LN is LayerNorm or the identity.
        init: see `Cell.reset`.
        seed: NumPy-style seed of the initial weights.

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
        self,
        inputs: int,
        units: int,
        *,
        f0: float = 0.5,
        layernorm: bool = False,
        init: Initialisation = "published",
        seed: Seed = 0,
    ) -> None:
        self.f0 = f0
        super().__init__(inputs, units, layernorm=layernorm, init=init, seed=seed)

    @property
    def state_size(self) -> int:
        return 2 * self.units

    def shapes(self) -> dict[str, tuple[int, ...]]:
        wide, square = (self.units, self.inputs), (self.units, self.units)
        return {
            f"{kind}_{gate}": shape
            for gate in "ifog"
            for kind, shape in (("W", wide), ("U", square), ("b", (self.units,)))
        }

    def gate_bias(self) -> tuple[str, float]:
        return "f", logit(self.f0)

    def project(self, x: Tensor) -> Tensor:
        weight = torch.cat((self.W_i, self.W_f, self.W_o, self.W_g))
        return x @ weight.T + torch.cat((self.b_i, self.b_f, self.b_o, self.b_g))

    def gates(self, h: Tensor, projected: Tensor) -> tuple[Tensor, ...]:
        """Give i, f, o and the candidate's pre-activation."""
        weight = torch.cat((self.U_i, self.U_f, self.U_o, self.U_g))
        i, f, o, a = (projected + h @ weight.T).chunk(4, dim=-1)
        return torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), a

    def advance(self, state: Tensor, projected: Tensor) -> Tensor:
        h, c = state.chunk(2, dim=-1)
        i, f, o, a = self.gates(h, projected)
        g = torch.tanh(normalise(a, self.ln_weight, self.ln_bias))
        c = f * c + i * g
        return torch.cat((o * torch.tanh(c), c), dim=-1)

    def factors(self, states: Tensor, x: Tensor) -> dict[str, Factor]:
        h = previous(states)[..., self.output]
        return self.affine_factors("ifog", x, dict.fromkeys("ifog", h))

    def partials(self, states: Tensor, x: Tensor) -> Tensor:
        """Give f, e, ``g i'``, ``c f'``, ``tanh(c') o'``, ``i (1 - g^2)``, LN's."""
        h, c = previous(states).chunk(2, dim=-1)
        i, f, o, a = self.gates(h, self.project(x))
        g = torch.tanh(normalise(a, self.ln_weight, self.ln_bias))
        shown = torch.tanh(states[..., self.carried])
        parts = (
            f,
            o * (1 - shown**2),
            g * i * (1 - i),
            c * f * (1 - f),
            shown * o * (1 - o),
            *slopes(a, self.ln_weight, i * (1 - g**2)),
        )
        return torch.stack(parts, dim=-2)

    def pull(self, adjoint: Tensor, partials: Tensor) -> tuple[Tensor, Tensor]:
        """Give ``U_i^T p_i + U_f^T p_f + U_o^T p_o + U_g^T p_g`` on h, ``f m`` on c.

        ``m = lambda_c + e lambda_h``; ``p_i = g i' m``, ``p_f = c f' m``,
        ``p_o = tanh(c') o' lambda_h``, ``p_g = LN^T(i (1-g^2) m)``.
        """
        keep, e, by_i, by_f, by_o, by_g, *xhat = partials.unbind(dim=-2)
        on_h, on_c = adjoint.chunk(2, dim=-1)
        m = on_c + e * on_h
        p_g = pull_back(by_g * m, xhat)
        p = torch.cat((by_i * m, by_f * m, by_o * on_h, p_g), dim=-1)
        weight = torch.cat((self.U_i, self.U_f, self.U_o, self.U_g))
        return torch.cat((p @ weight, keep * m), dim=-1), p

    def linearize(self, states: Tensor, x: Tensor) -> Steps:
        """Give the c -> c path of each unit, and its exit to h."""

        def own(a: Tensor) -> Tensor:
            return own_derivative(
                a, self.ln_weight, self.U_g.diagonal(), lambda y: y @ self.U_g
            )

        return self.split(states, x, own)

    def split(
        self, states: Tensor, x: Tensor, own: Callable[[Tensor], Tensor]
    ) -> Steps:
        """Give leak f, correction ``r_t = k_t e_{t-1}`` and exit e, ``e_{-1} = 0``.

        ``e_t = o_t (1 - tanh(c_t)^2)`` leads from c to h, k is `inward`.
        """
        f, o, k = self.inward(states, x, own)
        e = o * (1 - torch.tanh(states[..., self.carried]) ** 2)
        return Steps(leak=f, correction=k * previous(e), exit=e)

    def inward(
        self, states: Tensor, x: Tensor, own: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Give f, o and ``k_t = dc_t/dh_{t-1}`` of each unit.

        ``k = c f' U_f[q, q] + i g' own(a) + g i' U_i[q, q]``.
        """
        h, c = previous(states).chunk(2, dim=-1)
        i, f, o, a = self.gates(h, self.project(x))
        g = torch.tanh(normalise(a, self.ln_weight, self.ln_bias))
        k = (
            c * f * (1 - f) * self.U_f.diagonal()
            + i * (1 - g**2) * own(a)
            + g * i * (1 - i) * self.U_i.diagonal()
        )
        return f, o, k
