"""Is there a dependency at a lag, how strong, and how small a one would have shown?"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float
from scipy import optimize, special, stats

LARGEST = 1e9  # noncentrality of F that is computed
POWER = 0.95  # with which the smallest effect that is told would have been found


@dataclass(frozen=True)
class Dependence:
    """What the targets show of a dependency at each lag, by itself.

    Attributes:
        strength: ``||c_l||``, its square freed of the sampling error's share; 0 where
            nothing is left of it, nan where the lag fits into too few sequences.
        p_value: of Hotelling's test of ``c_l = 0``, of this lag alone.
        found: whether the lag passes the test over all lags together (Bonferroni).
        smallest: the strength that would have been found with probability 0.95.
    """

    strength: Float[np.ndarray, "lag"]
    p_value: Float[np.ndarray, "lag"]
    found: Bool[np.ndarray, "lag"]
    smallest: Float[np.ndarray, "lag"]


def dependence(
    target: Float[np.ndarray, "lag direction sequence"], significance: float = 0.025
) -> Dependence:
    """Test at each lag whether targets hang on the inputs so many steps ago.

    ``c_l = E[phi_l a]`` over the probed directions; sequences are the samples.

    Args:
        target: ``mean_t phi_l(t) a(t)`` of every sequence; nan where a lag does not
            fit.
        significance: probability of finding a dependency at any lag where there is
            none; half of the 5 % of the detection test unless given, since products of
            inputs and targets have heavier tails than the test supposes (5.9 % of 5 %
            seen).

    Example:
        >>> c = np.random.default_rng(0).normal([[[0.0]], [[0.5]]], 1.0, (2, 1, 400))
        >>> dependence(c).found.tolist()
        [False, True]

    Source: Hotelling 1931.
    """
    rows = [_tested(row, significance / len(target)) for row in target]
    strength, p_value, smallest = np.array(rows).T
    return Dependence(strength, p_value, p_value * len(target) < significance, smallest)


def _tested(
    row: Float[np.ndarray, "direction sequence"], significance: float
) -> tuple[float, float, float]:
    """Return strength, p-value and the smallest effect of one lag."""
    own = row[:, np.isfinite(row).all(axis=0)]
    directions, n = own.shape
    if n <= directions + 1:
        return np.nan, np.nan, np.nan
    mean = own.mean(axis=-1)
    covariance = np.atleast_2d(np.cov(own)) / n
    noise = float(np.trace(covariance))
    if not noise > 0:
        return 0.0, 1.0, np.nan
    t_square = float(mean @ np.linalg.lstsq(covariance, mean, rcond=None)[0])
    scale = (n - directions) / (directions * (n - 1))
    p_value = float(stats.f.sf(t_square * scale, directions, n - directions))
    strength = max(0.0, float(mean @ mean) - noise) ** 0.5
    # The noise counts as alike in all directions.
    least = smallest_found(directions, n - directions, significance) / directions
    smallest = float(np.sqrt(least * noise))
    return strength, p_value, smallest


def noncentrality(above: Callable[[float], float], guess: float) -> float:
    """Return where a falling function of the noncentrality is 0, 0 if it begins there.

    It is inf where SciPy no longer computes the function.

    Args:
        above: the probability of less than was seen, minus what it shall be.
        guess: from which on to look for a change of sign.
    """
    if above(0.0) <= 0:
        return 0.0
    upper = 1.0 + guess
    while above(upper) > 0:
        upper *= 2
    if np.isnan(above(upper)):
        return np.inf
    return float(np.asarray(optimize.toms748(above, 0.0, upper)))


@lru_cache(maxsize=4096)
def smallest_found(numerator: float, denominator: float, significance: float) -> float:
    """Return the noncentrality that an F test finds with probability 0.95.

    Args:
        numerator: degrees of freedom.
        denominator: likewise.
        significance: of the test.

    Returns:
        It; inf beyond about 1e9, where SciPy no longer computes it.

    Example:
        >>> smallest_found(1.0, 60.0, 1e-20) < smallest_found(1.0, 1.0, 1e-20)
        True
    """
    # SciPy's own quantile is infinite below 1e-16.
    share = float(special.betaincinv(denominator / 2, numerator / 2, significance))
    limit = denominator * (1 - share) / numerator / share if share else np.inf
    if numerator * limit > LARGEST:
        return np.inf
    return noncentrality(
        lambda nc: special.ncfdtr(numerator, denominator, nc, limit) - (1 - POWER),
        numerator * limit,
    )


def strongest(
    target: Float[np.ndarray, "lag direction sequence"], significance: float = 0.025
) -> tuple[float, Float[np.ndarray, "direction"] | None]:
    """Return the strength of the strongest dependency that is found, and its mean.

    Args:
        target: see `dependence`.
        significance: likewise.

    Returns:
        0 and None where nothing is found.
    """
    found = dependence(target, significance)
    if not found.found.any():
        return 0.0, None
    place = int(np.argmax(np.where(found.found, found.strength, -np.inf)))
    return float(found.strength[place]), np.nanmean(target[place], axis=-1)
