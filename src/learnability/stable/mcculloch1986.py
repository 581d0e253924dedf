"""Quantile estimator of a symmetric stable law (McCulloch 1986)."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator

from . import law
from .checks import LOWEST_ALPHA, Array, sample_values
from .law import Estimate

# McCulloch's quantiles.
LEVELS = np.array([0.05, 0.25, 0.50, 0.75, 0.95])

# Fine enough that the inverse of the ratio is exact to 1e-7.
GRID = np.linspace(LOWEST_ALPHA, 2.0, 301)


def mcculloch(values: ArrayLike) -> Estimate:
    """Estimate alpha, sigma and location from five quantiles.

    R(alpha) = (q.95 - q.05) / (q.75 - q.25), sigma = (x.75 - x.25) / (2 q.75(alpha)),
    location = x.50

    Args:
        values: samples (..., sequence), at least 50 sequences.

    Returns:
        An `Estimate` of arrays (...); alpha between 0.5 and 2, the nearest possible
        where the ratio lies beyond that of every law.

    Raises:
        ValueError: fewer than 50 values, NaN, constant values, or a quarter of the
            values on either side of the median equal.

    Example:
        >>> xi = law.sample(1.5, (3, 1000), seed=1)
        >>> mcculloch(xi).alpha.shape
        (3,)

    Source: McCulloch 1986, Commun. Stat. Simul. Comput. 15, 1109; ratios recomputed.
    """
    array = sample_values(values)
    return from_quantiles(np.quantile(array, LEVELS, axis=-1))


def from_quantiles(quantiles: Array) -> Estimate:
    """Estimate alpha, sigma and location from the quantiles .05 .25 .50 .75 .95.

    R(alpha) = (q.95 - q.05) / (q.75 - q.25)

    Args:
        quantiles: empirical quantiles (level, ...).

    Returns:
        An `Estimate` of arrays (...).

    Raises:
        ValueError: the middle half of the values has no width.

    Example:
        >>> q = law.quantile(LEVELS, 1.3)
        >>> round(float(from_quantiles(2 * q).sigma), 6)
        2.0

    Source: McCulloch 1986, Commun. Stat. Simul. Comput. 15, 1109.
    """
    width = quantiles[3] - quantiles[1]
    if (width <= 0).any():
        raise ValueError(
            "half of the values are equal, which no stable law does: "
            "give continuous values or leave this lag out"
        )
    ratio = (quantiles[4] - quantiles[0]) / width
    inverse, (lowest, highest) = _inverse_ratio()
    alpha = inverse(np.log(np.clip(ratio, lowest, highest)))
    return Estimate(alpha, width / (2 * _upper_quartile()(alpha)), quantiles[2])


@lru_cache(maxsize=1)
def _inverse_ratio() -> tuple[PchipInterpolator, tuple[float, float]]:
    """Return alpha as a function of the log of the quantile ratio, and its range."""
    ratio = np.asarray(law.quantile(0.95, GRID)) / _upper_quartile()(GRID)
    inverse = PchipInterpolator(np.log(ratio[::-1]), GRID[::-1])
    return inverse, (float(ratio[-1]), float(ratio[0]))


@lru_cache(maxsize=1)
def _upper_quartile() -> PchipInterpolator:
    return PchipInterpolator(GRID, np.asarray(law.quantile(0.75, GRID)))
