"""Linear recurrent units: RG-LRU, with gates of the input, and LRU, without."""

import math
from typing import Unpack, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from .base import AnyState, Steps
from .closed import Options
from .inputs import Elementwise, Scan, Section, Slope

SHARPNESS = 8.0  # c of the RG-LRU
KEPT = (0.9, 0.999)  # what units keep at the start, from and to


def spread(
    low: float, high: float, units: int, generator: torch.Generator
) -> Float[Tensor, "unit"]:
    """Return numbers that are uniform between two ends."""
    return torch.empty(units).uniform_(low, high, generator=generator)


def check_kept(name: str, value: float | None) -> None:
    """Refuse a share of the past that no unit can keep."""
    if value is not None and not 0 < value < 1:
        raise ValueError(f"{name} is {value}; it must lie between 0 and 1")


@final
class RGLRU(Elementwise):
    """A real-gated linear recurrent unit, the recurrence of Griffin.

    ``r, i = sigmoid(W x + b)`` each with its own matrix, ``a = exp(-8 r softplus(d))``,
    ``h' = a h + sqrt(1 - a^2) i (W_u x + b_u)``, d the parameter ``decay``.

    Args:
        inputs: their number, D.
        units: their number, H.
        a0: what every unit keeps at the start, with ``init="published"``; uniform
            between 0.9 and 0.999 unless given. The gate r starts at 1/2.
        options: ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if a0 is not between 0 and 1, a size is below 1, or LayerNorm is
            asked for.

    Example:
        >>> RGLRU(3, 4).decay.shape
        torch.Size([4])

    Source: De et al. 2024, section 2.4 (arXiv 2402.19427).
    """

    decay: Tensor

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        a0: float | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_kept("a0", a0)
        self._a0 = a0
        super().__init__(inputs, units, **options)

    def open_gate(self, generator: torch.Generator) -> None:
        self._fix("r", 0.0)
        kept = spread(*KEPT, self.units, generator)
        self.keep(kept if self._a0 is None else torch.full_like(kept, self._a0))

    def keep(self, kept: Float[Tensor, "unit"]) -> None:
        """Let units keep these shares of their past where their gate r is 1/2."""
        size = -kept.double().log() * 2 / SHARPNESS
        self.decay.copy_(size.expm1().log())

    def sections(self) -> tuple[Section, ...]:
        gates = (Section(name, (self.units,)) for name in "uri")
        return (*gates, Section("decay", (self.units,), weight=False))

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        u, r, i, decay = self.parts(projected)
        log_a = -SHARPNESS * torch.sigmoid(r) * functional.softplus(decay)
        room = torch.sqrt(-torch.expm1(2 * log_a))
        return torch.exp(log_a), room * torch.sigmoid(i) * u

    def slopes(self, projected: Tensor) -> tuple[Slope, ...]:
        """Return them with ``da = a dL`` and ``d sqrt(1 - a^2) = -a^2/sqrt(..) dL``.

        L is ``log a``; ``dL/dr = L (1 - r)`` and ``dL/dd = -8 r sigmoid(d)``.
        """
        u, r, i, decay = self.parts(projected)
        r, i = torch.sigmoid(r), torch.sigmoid(i)
        log_a = -SHARPNESS * r * functional.softplus(decay)
        a, room = torch.exp(log_a), torch.sqrt(-torch.expm1(2 * log_a))
        by_log_a = -(a**2) / room * i * u
        by_r, by_decay = log_a * (1 - r), -SHARPNESS * r * torch.sigmoid(decay)
        return (
            (0.0, room * i),
            (a * by_r, by_log_a * by_r),
            (0.0, room * i * (1 - i) * u),
            (a * by_decay, by_log_a * by_decay),
        )


