"""Envelopes of many units with different time scales: a distribution a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, digamma, hyperu

from ..stable.checks import Reals, positive
from .families import Envelope, real

LONG = 1e5
"""From this lag on the difference of two digammas is its leading term to 1e-10."""


def _scaled_integral(z: Reals, order: int) -> Reals:
    """Return exp(z) E_n(z) of the exponential integral, n = 1 or 2, for z > 0."""
    return hyperu(1.0, 2.0 - order, z)


@final
@dataclass(frozen=True)
class GammaRates(Envelope):
    """f(l) = c (1+l/rho)^-k, exact for gamma-distributed rates 1/tau.

    H_N = rho ((c/eps_N)^(1/k) - 1), growing as N^(1/(kappa k)).

    Args:
        k: shape.
        rho: rate of the gamma law in steps.
        c: value at lag 0.

    Example:
        >>> round(float(GammaRates(k=2.0, rho=10.0).inverse(0.25)), 9)
        10.0

    Source: Laplace transform of the gamma law.
    """

    k: float
    rho: float
    c: float = 1.0

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log c - k log(1+l/rho)."""
        return np.log(self.c) - self.k * np.log1p(real(lags) / self.rho)

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return -k/(rho+l)."""
        return (-self.k / (self.rho + real(lags)))[()]

    def _inverse(self, level: NDArray[np.float64]) -> Reals:
        return self.rho * np.expm1(np.log(self.c / level) / self.k)


@final
@dataclass(frozen=True)
class LogUniform(Envelope):
    """f(l) = c [E1(l/t2) - E1(l/t1)] / log(t2/t1): log tau uniform in [log t1, log t2].

    Slow between t1 and t2, then slope t2/kappa in log N.

    Args:
        t1: shortest time scale in steps.
        t2: longest time scale in steps.
        c: value at lag 0.

    Example:
        >>> f = LogUniform(t1=1.0, t2=1000.0)
        >>> bool(abs(f.value(f.inverse(0.3)) - 0.3) < 1e-12)
        True

    Source: Abramowitz and Stegun 1964, 5.1.1.
    """

    t1: float
    t2: float
    c: float = 1.0

    def __post_init__(self) -> None:
        """Check that the time scales are positive and in order."""
        Envelope.__post_init__(self)
        if self.t1 >= self.t2:
            raise ValueError(
                f"t1 = {self.t1:g} must be below t2 = {self.t2:g}: "
                "for one time scale take Exponential"
            )

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log f, with the decay of the slowest mode taken out."""
        grid = real(lags)
        safe = np.where(grid > 0, grid, 1.0)
        slow = _scaled_integral(safe / self.t2, 1)
        fast = _scaled_integral(safe / self.t1, 1)
        lag_gap = safe * (1 / self.t1 - 1 / self.t2)
        mean = (slow - np.exp(-lag_gap) * fast) / np.log(self.t2 / self.t1)
        scaled = np.where(grid > 0, np.log(mean) - grid / self.t2, 0.0)
        return (np.log(self.c) + scaled)[()]

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return -(e^(-l/t2) - e^(-l/t1)) / (l log(t2/t1) f/c)."""
        grid = real(lags)
        scaled = np.exp(
            np.asarray(self.log_value(grid)) - np.log(self.c) + grid / self.t2
        )
        gap = -np.expm1(-grid * (1 / self.t1 - 1 / self.t2))
        return (-gap / (grid * np.log(self.t2 / self.t1) * scaled))[()]


@final
@dataclass(frozen=True)
class TwoExponentials(Envelope):
    """f(l) = c ((1-w) e^(-l/ta) + w e^(-l/tb)): the slow mode wins.

    max_i tau_i log(c w_i/eps_N) <= H_N <= max_i tau_i log(2 c w_i/eps_N)

    Args:
        w: weight of tb, inside (0, 1).
        ta: time scale in steps.
        tb: the other one.
        c: value at lag 0.

    Example:
        >>> one = TwoExponentials(w=0.5, ta=50.0, tb=50.0)
        >>> round(float(one.window(1e5, 1.5)), 3)
        136.093

    Source: sum of two exponential envelopes.
    """

    w: float
    ta: float
    tb: float
    c: float = 1.0

    def __post_init__(self) -> None:
        """Check that the weight lies inside (0, 1) and the rest is positive."""
        Envelope.__post_init__(self)
        if self.w >= 1:
            raise ValueError(
                f"w = {self.w:g} must lie inside (0, 1): for one mode take Exponential"
            )

    def _modes(self, lags: ArrayLike) -> tuple[Reals, Reals]:
        grid = real(lags)
        return np.log1p(-self.w) - grid / self.ta, np.log(self.w) - grid / self.tb

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log f by adding the modes in logarithms."""
        return np.log(self.c) + np.logaddexp(*self._modes(lags))

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return minus the mean rate under the weights that the modes have at l."""
        first, second = self._modes(lags)
        share = np.exp(second - np.logaddexp(first, second))
        return -(1 - share) / self.ta - share / self.tb


@final
@dataclass(frozen=True)
class BetaGates(Envelope):
    """f(l) = c B(a+l, b)/B(a, b): constant gates with 1-s ~ Beta(a, b).

    f ~ l^-b at long lags; Beta(1, b) gates give the power law of exponent b exactly in
    the sense that f(l) = Gamma(1+b) Gamma(1+l)/Gamma(1+b+l), 1/(1+l) at b = 1.

    Args:
        a: parameter of the law of the leak 1-s.
        b: its other parameter.
        c: value at lag 0.

    Example:
        >>> round(float(BetaGates(a=1.0, b=1.0).value(9)), 12)
        0.1

    Source: moments of the Beta law.
    """

    a: float
    b: float
    c: float = 1.0

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log c + log B(a+l, b) - log B(a, b)."""
        whole = betaln(self.a + real(lags), self.b) - betaln(self.a, self.b)
        return np.log(self.c) + whole

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return digamma(a+l) - digamma(a+b+l)."""
        from_a = self.a + real(lags)
        near = digamma(from_a) - digamma(from_a + self.b)
        return np.where(from_a > LONG, -self.b / (from_a + (self.b - 1) / 2), near)[()]


@final
@dataclass(frozen=True)
class GammaShapes(Envelope):
    """f(l) = c (1 - (1+l)^-u) / (u log(1+l)): mixture of (1+l)^-k, k uniform in (0, u).

    f ~ c/(u log l): a spectrum whose envelope decays logarithmically.

    Args:
        u: largest exponent.
        c: value at lag 0.

    Example:
        >>> round(float(GammaShapes(u=1.0).value(0.0)), 9)
        1.0

    Source: uniform average of power laws.
    """

    u: float
    c: float = 1.0

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log f with y = u log(1+l): log c + log((1 - e^-y)/y)."""
        y = self.u * np.log1p(real(lags))
        safe = np.where(y > 0, y, 1.0)
        mean = np.where(y > 0, np.log(-np.expm1(-safe) / safe), 0.0)
        return (np.log(self.c) + mean)[()]

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return (u/(1+l)) (1/(e^y - 1) - 1/y)."""
        grid = real(lags)
        y = self.u * np.log1p(grid)
        decay = np.exp(-y) / -np.expm1(-y)
        return (self.u / (1 + grid) * (decay - 1 / y))[()]


@final
@dataclass(frozen=True)
class UniformTimeScales(Envelope):
    """f(l) = c [T E2(l/T) - E2(l)]/(T-1): tau uniform in [1, T].

    Nearly flat up to l ~ T, then slope T/kappa in log N.

    Args:
        longest: T > 1, in steps.
        c: value at lag 0.

    Example:
        >>> f = UniformTimeScales(longest=100.0)
        >>> bool(0.3 < f.value(50.0) < 0.5)
        True

    Source: time scales of chrono initialisation, Tallec and Ollivier 2018, ICLR.
    """

    longest: float
    c: float = 1.0

    def __post_init__(self) -> None:
        """Check that the longest time scale exceeds one step."""
        Envelope.__post_init__(self)
        if self.longest <= 1:
            raise ValueError(f"longest = {self.longest:g} steps must be above 1 step")

    def _scaled(self, lags: ArrayLike, order: int) -> Reals:
        """Return exp(l/T) [T^(n-1) E_n(l/T) - E_n(l)]/(T-1) at l > 0."""
        grid = real(lags)
        long = self.longest ** (order - 1) * _scaled_integral(
            grid / self.longest, order
        )
        short = np.exp(-grid * (1 - 1 / self.longest)) * _scaled_integral(grid, order)
        return (long - short) / (self.longest - 1)

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log f, with the decay of the slowest mode taken out."""
        grid = real(lags)
        safe = np.where(grid > 0, grid, 1.0)
        mean = np.log(self._scaled(safe, 2)) - safe / self.longest
        return (np.log(self.c) + np.where(grid > 0, mean, 0.0))[()]

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return -[E1(l/T) - E1(l)] / [T E2(l/T) - E2(l)]."""
        return -self._scaled(lags, 1) / self._scaled(lags, 2)


def envelope_of_units(time_scales: ArrayLike, lags: ArrayLike) -> Reals:
    """Return the envelope of a finite number of units.

    f(l) = (1/H) sum_q exp(-l/tau_q)

    Args:
        time_scales: tau_q > 0, in steps (unit).
        lags: l >= 0, any shape.

    Returns:
        f, 1 at lag 0.

    Raises:
        ValueError: a time scale that is not positive and finite.

    Example:
        >>> float(envelope_of_units([50.0, 50.0], 0.0))
        1.0

    Source: Livi 2025, arXiv 2512.05790, envelope of order zero.
    """
    tau = positive("time_scales", time_scales)
    return np.exp(-np.asarray(lags, np.float64)[..., None] / tau).mean(-1)[()]
