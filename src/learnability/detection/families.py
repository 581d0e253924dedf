"""Envelopes in closed form, an equation a class, and what every family can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Unpack, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import elementwise
from scipy.special import wrightomega

from ..stable.checks import Reals, positive
from .samples import NoiseFloor, noise_level

LONGEST_LOG_LAG = 690.0
"""exp(690) is 1e299: a longer window is infinite in every practical sense."""


def real(lags: ArrayLike) -> NDArray[np.float64]:
    """Return lags as real numbers."""
    return np.asarray(lags, np.float64)


class Envelope(ABC):
    """A decreasing envelope f(l) of lags l >= 0, with amplitude c and more parameters.

    Families are frozen dataclasses; every parameter must be positive.
    """

    c: float

    def __post_init__(self) -> None:
        """Check that every parameter is positive and finite."""
        # An abstract class is no dataclass itself; every family is.
        for field in fields(self):  # pyright: ignore[reportArgumentType]
            positive(field.name, getattr(self, field.name))

    @abstractmethod
    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log f(l) at lags l >= 0."""

    @abstractmethod
    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return d log f / d l at lags l > 0."""

    def value(self, lags: ArrayLike) -> Reals:
        """Return f(l) at lags l >= 0."""
        return np.exp(self.log_value(lags))

    def inverse(self, level: ArrayLike) -> Reals:
        """Return sup{ l : f(l) >= level }, 0 where f never reaches the level.

        Args:
            level: positive levels, any shape.

        Returns:
            Lags, real numbers; inf beyond 1e299.

        Raises:
            ValueError: a level that is not positive.
        """
        levels = positive("level", level)
        reached = np.asarray(self.log_value(0.0)) > np.log(levels)
        inside = np.where(reached, levels, np.exp(self.log_value(0.0)))
        # A family may pass 1e300 on its way: that is infinity, not a failure.
        with np.errstate(over="ignore"):
            lags = self._inverse(np.asarray(inside, np.float64))
        return np.where(reached, lags, 0.0)[()]

    def _inverse(self, level: NDArray[np.float64]) -> Reals:
        """Return the root of f(l) = level by bracketing log(1 + l)."""
        target = np.log(level)
        root = elementwise.find_root(
            lambda s, goal: np.asarray(self.log_value(np.expm1(s))) - goal,
            (np.zeros_like(target), np.full_like(target, LONGEST_LOG_LAG)),
            args=(target,),
            tolerances={"xatol": 1e-14, "xrtol": 1e-14, "fatol": 0.0, "frtol": 0.0},
        )
        beyond = np.asarray(self.log_value(np.exp(LONGEST_LOG_LAG))) > target
        return np.where(beyond, np.inf, np.expm1(root.x))

    def window(
        self,
        n_sequences: ArrayLike,
        alpha: ArrayLike,
        **floor: Unpack[NoiseFloor],
    ) -> Reals:
        """Return the window of N samples under a noise floor common to all lags.

        H_N = sup{ l : f(l) >= eps_N },
        eps_N = (sigma q_{1-significance} / m0) N^(-1/kappa)

        Arguments and errors are those of `noise_level`.

        Returns:
            The window in lags, a real number; its floor is the last whole lag.
        """
        return self.inverse(noise_level(n_sequences, alpha, **floor))


@final
@dataclass(frozen=True)
class Exponential(Envelope):
    """f(l) = c exp(-l/tau); H_N = tau log(c/eps_N), slope tau/kappa in log N.

    Args:
        tau: time scale in steps.
        c: value at lag 0.

    Example:
        >>> round(float(Exponential(tau=50.0).window(1e5, 1.5)), 3)
        136.093

    Source: Livi 2025, arXiv 2512.05790, exponential envelope.
    """

    tau: float
    c: float = 1.0

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log c - l/tau."""
        return np.log(self.c) - real(lags) / self.tau

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return -1/tau."""
        return np.full_like(real(lags), -1 / self.tau)[()]

    def _inverse(self, level: NDArray[np.float64]) -> Reals:
        return self.tau * np.log(self.c / level)


@final
@dataclass(frozen=True)
class PowerLaw(Envelope):
    """f(l) = c (1+l)^-beta; H_N = (c/eps_N)^(1/beta) - 1 ~ N^(1/(kappa beta)).

    Args:
        beta: exponent.
        c: value at lag 0.

    Example:
        >>> round(float(PowerLaw(beta=0.8).window(1e5, 1.5)), 3)
        29.034

    Source: Livi 2025, arXiv 2512.05790, polynomial envelope.
    """

    beta: float
    c: float = 1.0

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log c - beta log(1+l)."""
        return np.log(self.c) - self.beta * np.log1p(real(lags))

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return -beta/(1+l)."""
        return (-self.beta / (1 + real(lags)))[()]

    def _inverse(self, level: NDArray[np.float64]) -> Reals:
        return np.expm1(np.log(self.c / level) / self.beta)


@final
@dataclass(frozen=True)
class Logarithmic(Envelope):
    """f(l) = c / log(1+l); H_N = exp(c/eps_N) - 1, exponential in N^(1/kappa).

    Args:
        c: value at lag e-1; the value at lag 0 is infinite.

    Example:
        >>> f"{Logarithmic().window(1e5, 1.5):.6g}"
        '4.02746e+06'

    Source: Livi 2025, arXiv 2512.05790, logarithmic envelope.
    """

    c: float = 1.0

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log c - log log(1+l)."""
        with np.errstate(divide="ignore"):
            return np.log(self.c) - np.log(np.log1p(real(lags)))

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return -1/((1+l) log(1+l))."""
        grid = real(lags)
        return (-1 / ((1 + grid) * np.log1p(grid)))[()]

    def _inverse(self, level: NDArray[np.float64]) -> Reals:
        return np.expm1(self.c / level)


@final
@dataclass(frozen=True)
class Stretched(Envelope):
    """f(l) = c exp(-(l/tau)^g); H_N = tau log(c/eps_N)^(1/g).

    Args:
        g: stretching exponent.
        tau: time scale in steps.
        c: value at lag 0.

    Example:
        >>> round(float(Stretched(g=0.5, tau=20.0).window(1e5, 1.5)), 3)
        148.171

    Source: Kohlrausch 1854; window by inversion.
    """

    g: float
    tau: float
    c: float = 1.0

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log c - (l/tau)^g."""
        return np.log(self.c) - (real(lags) / self.tau) ** self.g

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return -(g/tau) (l/tau)^(g-1)."""
        return -self.g / self.tau * (real(lags) / self.tau) ** (self.g - 1)

    def _inverse(self, level: NDArray[np.float64]) -> Reals:
        return self.tau * np.log(self.c / level) ** (1 / self.g)


@final
@dataclass(frozen=True)
class TruncatedPower(Envelope):
    """f(l) = c (1+l)^-beta exp(-l/tau): a power law that ends exponentially.

    H_N = beta tau W0((c e^(1/tau)/eps_N)^(1/beta) / (beta tau)) - 1

    Args:
        beta: exponent.
        tau: time scale in steps.
        c: value at lag 0.

    Example:
        >>> short, long = TruncatedPower(0.8, 1e9), PowerLaw(0.8)
        >>> bool(abs(short.window(1e3, 2.0) - long.window(1e3, 2.0)) < 1e-5)
        True

    Source: Corless et al. 1996, Adv. Comput. Math. 5, 329, for W0.
    """

    beta: float
    tau: float
    c: float = 1.0

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log c - beta log(1+l) - l/tau."""
        grid = real(lags)
        return np.log(self.c) - self.beta * np.log1p(grid) - grid / self.tau

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return -beta/(1+l) - 1/tau."""
        return (-self.beta / (1 + real(lags)) - 1 / self.tau)[()]

    def _inverse(self, level: NDArray[np.float64]) -> Reals:
        width = self.beta * self.tau
        # The Wright omega function is W0(exp(z)): the argument of W0 would overflow.
        z = (np.log(self.c / level) + 1 / self.tau) / self.beta - np.log(width)
        return width * wrightomega(z) - 1


@final
@dataclass(frozen=True)
class Plateau(Envelope):
    """f(l) = c / (1 + exp((l-l0)/w)); H_N = l0 + w log(c/eps_N - 1).

    Args:
        l0: end of the plateau in steps.
        w: width of its edge.
        c: height.

    Example:
        >>> round(float(Plateau(l0=40.0, w=5.0).inverse(0.5)), 9)
        40.0

    Source: logistic function.
    """

    l0: float
    w: float
    c: float = 1.0

    def log_value(self, lags: ArrayLike) -> Reals:
        """Return log c - log(1 + exp((l-l0)/w))."""
        return np.log(self.c) - np.logaddexp(0, (real(lags) - self.l0) / self.w)

    def log_slope(self, lags: ArrayLike) -> Reals:
        """Return -1/(w (1 + exp(-(l-l0)/w)))."""
        drop = np.logaddexp(0, -(real(lags) - self.l0) / self.w)
        return -np.exp(-drop) / self.w

    def _inverse(self, level: NDArray[np.float64]) -> Reals:
        # log(c/level - 1) as log(expm1(.)), exact for levels close to the height.
        return self.l0 + self.w * np.log(np.expm1(np.log(self.c / level)))