@final
class LRU(Scan):
    """A linear recurrent unit: pairs of units that turn and shrink at fixed rates.

    ``s' = lambda s + exp(gamma_log) W_u x`` of H/2 complex numbers s, ``lambda =
    exp(-exp(nu_log) + i exp(theta_log))``. The state is the real parts and then the
    imaginary ones, and so is the product ``W_u x``: a linear read-out of it is
    ``Re(C s)``. What a unit keeps of itself is the size that its pair keeps,
    ``|lambda|``: a nudge of either part is a nudge of that size of both.

    Args:
        inputs: their number, D.
        units: their number, H, two for each complex number.
        r0: ``|lambda|`` of all at the start, with ``init="published"``; uniform on the
            ring between 0.9 and 0.999 unless given.
        phase: the largest angle of lambda at the start, in radians.
        options: ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if r0 is not between 0 and 1, the phase not above 0, the units odd,
            a size below 1, or LayerNorm is asked for.

    Example:
        >>> LRU(3, 4).nu_log.shape
        torch.Size([2])

    Source: Orvieto et al. 2023, section 3 (arXiv 2303.06349).
    """

    W_u: Tensor
    nu_log: Tensor
    theta_log: Tensor
    gamma_log: Tensor

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        r0: float | None = None,
        phase: float = math.tau,
        **options: Unpack[Options],
    ) -> None:
        check_kept("r0", r0)
        if units % 2:
            raise ValueError(
                f"units is {units}; an LRU needs two for each complex number, an even "
                "number"
            )
        if not phase > 0:
            raise ValueError(f"the phase is {phase}; it must be above 0")
        self._r0, self._phase = r0, phase
        super().__init__(inputs, units, **options)

    def open_gate(self, generator: torch.Generator) -> None:
        low, high = (kept**2 for kept in KEPT)
        kept = spread(low, high, self.units // 2, generator).sqrt()
        angle = spread(0.0, 1.0, self.units // 2, generator)
        self.theta_log.copy_((self._phase * angle).clamp(min=1e-6).log())
        self.keep(kept if self._r0 is None else torch.full_like(kept, self._r0))

    def keep(self, kept: Float[Tensor, "pair"]) -> None:
        """Let pairs keep these sizes, and scale their inputs by ``sqrt(1 - r^2)``."""
        kept = kept.double()
        self.nu_log.copy_((-kept.log()).log())
        self.gamma_log.copy_((1 - kept**2).log() / 2)

    def sections(self) -> tuple[Section, ...]:
        pairs = (self.units // 2,)
        names = ("nu_log", "theta_log", "gamma_log")
        rates = (Section(name, pairs, weight=False) for name in names)
        return (Section("u", (self.units,), bias=False), *rates)

    @property
    def shown_in(self) -> Int[Tensor, "carried place"]:
        first = torch.arange(self.units // 2).repeat(2)
        return torch.stack((first, first + self.units // 2), dim=-1)

    def memory(self, state: AnyState) -> Tensor:
        return torch.complex(*state.chunk(2, dim=-1))

    def shown(self, memory: Tensor, projected: Tensor) -> Tensor:
        return torch.cat((memory.real, memory.imag), dim=-1)

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        u, nu, theta, gamma = self.parts(projected)
        size, angle = torch.exp(-torch.exp(nu)), torch.exp(theta)
        turned = torch.complex(size * torch.cos(angle), size * torch.sin(angle))
        return turned, torch.exp(gamma) * self.memory(u)

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return the leak ``|lambda|`` of both parts; there is no correction."""
        size = torch.exp(-torch.exp(self.nu_log)).repeat(2)
        leak = size.expand(*x.shape[:-1], -1)
        return Steps(leak=leak, correction=torch.zeros_like(leak))

    def pulled(
        self, adjoint: Tensor, before: Tensor, projected: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return ``conj(lambda) l``, l the adjoint as complex numbers, and p.

        ``p_u = gamma l``; of a rate with ``ds' = d`` it is ``Re(conj(d) l)``.
        """
        _, nu, theta, _ = self.parts(projected)
        own, (a, b) = self.memory(adjoint), self.coefficients(projected)
        kept = a * self.memory(before)
        gamma = torch.exp(self.parts(projected)[3])
        moved = (-torch.exp(nu) * kept, 1j * torch.exp(theta) * kept, b)
        rates = [(d.conj() * own).real for d in moved]
        p = torch.cat((self.shown(gamma * own, projected), *rates), dim=-1)
        return self.shown(a.conj() * own, projected), p
