"""Gated recurrent units, in the paper's convention and in PyTorch's."""

from typing import final

import torch
from torch import Tensor

from ..randomness import Seed
from .base import Cell, Factor, Initialisation, Steps, logit, previous
from .layernorm import normalise, own_derivative, pull_back, slopes


class Reset(Cell):
    """What both conventions share: ``h' = (1 - z) h + z g``, z the update gate."""

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
        self,
        inputs: int,
        units: int,
        *,
        z0: float = 0.05,
        layernorm: bool = False,
        init: Initialisation = "published",
        seed: Seed = 0,
    ) -> None:
        self.z0 = z0
        super().__init__(inputs, units, layernorm=layernorm, init=init, seed=seed)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        wide, square = (self.units, self.inputs), (self.units, self.units)
        return {
            f"{kind}_{gate}": shape
            for gate in "zrg"
            for kind, shape in (("W", wide), ("U", square), ("b", (self.units,)))
        }

    def gate_bias(self) -> tuple[str, float]:
        return "z", logit(self.z0)

    def project(self, x: Tensor) -> Tensor:
        weight = torch.cat((self.W_z, self.W_r, self.W_g))
        return x @ weight.T + torch.cat((self.b_z, self.b_r, self.b_g))

    def gates(self, h: Tensor, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give z, r and the projected input of the candidate."""
        from_z, from_r, from_g = projected.chunk(3, dim=-1)
        z = torch.sigmoid(from_z + h @ self.U_z.T)
        r = torch.sigmoid(from_r + h @ self.U_r.T)
        return z, r, from_g

    def mix(self, h: Tensor, z: Tensor, a: Tensor) -> Tensor:
        """Give ``(1 - z) h + z tanh(LN(a))``."""
        g = torch.tanh(normalise(a, self.ln_weight, self.ln_bias))
        return (1 - z) * h + z * g

    def split(self, h: Tensor, z: Tensor, a: Tensor, k: Tensor) -> Steps:
        """Give ``a = 1 - z`` and ``r = (g - h) z' U_z[q, q] + z (1 - g^2) k``."""
        g = torch.tanh(normalise(a, self.ln_weight, self.ln_bias))
        by_gate = (g - h) * z * (1 - z) * self.U_z.diagonal()
        return Steps(leak=1 - z, correction=by_gate + z * (1 - g**2) * k)

    def gather(
        self, h: Tensor, z: Tensor, a: Tensor, r: Tensor, turned: Tensor
    ) -> Tensor:
        """Give ``1 - z``, ``(g - h) z'``, r, turned, ``z (1 - g^2)``, LayerNorm's."""
        g = torch.tanh(normalise(a, self.ln_weight, self.ln_bias))
        by_candidate = slopes(a, self.ln_weight, z * (1 - g**2))
        parts = (1 - z, (g - h) * z * (1 - z), r, turned, *by_candidate)
        return torch.stack(parts, dim=-2)


@final
class GRU(Reset):
    """A GRU that resets the state before the matrix product.

    ``z = sigmoid(W_z x + b_z + U_z h)``, ``r = sigmoid(W_r x + b_r + U_r h)``,
    ``g = tanh(LN(W_g x + b_g + U_g (r*h)))``, ``h' = (1 - z) h + z g``: z is the
    update gate (`torch.nn.GRU` calls z what is 1 - z here).

    Args:
        inputs: D.
        units: H.
        z0: the update gate's value at the start, with ``init="published"``.
        layernorm: whether LN is LayerNorm or the identity.
        init: see `Cell.reset`.
        seed: NumPy-style seed of the initial weights.

    Raises:
        ValueError: if z0 is not between 0 and 1 or a size is below 1.

    Example:
        >>> GRU(3, 4).state_size
        4

    Source: Cho et al. 2014; Livi 2025, section 3 (arXiv 2512.05790).
    """

    def advance(self, state: Tensor, projected: Tensor) -> Tensor:
        z, r, from_g = self.gates(state, projected)
        return self.mix(state, z, from_g + (r * state) @ self.U_g.T)

    def factors(self, states: Tensor, x: Tensor) -> dict[str, Factor]:
        h = previous(states)
        _, r, _ = self.gates(h, self.project(x))
        return self.affine_factors("zrg", x, {"z": h, "r": h, "g": r * h})

    def partials(self, states: Tensor, x: Tensor) -> Tensor:
        h = previous(states)
        z, r, from_g = self.gates(h, self.project(x))
        a = from_g + (r * h) @ self.U_g.T
        return self.gather(h, z, a, r, h * r * (1 - r))

    def pull(self, adjoint: Tensor, partials: Tensor) -> tuple[Tensor, Tensor]:
        """Give ``(1-z) lambda + r u + U_z^T p_z + U_r^T p_r``, ``u = U_g^T p_g``.

        ``p_g = LN^T(z (1-g^2) lambda)``, ``p_z = (g - h) z' lambda``, ``p_r = h r' u``.
        """
        keep, by_z, r, turned, by_candidate, *xhat = partials.unbind(dim=-2)
        p_g = pull_back(by_candidate * adjoint, xhat)
        u = p_g @ self.U_g
        p_z, p_r = by_z * adjoint, turned * u
        back = keep * adjoint + r * u + p_z @ self.U_z + p_r @ self.U_r
        return back, torch.cat((p_z, p_r, p_g), dim=-1)

    def linearize(self, states: Tensor, x: Tensor) -> Steps:
        """Give leak and correction through ``A = U_g diag(r) + U_g diag(h r') U_r``."""
        h = previous(states)
        z, r, from_g = self.gates(h, self.project(x))
        a = from_g + (r * h) @ self.U_g.T
        turned = h * r * (1 - r)
        diagonal = self.U_g.diagonal() * r + turned @ (self.U_g.T * self.U_r)

        def columns(y: Tensor) -> Tensor:
            back = y @ self.U_g
            return back * r + (back * turned) @ self.U_r

        return self.split(h, z, a, own_derivative(a, self.ln_weight, diagonal, columns))


@final
class TorchGRU(Reset):
    """A GRU that resets after the matrix product, as `torch.nn.GRU` does.

    ``z`` and ``r`` as in `GRU`, ``g = tanh(LN(W_g x + b_g + r*(U_g h + b_u)))``,
    ``h' = (1 - z) h + z g``: z is the update gate, 1 minus PyTorch's z.

    Args:
        inputs: D.
        units: H.
        z0: the update gate's value at the start, with ``init="published"``.
        layernorm: whether LN is LayerNorm or the identity.
        init: see `Cell.reset`.
        seed: NumPy-style seed of the initial weights.

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

    def advance(self, state: Tensor, projected: Tensor) -> Tensor:
        z, r, from_g = self.gates(state, projected)
        return self.mix(state, z, from_g + r * (state @ self.U_g.T + self.b_u))

    def factors(self, states: Tensor, x: Tensor) -> dict[str, Factor]:
        h = previous(states)
        _, r, _ = self.gates(h, self.project(x))
        factors = self.affine_factors("zrg", x, dict.fromkeys("zrg", h))
        columns = factors["U_g"].columns
        inside = {"U_g": Factor(columns, h, r), "b_u": Factor(columns, None, r)}
        return factors | inside

    def partials(self, states: Tensor, x: Tensor) -> Tensor:
        h = previous(states)
        z, r, from_g = self.gates(h, self.project(x))
        u = h @ self.U_g.T + self.b_u
        return self.gather(h, z, from_g + r * u, r, u * r * (1 - r))

    def pull(self, adjoint: Tensor, partials: Tensor) -> tuple[Tensor, Tensor]:
        """Give ``(1-z) lambda + U_z^T p_z + U_r^T p_r + U_g^T (r p_g)``.

        ``p_g = LN^T(z (1-g^2) lambda)``, ``p_z = (g - h) z' lambda`` and
        ``p_r = u r' p_g``, u the product ``U_g h + b_u``.
        """
        keep, by_z, r, turned, by_candidate, *xhat = partials.unbind(dim=-2)
        p_g = pull_back(by_candidate * adjoint, xhat)
        p_z, p_r = by_z * adjoint, turned * p_g
        back = p_z @ self.U_z + p_r @ self.U_r + (r * p_g) @ self.U_g
        return keep * adjoint + back, torch.cat((p_z, p_r, p_g), dim=-1)

    def linearize(self, states: Tensor, x: Tensor) -> Steps:
        """Give leak and correction through ``A = diag(r) U_g + diag(u r') U_r``."""
        h = previous(states)
        z, r, from_g = self.gates(h, self.project(x))
        u = h @ self.U_g.T + self.b_u
        a, turned = from_g + r * u, u * r * (1 - r)
        diagonal = self.U_g.diagonal() * r + turned * self.U_r.diagonal()

        def columns(y: Tensor) -> Tensor:
            return (y * r) @ self.U_g + (y * turned) @ self.U_r

        return self.split(h, z, a, own_derivative(a, self.ln_weight, diagonal, columns))
