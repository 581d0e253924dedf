"""Gated DeltaNet: a matrix of memory that is decayed, corrected and read."""

from typing import Unpack, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from .base import Steps
from .closed import Options
from .inputs import Advancing, Matrix, Section, outer, times, times_from_left
from .lru import check_kept

EPS = 1e-6  # that keeps the length of keys and queries from 0


def unit_length(
    a: Float[Tensor, "*batch width"],
) -> tuple[Float[Tensor, "*batch width"], Float[Tensor, "*batch one"]]:
    """Return ``a / sqrt(|a|^2 + eps)``, and what it was multiplied by."""
    scale = torch.rsqrt((a**2).sum(dim=-1, keepdim=True) + EPS)
    return a * scale, scale


@final
class GatedDeltaNet(Matrix, Advancing):
    """A matrix of memory that forgets by a gate, and what it holds at each key anew.

    ``q, k = W x`` of unit length, q over the root of its width, ``v = W_v x``, ``beta =
    sigmoid(W_beta x + b_beta)``, ``alpha = exp(-exp(A_log) softplus(W_a x + b_a))``,
    one of each for all units; ``S' = alpha S (I - beta k k') + beta v k'``, ``y' = S'
    q``. The state is y and then S, row by row. One head; gains lead from each S[q, j]
    to y[q]; the leak is alpha, and what a key overwrites the correction.

    Args:
        inputs: their number, D.
        units: their number, H, the length of values.
        width: the length of keys.
        a0: alpha at the start, with ``init="published"``.
        options: ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if a0 is not between 0 and 1, a size is below 1, or LayerNorm is
            asked for.

    Example:
        >>> GatedDeltaNet(3, 4, width=2).state_size
        12

    Source: Yang et al. 2025, section 3 (arXiv 2412.06464).
    """

    A_log: Tensor

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        width: int = 8,
        a0: float = 0.95,
        **options: Unpack[Options],
    ) -> None:
        check_kept("a0", a0)
        self._a0 = a0
        super().__init__(inputs, units, width=width, **options)

    def open_gate(self, generator: torch.Generator) -> None:
        rate = -torch.tensor(self._a0, dtype=torch.float64).log()
        self._fix("a", rate.expm1().log())

    def sections(self) -> tuple[Section, ...]:
        key, one = (self.width,), (1,)
        return (
            Section("q", key, bias=False),
            Section("k", key, bias=False),
            Section("v", (self.units,), bias=False),
            Section("beta", one),
            Section("a", one),
            Section("A_log", one, weight=False),
        )

    def gates(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha and beta."""
        *_, beta, a, a_log = self.parts(projected)
        rate = torch.exp(a_log) * functional.softplus(a)
        return torch.exp(-rate), torch.sigmoid(beta)

    def prepared(self, projected: Tensor) -> tuple[Tensor, ...]:
        """Return alpha, k, ``beta k`` and v, as they meet rows of memory."""
        _, k, v, *_ = self.parts(projected)
        k, _ = unit_length(k)
        alpha, beta = self.gates(projected)
        return alpha[..., None], k[..., None, :], (beta * k)[..., None, :], v[..., None]

    def memory(self, state: Tensor) -> Tensor:
        return self.rows(state[..., self.carried])

    def advanced(self, memory: Tensor, *prepared: Tensor) -> Tensor:
        alpha, k, written, v = prepared
        kept = alpha * memory
        return kept + (v - (kept * k).sum(dim=-1, keepdim=True)) * written

    def shown(self, memory: Tensor, projected: Tensor) -> Tensor:
        q, _ = unit_length(self.parts(projected)[0])
        y = times(memory, q) / self.width**0.5
        return torch.cat((y, memory.flatten(-2)), dim=-1)

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return leak alpha, correction ``-alpha beta k_j^2`` and exit ``q_j``."""
        projected = self.input_projection(x)
        q, k, *_ = self.parts(projected)
        (q, _), (k, _) = unit_length(q), unit_length(k)
        alpha, beta = self.gates(projected)
        correction = (-alpha * beta * k**2).repeat(1, 1, self.units)
        exit_ = (q / self.width**0.5).repeat(1, 1, self.units)
        return Steps(alpha.expand_as(correction), correction, exit_)

    def pulled(
        self, adjoint: Tensor, before: Tensor, projected: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return ``alpha (G - beta G k k')`` on S and nothing on y.

        With ``G = l_S + l_y q'``, ``h = G k`` and ``r = v - alpha S k``: ``p_v = beta
        h``, of beta ``r.h``, of alpha ``<G, S> - beta h.S k``, of the key ``beta (G' r
        - alpha S' h)``, of the query ``S'' l_y``, each through its own map.
        """
        raw_q, raw_k, v, _, a, a_log = self.parts(projected)
        (q, by_q), (k, by_k) = unit_length(raw_q), unit_length(raw_k)
        alpha, beta = self.gates(projected)
        s = self.rows(before[..., self.carried])
        root = self.width**0.5
        on_y = adjoint[..., : self.units]
        g = self.rows(adjoint[..., self.carried]) + outer(on_y, q / root)
        h, found = times(g, k), times(s, k)
        rest = v - alpha * found
        back = alpha[..., None] * (g - outer(beta * h, k))
        after = alpha[..., None] * s + outer(beta * rest, k)
        on_q = times_from_left(on_y, after) / root
        on_k = beta * (times_from_left(rest, g) - alpha * times_from_left(h, s))
        on_beta = (rest * h).sum(dim=-1, keepdim=True)
        on_alpha = (g * s).sum((-2, -1))[..., None]
        on_alpha = on_alpha - beta * (h * found).sum(dim=-1, keepdim=True)
        on_rate = -alpha * on_alpha
        size = torch.exp(a_log)
        p = (
            by_q * (on_q - q * (q * on_q).sum(dim=-1, keepdim=True)),
            by_k * (on_k - k * (k * on_k).sum(dim=-1, keepdim=True)),
            beta * h,
            on_beta * beta * (1 - beta),
            on_rate * size * torch.sigmoid(a),
            on_rate * size * functional.softplus(a),
        )
        state = torch.cat((torch.zeros_like(on_y), back.flatten(-2)), dim=-1)
        return state, torch.cat(p, dim=-1)
