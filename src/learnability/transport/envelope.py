"""The envelope f(l): how much of a perturbation arrives on average after l steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..cells import Cell
from ..grid import checked_lags
from .clusters import RatioSums
from .orders import sampled_exact
from .sampling import SampledWindows

ByLag = Float[np.ndarray, "lag"]
ByUnit = Float[np.ndarray, "lag unit"]
Counts = Int[np.ndarray, "lag"]

PART_BYTES = 2**25  # of the matrices that windows are carried with at once


@final
@dataclass(frozen=True)
class Envelope:
    """Envelopes over lags; levels depend on the base rates, ratios to f(0) do not.

    Attributes:
        lags: lags in steps; (lag,).
        mean: ``f(l) = mean_{n,t} sum_q |mu[q]|``; (lag,).
        error: standard error of ``mean`` over clusters of sequences; (lag,).
        log_error: that of ``log f(l)/f(0)``; (lag,).
        typical: ``exp mean_{n,t} log sum_q |mu[q]|``; (lag,).
        unit_mean: ``mean_{n,t} |mu[q]|``; (lag, unit).
        unit_typical: ``exp mean_{n,t} log |mu[q]|``; (lag, unit).
        windows: how many (n, t) there are; (lag,).
        clusters: how many clusters of sequences they lie in; (lag,).
        origin: f(0), by which ``normalised`` divides.
        tiny: the smallest normal number of what it was computed in.
    """

    lags: Counts
    mean: ByLag
    error: ByLag
    log_error: ByLag
    typical: ByLag
    unit_mean: ByUnit
    unit_typical: ByUnit
    windows: Counts
    clusters: Counts
    origin: float
    tiny: float

    @property
    def normalised(self) -> ByLag:
        """Return ``f(l)/f(0)``."""
        # What lets nothing through, even at once, has no share of it at any lag.
        return self.mean / (self.origin if self.origin > 0 else np.nan)

    @property
    def below(self) -> Bool[np.ndarray, "lag"]:
        """Return where f is less than its dtype can tell: it may have underflowed."""
        return self.mean < self.unit_mean.shape[1] * self.tiny


def time_scales(
    lags: Int[np.ndarray, "lag"],
    unit_mean: ByUnit,
    *,
    tiny: float = float(np.finfo(float).tiny),
) -> Float[np.ndarray, "unit"]:
    """Return ``tau_q = -1/slope`` of ``log mean|mu[q]|`` against the lag.

    The slope is the least-squares line over the lags at which the unit's envelope is
    a normal number. A unit that does not decay has ``tau = inf``; one that is
    gone within the first two lags of the grid has no slope and gets nan.

    Args:
        lags: lags in steps.
        unit_mean: ``mean |mu[q]|`` of each lag and unit, or a typical ``|mu[q]|``.
        tiny: the smallest normal number of what it was computed in.

    Returns:
        Time scales in steps.

    Example:
        >>> import numpy as np
        >>> lags = np.arange(1, 9)
        >>> np.round(time_scales(lags, np.exp(-lags / 5.0)[:, None]), 6)
        array([5.])

    Source: Livi 2025, time scales of units (arXiv 2512.05790).
    """
    alive = unit_mean > tiny
    weight = alive.astype(float)
    count = weight.sum(axis=0)
    logs = np.log(np.where(alive, unit_mean, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        lag = lags[:, None] - (weight * lags[:, None]).sum(axis=0) / count
        slope = (weight * lag * logs).sum(axis=0) / (weight * lag**2).sum(axis=0)
        tau = np.where(slope < 0, -1 / slope, np.inf)
    return np.where(count < 2, np.nan, tau)


def logs(size: Tensor, tiny: float) -> Tensor:
    """Return logarithms; what is not a normal number counts as 0."""
    return torch.where(size < tiny, 0.0, size).log()


@final
@dataclass(frozen=True)
class Totals:
    """Sums over windows, row 0 of lag 0.

    Attributes:
        number: of windows; (lag,).
        logs: sum of ``log sum_q |mu[q]|``; (lag,).
        sizes: sum of ``|mu[q]|``; (lag, unit).
        unit_logs: sum of ``log |mu[q]|``; (lag, unit).
    """

    number: ByLag
    logs: ByLag
    sizes: ByUnit
    unit_logs: ByUnit

    @classmethod
    def none(cls, lags: int, units: int) -> "Totals":
        """Return sums over no windows."""
        by_lag, by_unit = (lags,), (lags, units)
        return cls(*(np.zeros(shape) for shape in (by_lag, by_lag, by_unit, by_unit)))

    def add(self, place: int, size: Float[Tensor, "*window unit"]) -> None:
        """Add the windows of one lag; what is not a normal number has no logarithm.

        Args:
            place: of the lag.
            size: ``|mu[q]|``.
        """
        tiny, flat = torch.finfo(size.dtype).tiny, size.double().flatten(0, -2)
        total = flat.sum(dim=-1)
        self.number[place] += len(flat)
        self.logs[place] += float(logs(total, tiny).sum())
        self.sizes[place] += flat.sum(dim=0).cpu().numpy()
        self.unit_logs[place] += logs(flat, tiny).sum(dim=0).cpu().numpy()

    def __add__(self, other: "Totals") -> "Totals":
        """Return the sums over the windows of both."""
        return Totals(
            self.number + other.number,
            self.logs + other.logs,
            self.sizes + other.sizes,
            self.unit_logs + other.unit_logs,
        )

    def envelope(
        self, lags: list[int], ratio: RatioSums, order: int, dtype: torch.dtype
    ) -> Envelope:
        """Return the envelope, nan at a lag without a window.

        Args:
            lags: lags in steps, from 1.
            ratio: the sums by cluster.
            order: place of the order in them.
            dtype: in which the gains were computed.
        """
        number = np.where(self.number > 0, self.number, np.nan)
        unit_mean = self.sizes / number[:, None]
        mean = unit_mean.sum(axis=-1)
        return Envelope(
            lags=np.array(lags),
            mean=mean[1:],
            error=ratio.error(order)[1:],
            log_error=ratio.log_error(order)[1:],
            typical=np.exp(self.logs / number)[1:],
            unit_mean=unit_mean[1:],
            unit_typical=np.exp(self.unit_logs / number[:, None])[1:],
            windows=self.number[1:].astype(int),
            clusters=ratio.clusters[1:],
            origin=float(mean[0]),
            tiny=float(torch.finfo(dtype).tiny),
        )


@final
@dataclass(frozen=True)
class EnvelopeSums:
    """All that envelopes of several kinds are made of; those of other sequences add up.

    Attributes:
        totals: of each kind.
        ratio: the sums by cluster.
        dtype: in which the gains were computed.
        longest: steps of the longest sequence.
    """

    totals: list[Totals]
    ratio: RatioSums
    dtype: torch.dtype
    longest: int

    def __add__(self, other: "EnvelopeSums") -> "EnvelopeSums":
        """Return the sums over the sequences of both."""
        both = zip(self.totals, other.totals, strict=True)
        return EnvelopeSums(
            [one + two for one, two in both],
            self.ratio + other.ratio,
            self.dtype,
            max(self.longest, other.longest),
        )

    def envelopes(self, lags: list[int]) -> list[Envelope]:
        """Return the envelope of each kind.

        Args:
            lags: lags in steps, from 1.

        Raises:
            ValueError: if no sequence is longer than the longest lag.
        """
        checked_lags(lags, self.longest)
        return [
            own.envelope(lags, self.ratio, kind, self.dtype)
            for kind, own in enumerate(self.totals)
        ]


@final
class ExactWindows:
    """The exact envelope over sampled windows, a batch of sequences at a time.

    A gain that underflows in the inputs' dtype counts as 0 in its logarithm, and makes
    its typical value 0.

    Args:
        cell: the recurrence.
        windows: the sample, of all sequences that will be added.
        kinds: of base rates, of each of which there is an envelope: gains are made once
            for all of them.
    """

    def __init__(self, cell: Cell, windows: SampledWindows, kinds: int = 1) -> None:
        self._cell, self._windows = cell, windows
        count = len(windows.lags)
        self._totals = [Totals.none(count, cell.carried_units) for _ in range(kinds)]
        self._ratio, self._rows = RatioSums(kinds, count), 0
        self._dtype: torch.dtype | None = None
        self._longest = 0

    def add(
        self,
        x: Float[Tensor, "sequence step input"],
        states: Float[Tensor, "sequence step state"],
        *,
        rates: Sequence[Float[Tensor, "sequence step unit"] | None] = (None,),
        clusters: Int[Tensor, "sequence"] | None = None,
    ) -> None:
        """Add the next sequences.

        Args:
            x: inputs.
            states: the states after each step.
            rates: base rates Lambda at every state of each kind, None for 1.
            clusters: number of the cluster of each sequence, not below those before it;
                a cluster each unless given.

        Raises:
            ValueError: if clusters are not in ascending order.
        """
        own = self._windows.of(self._rows, self._rows + len(x))
        sums = np.zeros((len(x), len(self._totals), len(own.lags)))
        number = np.zeros((len(x), len(own.lags)))
        row = max(self._cell.state_size, len(own.lags)) * self._cell.units
        row *= x.element_size()
        for part in own.parts(max(1, PART_BYTES // row)):
            self._carry(part, x, states, rates, sums, number)
        self._ratio.add(sums, number, clusters)
        self._rows, self._dtype = self._rows + len(x), x.dtype
        self._longest = max(self._longest, x.shape[1])

    def _carry(
        self,
        part: SampledWindows,
        x: Tensor,
        states: Tensor,
        rates: Sequence[Tensor | None],
        sums: Float[np.ndarray, "sequence kind lag"],
        number: Float[np.ndarray, "sequence lag"],
    ) -> None:
        """Add some windows to all sums."""
        sequence, step = (torch.from_numpy(v) for v in (part.sequence, part.step))
        pairs = torch.stack((sequence, step), dim=1).to(x.device)
        reach = torch.from_numpy(part.lags[part.last]).to(x.device)
        fit = part.lags[part.lags < x.shape[1]].tolist()  # others may be longer
        gains = sampled_exact(self._cell, x, states, fit, pairs, reach)
        for place, (lag, gain) in enumerate(gains):
            counts = torch.from_numpy(part.first[: len(gain)] <= place)
            rows, at = sequence[: len(gain)][counts], step[: len(gain)][counts] - lag
            mu = gain.detach()[counts]
            for kind, (own, totals) in enumerate(zip(rates, self._totals, strict=True)):
                size = (mu if own is None else mu * own[rows, at]).abs()
                totals.add(place, size)
                whole = size.double().sum(dim=-1).cpu().numpy()
                np.add.at(sums[:, kind, place], rows.numpy(), whole)
            np.add.at(number[:, place], rows.numpy(), 1)

    def sums(self) -> EnvelopeSums:
        """Return the sums over all windows so far, of all kinds.

        Raises:
            ValueError: if no sequence has been added.
        """
        if self._dtype is None:
            raise ValueError("no sequence has been added; there is nothing to average")
        return EnvelopeSums(self._totals, self._ratio, self._dtype, self._longest)

    def result(self, kind: int = 0) -> Envelope:
        """Return the envelope of all windows.

        Args:
            kind: of base rates.

        Raises:
            ValueError: if no sequence has been added.
        """
        return self.sums().envelopes(self._windows.lags[1:].tolist())[kind]
