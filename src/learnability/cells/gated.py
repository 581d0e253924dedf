"""Cells of several gates: gated recurrent units and the long short-term memory."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Unpack, final

import torch
from jaxtyping import Float
from torch import Tensor

from .base import Steps, previous
from .closed import Normalised, Options, OuterProductFactor, normalise_vjp

Through = tuple[Tensor, Callable[[Tensor], Tensor]]


class Gated(Normalised):
    """A cell of several gates, ``W x + b + U v`` of each, v its own source."""

    names: str

    def shapes(self) -> dict[str, tuple[int, ...]]:
        wide, square = (self.units, self.inputs), (self.units, self.units)
        kinds = (("W", wide), ("U", square), ("b", (self.units,)))
        return {f"{kind}_{gate}": shape for gate in self.names for kind, shape in kinds}

    def input_projection(self, x: Float[Tensor, "*batch input"]) -> Tensor:
        """Return ``W x + b`` of the gates, one after the other."""
        weight, bias = (
            torch.cat([getattr(self, f"{kind}_{gate}") for gate in self.names])
            for kind in "Wb"
        )
        return x @ weight.T + bias

    def recurrent_weight(self) -> Tensor:
        """Return the recurrent matrices, one below the other."""
        return torch.cat([getattr(self, f"U_{gate}") for gate in self.names])

    def gate_factors(
        self, x: Tensor, sources: dict[str, Tensor]
    ) -> dict[str, OuterProductFactor]:
        """Return the factors of W, U and b of the gates, from what U multiplies."""
        factors = {}
        for place, gate in enumerate(self.names):
            columns = slice(place * self.units, (place + 1) * self.units)
            factors[f"W_{gate}"] = OuterProductFactor(columns, x)
            factors[f"U_{gate}"] = OuterProductFactor(columns, sources[gate])
            factors[f"b_{gate}"] = OuterProductFactor(columns, None)
        return factors


class Reset(Gated):
    """What both conventions share: ``h' = (1 - z) h + z g``, z the update gate."""

    names = "zrg"
    recurrent = ("U_z", "U_r", "U_g")
    W_z: Tensor
    U_z: Tensor
    b_z: Tensor
    W_r: Tensor
    U_r: Tensor
    b_r: Tensor
    W_g: Tensor
    U_g: Tensor
    b_g: Tensor

    def __init__(
        self, inputs: int, units: int, *, z0: float = 0.05, **options: Unpack[Options]
    ) -> None:
        super().__init__(inputs, units, gate=("z", z0), **options)

    def gates(self, h: Tensor, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return z, r and the projected input of the candidate."""
        from_z, from_r, from_g = projected.chunk(3, dim=-1)
        z = torch.sigmoid(from_z + h @ self.U_z.T)
        r = torch.sigmoid(from_r + h @ self.U_r.T)
        return z, r, from_g

    @abstractmethod
    def candidate(self, h: Tensor, r: Tensor, from_g: Tensor) -> tuple[Tensor, Tensor]:
        """Return the candidate's pre-activation, and what r multiplies."""

    @abstractmethod
    def through(self, r: Tensor, turned: Tensor) -> Through:
        """Return the diagonal of ``A = da/dh``, and the map ``y -> y A``."""

    def step_projected(self, state: Tensor, projected: Tensor) -> Tensor:
        z, r, from_g = self.gates(state, projected)
        a, _ = self.candidate(state, r, from_g)
        return (1 - z) * state + z * self.activation(a)

    def derivatives(self, states: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return ``1 - z``, ``(g - h) z'``, r, ``v r'``, ``z (1 - g^2)`` and a.

        v is what r multiplies.
        """
        h = previous(states)
        z, r, from_g = self.gates(h, self.input_projection(x))
        a, v = self.candidate(h, r, from_g)
        g = self.activation(a)
        by_z = (g - h) * z * (1 - z)
        return 1 - z, by_z, r, v * r * (1 - r), z * (1 - g**2), a

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return ``1 - z`` and ``(g - h) z' U_z[q, q] + z (1 - g^2) k``."""
        keep, by_z, r, turned, slope, a = self.derivatives(states, x)
        k = self.own_derivative(a, *self.through(r, turned))
        return Steps(keep, by_z * self.U_z.diagonal() + slope * k)


@final
class GRU(Reset):
    """A GRU that resets the state before the matrix product.

    ``z = sigmoid(W_z x + b_z + U_z h)``, ``r = sigmoid(W_r x + b_r + U_r h)``,
    ``g = tanh(LN(W_g x + b_g + U_g (r*h)))``, ``h' = (1 - z) h + z g``: z is the
    update gate (`torch.nn.GRU` calls z what is 1 - z here).

    Args:
        inputs: their number, D.
        units: their number, H.
        z0: the update gate's value at the start, with ``init="published"``.
        options: ``layernorm``, ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if z0 is not between 0 and 1 or a size is below 1.

    Example:
        >>> GRU(3, 4).state_size
        4

    Source: Cho et al. 2014; Livi 2025, section 3 (arXiv 2512.05790).
    """

    def candidate(self, h: Tensor, r: Tensor, from_g: Tensor) -> tuple[Tensor, Tensor]:
        return from_g + (r * h) @ self.U_g.T, h

    def through(self, r: Tensor, turned: Tensor) -> Through:
        """Return those of ``A = U_g diag(r) + U_g diag(h r') U_r``."""
        diagonal = self.U_g.diagonal() * r + turned @ (self.U_g.T * self.U_r)

        def columns(y: Tensor) -> Tensor:
            back = y @ self.U_g
            return back * r + (back * turned) @ self.U_r

        return diagonal, columns

    def factors(self, states: Tensor, x: Tensor) -> dict[str, OuterProductFactor]:
        h = previous(states)
        _, r, _ = self.gates(h, self.input_projection(x))
        return self.gate_factors(x, {"z": h, "r": h, "g": r * h})

    def vjp(self, adjoint: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(1-z) lambda + r u + U_z^T p_z + U_r^T p_r``, ``u = U_g^T p_g``.

        ``p_g = LN^T(z (1-g^2) lambda)``, ``p_z = (g - h) z' lambda``, ``p_r = h r' u``.
        """
        keep, by_z, r, turned, by_candidate, *xhat = local.unbind(dim=-2)
        p_g = normalise_vjp(by_candidate * adjoint, xhat)
        u = p_g @ self.U_g
        p_z, p_r = by_z * adjoint, turned * u
        back = keep * adjoint + r * u + p_z @ self.U_z + p_r @ self.U_r
        return back, torch.cat((p_z, p_r, p_g), dim=-1)


@final
class TorchGRU(Reset):
    """A GRU that resets after the matrix product, as `torch.nn.GRU` does.

    ``z`` and ``r`` as in `GRU`, ``g = tanh(LN(W_g x + b_g + r*(U_g h + b_u)))``,
    ``h' = (1 - z) h + z g``: z is the update gate, 1 minus PyTorch's z.

    Args:
        inputs: their number, D.
        units: their number, H.
        z0: the update gate's value at the start, with ``init="published"``.
        options: ``layernorm``, ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if z0 is not between 0 and 1 or a size is below 1.

    Example:
        >>> TorchGRU(3, 4).b_u.shape
        torch.Size([4])

    Source: the equations in the documentation of `torch.nn.GRU`.
    """

    b_u: Tensor

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return super().shapes() | {"b_u": (self.units,)}

    def candidate(self, h: Tensor, r: Tensor, from_g: Tensor) -> tuple[Tensor, Tensor]:
        u = h @ self.U_g.T + self.b_u
        return from_g + r * u, u

    def through(self, r: Tensor, turned: Tensor) -> Through:
        """Return those of ``A = diag(r) U_g + diag(u r') U_r``."""
        diagonal = self.U_g.diagonal() * r + turned * self.U_r.diagonal()
        return diagonal, lambda y: (y * r) @ self.U_g + (y * turned) @ self.U_r

    def factors(self, states: Tensor, x: Tensor) -> dict[str, OuterProductFactor]:
        h = previous(states)
        _, r, _ = self.gates(h, self.input_projection(x))
        factors = self.gate_factors(x, dict.fromkeys("zrg", h))
        columns = factors["U_g"].columns
        inside = {
            "U_g": OuterProductFactor(columns, h, r),
            "b_u": OuterProductFactor(columns, None, r),
        }
        return factors | inside

    def vjp(self, adjoint: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(1-z) lambda + U_z^T p_z + U_r^T p_r + U_g^T (r p_g)``.

        ``p_g = LN^T(z (1-g^2) lambda)``, ``p_z = (g - h) z' lambda`` and
        ``p_r = u r' p_g``, u the product ``U_g h + b_u``.
        """
        keep, by_z, r, turned, by_candidate, *xhat = local.unbind(dim=-2)
        p_g = normalise_vjp(by_candidate * adjoint, xhat)
        p_z, p_r = by_z * adjoint, turned * p_g
        back = p_z @ self.U_z + p_r @ self.U_r + (r * p_g) @ self.U_g
        return keep * adjoint + back, torch.cat((p_z, p_r, p_g), dim=-1)


@final
class LSTM(Gated):
    """A long short-term memory; its state is (h, c), one after the other.

    ``i, f, o = sigmoid(W x + b + U h)`` each with its own matrices,
    ``g = tanh(LN(W_g x + b_g + U_g h))``, ``c' = f c + i g``, ``h' = o tanh(c')``.

    Args:
        inputs: their number, D.
        units: their number, H.
        f0: the forget gate's value at the start, with ``init="published"``.
        options: ``layernorm``, ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if f0 is not between 0 and 1 or a size is below 1.

    Example:
        >>> LSTM(3, 4).state_size
        8

    Source: Hochreiter and Schmidhuber 1997, Gers et al. 2000; Livi 2025, section 3.
    """

    names = "ifog"
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

    def gates(self, h: Tensor, projected: Tensor) -> tuple[Tensor, ...]:
        """Return i, f, o and the candidate's pre-activation."""
        i, f, o, a = (projected + h @ self.recurrent_weight().T).chunk(4, dim=-1)
        return torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), a

    def step_projected(self, state: Tensor, projected: Tensor) -> Tensor:
        h, c = state.chunk(2, dim=-1)
        i, f, o, a = self.gates(h, projected)
        g = self.activation(a)
        c = f * c + i * g
        return torch.cat((o * torch.tanh(c), c), dim=-1)

    def factors(self, states: Tensor, x: Tensor) -> dict[str, OuterProductFactor]:
        h = previous(states)[..., self.output]
        return self.gate_factors(x, dict.fromkeys("ifog", h))

    def derivatives(self, states: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return f, e, ``g i'``, ``c f'``, ``tanh(c') o'``, ``i (1 - g^2)`` and a.

        ``e = o (1 - tanh(c')^2)`` leads from c' to h'.
        """
        h, c = previous(states).chunk(2, dim=-1)
        i, f, o, a = self.gates(h, self.input_projection(x))
        g = self.activation(a)
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
        return torch.cat((p @ self.recurrent_weight(), keep * m), dim=-1), p

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return leak f, correction ``r_t = k_t e_{t-1}`` and exit e, ``e_{-1} = 0``.

        ``k_t = dc_t/dh_{t-1} = c f' U_f[q, q] + i g' A[q, q] + g i' U_i[q, q]``.
        """
        f, e, by_i, by_f, _, slope, a = self.derivatives(states, x)
        diagonal = self.U_g.diagonal()
        own = self.own_derivative(a, diagonal, lambda y: y @ self.U_g)
        k = by_f * self.U_f.diagonal() + slope * own + by_i * self.U_i.diagonal()
        return Steps(leak=f, correction=k * previous(e), exit=e)
