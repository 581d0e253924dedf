"""What every envelope family can do: value, slope, inverse, window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import elementwise

from ..stable import law
from ..stable.checks import Reals, positive, tail_index
from .samples import quantile_sum

LONGEST_LOG_LAG = 690.0
"""exp(690) is 1e299: a longer window is infinite in every practical sense."""


def noise_level(
    samples: ArrayLike,
    alpha: ArrayLike,
    *,
    signal: ArrayLike = 1.0,
    scale: ArrayLike = 1.0,
    error: ArrayLike = 0.05,
) -> Reals:
    """Return the level that an envelope must reach to be seen in N samples.

    eps_N = (sigma q_{1-error} / m0) N^(-1/kappa)

    Args:
        samples: N, number of sequences, positive.
        alpha: tail index in (1, 2].
        signal: m0, signal at envelope 1.
        scale: sigma, noise floor, in the unit of the signal.
        error: probability of the wrong sign.

    Returns:
        The level, without unit.

    Raises:
        ValueError: alpha outside (1, 2], an error outside (0, 1/2), or another
            argument not positive.

    Example:
        >>> round(float(noise_level(1e5, 1.5)), 7)
        0.0657521

    Source: Livi 2025, arXiv 2512.05790 (v4), with the quantile for the threshold.
    """
    index = tail_index(alpha, mean_exists=True)
    ratio = positive("scale", scale) / positive("signal", signal)
    quantile = quantile_sum(index, error, None)
    if (quantile <= 0).any():
        raise ValueError("error is 0.5, which a coin needs no sample for: give less")
    power = -1 / np.asarray(law.kappa(index))
    return (ratio * quantile * positive("samples", samples) ** power)[()]


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
        samples: ArrayLike,
        alpha: ArrayLike,
        *,
        signal: ArrayLike = 1.0,
        scale: ArrayLike = 1.0,
        error: ArrayLike = 0.05,
    ) -> Reals:
        """Return the window of N samples under a noise floor common to all lags.

        H_N = sup{ l : f(l) >= eps_N }, eps_N = (sigma q_{1-error} / m0) N^(-1/kappa)

        Args:
            samples: N, number of sequences, positive.
            alpha: tail index in (1, 2].
            signal: m0, signal at envelope 1.
            scale: sigma, noise floor, in the unit of the signal.
            error: probability of the wrong sign.

        Returns:
            The window in lags, a real number; its floor is the last whole lag.

        Raises:
            ValueError: alpha outside (1, 2], an error outside (0, 1/2), or another
                argument not positive.
        """
        return self.inverse(
            noise_level(samples, alpha, signal=signal, scale=scale, error=error)
        )
