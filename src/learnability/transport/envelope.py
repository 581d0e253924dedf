"""The envelope f(l): how much of a perturbation arrives on average after l steps."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..cells import Cell
from ..grid import checked_lags
from .orders import Order, sampled_exact, transport


@final
@dataclass(frozen=True)
class Envelope:
    """Envelopes over lags; levels depend on the base rates, ratios to f(0) do not.

    Attributes:
        lags: lags in steps; (lag,).
        mean: ``f(l) = mean_{n,t} sum_q |mu[q]|``; (lag,).
        error: standard error of ``mean`` over sequences (or sampled windows); (lag,).
        typical: ``exp mean_{n,t} log sum_q |mu[q]|``; (lag,).
        unit_mean: ``mean_{n,t} |mu[q]|``; (lag, unit).
        unit_typical: ``exp mean_{n,t} log |mu[q]|``; (lag, unit).
        origin: f(0), by which ``normalised`` divides.
    """

    lags: Int[np.ndarray, "lag"]
    mean: Float[np.ndarray, "lag"]
    error: Float[np.ndarray, "lag"]
    typical: Float[np.ndarray, "lag"]
    unit_mean: Float[np.ndarray, "lag unit"]
    unit_typical: Float[np.ndarray, "lag unit"]
    origin: float

    @property
    def normalised(self) -> Float[np.ndarray, "lag"]:
        """Give ``f(l)/f(0)``."""
        return self.mean / self.origin


def time_scales(
    lags: Int[np.ndarray, "lag"], unit_mean: Float[np.ndarray, "lag unit"]
) -> Float[np.ndarray, "unit"]:
    """Give ``tau_q = -1/slope`` of ``log mean|mu[q]|`` against the lag.

    The slope is the least-squares line over the lags at which the unit's envelope is
    a normal float64 number. A unit that does not decay has ``tau = inf``; one that is
    gone within the first two lags of the grid has no slope and gets nan.

    Args:
        lags: lags in steps.
        unit_mean: ``mean |mu[q]|`` of each lag and unit.

    Returns:
        Time scales in steps.

    Example:
        >>> import numpy as np
        >>> lags = np.arange(1, 9)
        >>> np.round(time_scales(lags, np.exp(-lags / 5.0)[:, None]), 6)
        array([5.])

    Source: Livi 2025, time scales of units (arXiv 2512.05790).
    """
    alive = unit_mean > np.finfo(float).tiny
    weight = alive.astype(float)
    count = weight.sum(axis=0)
    logs = np.log(np.where(alive, unit_mean, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        lag = lags[:, None] - (weight * lags[:, None]).sum(axis=0) / count
        slope = (weight * lag * logs).sum(axis=0) / (weight * lag**2).sum(axis=0)
        tau = np.where(slope < 0, -1 / slope, np.inf)
    return np.where(count < 2, np.nan, tau)


def envelope(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    lags: Iterable[int],
    *,
    order: Order,
    rates: Float[Tensor, "sequence step unit"] | None = None,
) -> Envelope:
    """Return the envelope over all windows of some sequences, in plain PyTorch.

    ``mu_{t,l}[q] = Lambda[q] Gamma_{t,l}[q]``, Lambda at the source state t - l.
    `Windows` has all orders but ``exact`` in one compiled pass.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step.
        lags: lags in steps, at least 1.
        order: the transport; ``exact`` costs T Jacobian products a lag, see
            `sampled_envelope`.
        rates: base rates Lambda at every state; 1 unless given.

    Raises:
        ValueError: if a lag does not fit.

    Example:
        >>> import torch
        >>> from learnability.cells import ConstGate
        >>> from learnability.unroll import unroll
        >>> cell, x = ConstGate(3, 4, s=0.5), torch.zeros(2, 9, 3)
        >>> f = envelope(cell, x, unroll(cell, x), [1, 2], order="zero")
        >>> f.normalised
        array([0.5 , 0.25])

    Source: Livi 2025, definition of the envelope (arXiv 2512.05790).
    """
    chosen = checked_lags(lags, x.shape[1])
    gains = transport(cell, x, states, [0, *chosen], order=order)
    return _summarise(chosen, _weighted(gains, rates))


@final
class ExactWindows:
    """The exact envelope over sampled windows, a batch of sequences at a time.

    Args:
        cell: the recurrence.
        lags: lags in steps, at least 1.
        count: of windows.
    """

    def __init__(self, cell: Cell, lags: list[int], count: int) -> None:
        self._cell, self._lags = cell, lags
        self._totals = np.zeros((len(lags) + 1, count))
        self._sizes = np.zeros((len(lags) + 1, cell.units))
        self._logs = np.zeros(self._sizes.shape)

    def add(
        self,
        x: Float[Tensor, "sequence step input"],
        states: Float[Tensor, "sequence step state"],
        pairs: Int[Tensor, "pair 2"],
        place: Bool[Tensor, "window"],
        *,
        rates: Float[Tensor, "sequence step unit"] | None = None,
    ) -> None:
        """Add windows of some sequences.

        Args:
            x: inputs.
            states: the states after each step.
            pairs: (sequence, last step) of each window.
            place: of the windows among all.
            rates: base rates Lambda at every state; 1 unless given.
        """
        if not len(pairs):
            return
        sequence, step = pairs.unbind(dim=1)
        with torch.no_grad():
            gains = sampled_exact(self._cell, x, states, [0, *self._lags], pairs)
            for row, (lag, gain) in enumerate(gains):
                if rates is not None:
                    gain = gain * rates[sequence, step - lag]
                size = gain.abs().double()
                self._totals[row, place.cpu().numpy()] = size.sum(dim=-1).cpu().numpy()
                self._sizes[row] += size.sum(dim=0).cpu().numpy()
                self._logs[row] += size.log().sum(dim=0).cpu().numpy()

    def result(self) -> Envelope:
        """Return the envelope of all windows."""
        count = self._totals.shape[1]
        mean = self._totals.mean(axis=1)
        with np.errstate(divide="ignore"):
            typical = np.exp(np.log(self._totals).mean(axis=1))
        error = self._totals.std(axis=1, ddof=1) / count**0.5
        return Envelope(
            lags=np.array(self._lags),
            mean=mean[1:],
            error=error[1:],
            typical=typical[1:],
            unit_mean=self._sizes[1:] / count,
            unit_typical=np.exp(self._logs[1:] / count),
            origin=float(mean[0]),
        )


def sampled_envelope(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    lags: Iterable[int],
    *,
    windows: int,
    seed: int | np.random.SeedSequence | np.random.Generator,
) -> Envelope:
    """Return the exact envelope on a random sample of windows.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step.
        lags: lags in steps, at least 1.
        windows: how many pairs (sequence, last step) to sample, with replacement.
        seed: NumPy-style seed of the sample.

    Raises:
        ValueError: if a lag does not fit or fewer than 2 windows are asked for.
    """
    chosen = checked_lags(lags, x.shape[1])
    lengths = torch.full((len(x),), x.shape[1])
    pairs = sampled_windows(lengths, chosen[-1], windows=windows, seed=seed)
    found = ExactWindows(cell, chosen, windows)
    found.add(x, states, pairs.to(x.device), torch.ones(windows, dtype=torch.bool))
    return found.result()


def sampled_windows(
    lengths: Int[Tensor, "sequence"],
    longest: int,
    *,
    windows: int,
    seed: int | np.random.SeedSequence | np.random.Generator,
) -> Int[Tensor, "pair 2"]:
    """Draw windows that the longest lag fits into: pairs (sequence, last step).

    Args:
        lengths: steps of each sequence.
        longest: the longest lag in steps.
        windows: how many, with replacement.
        seed: NumPy-style seed of the sample.

    Raises:
        ValueError: if no window fits or fewer than 2 are asked for.
    """
    if windows < 2:
        raise ValueError(f"{windows} windows give no standard error; sample at least 2")
    random, steps = np.random.default_rng(seed), int(lengths.max())
    if steps <= longest:
        raise ValueError(
            f"no sequence has a window of lag {longest}; give shorter lags"
        )
    if int(lengths.min()) == steps:
        sequence = random.integers(len(lengths), size=windows)
        last = random.integers(longest, steps, size=windows)
        return torch.from_numpy(np.stack([sequence, last], axis=1))
    ends = torch.arange(steps) < lengths[:, None]
    ends[:, :longest] = False
    every = ends.nonzero().numpy()
    return torch.from_numpy(every[random.integers(len(every), size=windows)])


def _weighted(
    windows: Iterator[tuple[int, Tensor]], rates: Tensor | None
) -> Iterator[tuple[int, Tensor]]:
    for lag, gain in windows:
        yield lag, gain if rates is None else gain * rates[:, : gain.shape[1]]


def _summarise(lags: list[int], weighted: Iterator[tuple[int, Tensor]]) -> Envelope:
    rows = [_averages(mu.detach().abs().double()) for _, mu in weighted]
    mean, error, typical, unit_mean, unit_typical = (
        np.stack(column) for column in zip(*rows, strict=True)
    )
    return Envelope(
        lags=np.array(lags),
        mean=mean[1:],
        error=error[1:],
        typical=typical[1:],
        unit_mean=unit_mean[1:],
        unit_typical=unit_typical[1:],
        origin=float(mean[0]),
    )


def _averages(size: Float[Tensor, "sequence window unit"]) -> tuple[np.ndarray, ...]:
    """Reduce one lag; a gain of exactly 0 makes a typical value of 0."""
    total = size.sum(dim=-1)
    by_sequence = total.mean(dim=1)
    if len(by_sequence) > 1:
        error = by_sequence.std() / len(by_sequence) ** 0.5
    else:
        error = torch.full((), torch.nan, dtype=size.dtype)
    reduced = (
        total.mean(),
        error,
        total.log().mean().exp(),
        size.mean(dim=(0, 1)),
        size.log().mean(dim=(0, 1)).exp(),
    )
    return tuple(value.cpu().numpy() for value in reduced)
