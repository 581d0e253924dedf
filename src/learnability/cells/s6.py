"""The selective state space of Mamba."""

import math
from typing import Unpack, final

import torch
from torch import Tensor
from torch.nn import functional

from .base import Steps
from .closed import Options
from .inputs import Matrix, Scan, Section, outer, times, times_from_left

STEP_SIZES = (1e-3, 1e-1)  # Delta at the start, from and to


@final
class S6(Matrix, Scan):
    """A selective state space: a row of decaying memory for every unit.

    ``u = W_u x + b_u``, ``Delta = softplus(W_delta x + b_delta)``, ``B = W_B x``,
    ``C = W_C x``, ``A = -exp(A_log)``; ``s'[q, n] = exp(Delta[q] A[q, n]) s[q, n] +
    Delta[q] u[q] B[n]``, ``y'[q] = sum_n C[n] s'[q, n] + D[q] u[q]``. The state is y
    and then s; gains lead from each s[q, n] to y[q].

    Args:
        inputs: their number, D.
        units: their number, H, which Mamba calls channels.
        width: numbers of memory for each unit, N.
        dt0: Delta of all units at the start, with ``init="published"``: s[q, n] keeps
            ``exp(-dt0 n)``, n from 1; log-uniform between 0.001 and 0.1 unless given.
        options: ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if dt0 is not above 0, a size is below 1, or LayerNorm is asked for.

    Example:
        >>> S6(3, 4, width=2).state_size
        12

    Source: Gu and Dao 2023, algorithm 2 (arXiv 2312.00752).
    """

    A_log: Tensor
    D: Tensor

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        width: int = 8,
        dt0: float | None = None,
        **options: Unpack[Options],
    ) -> None:
        if dt0 is not None and not 0 < dt0 < math.inf:
            raise ValueError(f"the step size dt0 is {dt0}; it must be above 0")
        self._dt0 = dt0
        super().__init__(inputs, units, width=width, **options)

    def open_gate(self, generator: torch.Generator) -> None:
        low, high = map(math.log, STEP_SIZES)
        size = torch.empty(self.units).uniform_(low, high, generator=generator).exp()
        size = size if self._dt0 is None else torch.full_like(size, self._dt0)
        self._fix("delta", size.double().expm1().log())
        self.A_log.copy_(torch.arange(1.0, self.width + 1).log())
        self.D.fill_(1.0)

    def sections(self) -> tuple[Section, ...]:
        own, row = (self.units,), (self.width,)
        return (
            Section("u", own),
            Section("delta", own),
            Section("B", row, bias=False),
            Section("C", row, bias=False),
            Section("A_log", (self.units, self.width), weight=False),
            Section("D", own, weight=False),
        )

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        u, delta, b, _, a_log, _ = self.parts(projected)
        size = functional.softplus(delta)
        decay = torch.exp(-size[..., None] * torch.exp(self.rows(a_log)))
        return decay.flatten(-2), outer(size * u, b).flatten(-2)

    def shown(self, memory: Tensor, projected: Tensor) -> Tensor:
        u, _, _, c, _, d = self.parts(projected)
        return torch.cat((times(self.rows(memory), c) + d * u, memory), dim=-1)

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return the leak ``exp(Delta A)``, no correction, and the exit C."""
        projected = self.input_projection(x)
        leak, _ = self.coefficients(projected)
        c = self.parts(projected)[3]
        return Steps(leak, torch.zeros_like(leak), c.repeat(1, 1, self.units))

    def pulled(
        self, adjoint: Tensor, before: Tensor, projected: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return ``exp(Delta A) m`` on s and nothing on y, ``m = l_s + l_y C'``.

        With ``g = m exp(Delta A) s``: ``p_u = D l_y + Delta m B``,
        ``p_delta = (g A + u m B) sigmoid(delta)``, ``p_B = m' (Delta u)``,
        ``p_C = s'' l_y``, ``p_A = g Delta A`` and ``p_D = u l_y``.
        """
        u, delta, b, c, a_log, d = self.parts(projected)
        kept, added = self.coefficients(projected)
        size, rate = functional.softplus(delta), -torch.exp(self.rows(a_log))
        after = self.rows(kept * self.memory(before) + added)
        on_y, on_s = adjoint[..., : self.units], self.rows(self.memory(adjoint))
        m = on_s + outer(on_y, c)
        back = m * self.rows(kept)
        by_rate = back * self.rows(self.memory(before))
        into = times(m, b)
        by_delta = (by_rate * rate).sum(dim=-1) + u * into
        p = (
            d * on_y + size * into,
            by_delta * torch.sigmoid(delta),
            times_from_left(size * u, m),
            times_from_left(on_y, after),
            (by_rate * rate * size[..., None]).flatten(-2),
            u * on_y,
        )
        state = torch.cat((torch.zeros_like(on_y), back.flatten(-2)), dim=-1)
        return state, torch.cat(p, dim=-1)
