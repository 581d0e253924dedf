"""Minimal gated cells, whose gates and candidate see the input alone."""

from typing import Literal, Unpack, final, get_args

import torch
from torch import Tensor
from torch.nn import functional

from .closed import Options
from .inputs import Elementwise, Section, Slope

Candidate = Literal["linear", "positive"]


class Minimal(Elementwise):
    """A minimal gated cell, whose candidate may be made positive."""

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        gate: tuple[str, float],
        candidate: Candidate,
        **options: Unpack[Options],
    ) -> None:
        if candidate not in get_args(Candidate):
            raise ValueError(
                f"the candidate is {candidate!r}; it must be 'linear' or 'positive'"
            )
        self.candidate: Candidate = candidate
        super().__init__(inputs, units, gate=gate, **options)

    def made(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return the candidate of its pre-activation, and its derivative."""
        if self.candidate == "linear":
            return g, torch.ones_like(g)
        low = torch.sigmoid(g)
        above = g >= 0
        slope = torch.where(above, 1.0, low * (1 - low))
        return torch.where(above, g + 0.5, low), slope


@final
class MinGRU(Minimal):
    """A minimal GRU: its update gate and its candidate see the input alone.

    ``z = sigmoid(W_z x + b_z)``, ``g = W_g x + b_g``, ``h' = (1 - z) h + z g``. A
    positive candidate is ``g + 1/2`` above 0 and ``sigmoid(g)`` below, as where it is
    trained by a scan of logarithms.

    Args:
        inputs: their number, D.
        units: their number, H.
        z0: the update gate's value at the start, with ``init="published"``.
        candidate: ``linear`` or ``positive``.
        options: ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if z0 is not between 0 and 1, the candidate is unknown, a size is
            below 1, or LayerNorm is asked for.

    Example:
        >>> MinGRU(3, 4).state_size
        4

    Source: Feng et al. 2024, section 3.1 (arXiv 2410.01201).
    """

    b_z: Tensor

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        z0: float = 0.05,
        candidate: Candidate = "linear",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(inputs, units, gate=("z", z0), candidate=candidate, **options)

    def sections(self) -> tuple[Section, ...]:
        return tuple(Section(name, (self.units,)) for name in "zg")

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        z, g = self.parts(projected)
        z = torch.sigmoid(z)
        return 1 - z, z * self.made(g)[0]

    def slopes(self, projected: Tensor) -> tuple[Slope, ...]:
        z, g = self.parts(projected)
        z, (g, slope) = torch.sigmoid(z), self.made(g)
        by_z = z * (1 - z)
        return (-by_z, by_z * g), (0.0, z * slope)


@final
class MinLSTM(Minimal):
    """A minimal LSTM: its gates and its candidate see the input alone.

    ``f, i = sigmoid(W x + b)`` each with its own matrix, ``a = f/(f + i)``,
    ``g = W_g x + b_g``, ``h' = a h + (1 - a) g``; a positive candidate as of `MinGRU`.

    Args:
        inputs: their number, D.
        units: their number, H.
        f0: the share a at the start, with ``init="published"``: f starts there, and i
            at ``1 - f0``.
        candidate: ``linear`` or ``positive``.
        options: ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if f0 is not between 0 and 1, the candidate is unknown, a size is
            below 1, or LayerNorm is asked for.

    Example:
        >>> MinLSTM(3, 4).W_i.shape
        torch.Size([4, 3])

    Source: Feng et al. 2024, section 3.2 (arXiv 2410.01201).
    """

    W_i: Tensor
    b_f: Tensor
    b_i: Tensor

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        f0: float = 0.95,
        candidate: Candidate = "linear",
        **options: Unpack[Options],
    ) -> None:
        super().__init__(inputs, units, gate=("f", f0), candidate=candidate, **options)

    def open_gate(self, generator: torch.Generator) -> None:
        super().open_gate(generator)
        self._fix("i", -self.b_f)

    def sections(self) -> tuple[Section, ...]:
        return tuple(Section(name, (self.units,)) for name in "fig")

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        f, i, g = self.parts(projected)
        a = torch.sigmoid(functional.logsigmoid(f) - functional.logsigmoid(i))
        return a, (1 - a) * self.made(g)[0]

    def slopes(self, projected: Tensor) -> tuple[Slope, ...]:
        f, i, g = self.parts(projected)
        (a, _), (g, slope) = self.coefficients(projected), self.made(g)
        by_f = a * (1 - a) * torch.sigmoid(-f)
        by_i = -a * (1 - a) * torch.sigmoid(-i)
        return (by_f, -by_f * g), (by_i, -by_i * g), (0.0, (1 - a) * slope)
