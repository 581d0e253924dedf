"""The estimators as the published programme sets them, for comparison only.

The programme is the one that accompanies Livi 2025, arXiv 2512.05790. Its quantile
estimator is McCulloch's with alpha kept in [1, 2]; its characteristic-function
estimator is a single weighted regression with settings of its own.
"""

import numpy as np
from numpy.typing import ArrayLike

from . import law
from .checks import Array, sample_values
from .koutrouvelis1980 import characteristic_function
from .law import Estimate
from .mcculloch1986 import LEVELS, from_quantiles

# The programme's lower bound of alpha.
LOWEST = 1.0

# In units of 1.349 over the interquartile range.
FREQUENCIES = np.linspace(0.05, 3.0, 50)

# Interquartile range of a Gaussian of unit variance, as rounded by the programme.
GAUSSIAN_WIDTH = 1.349

# Range of |phi|^2 inside which a frequency counts, and the one used instead where fewer
# than FEWEST_STRICT frequencies do.
STRICT, RELAXED = (0.01, 0.95), (1e-4, 0.999)

FEWEST_STRICT = 5

# Weights exp(-2 (log|phi|^2 + 0.7)^2): they prefer |phi|^2 near one half.
WEIGHT_CENTRE, WEIGHT_RATE = -0.7, 2.0

# Above this size the programme draws a subsample, always the same.
LARGEST_SAMPLE, SUBSAMPLE_SEED = 100_000, 42


def mcculloch_livi2025(values: ArrayLike) -> Estimate:
    """Estimate by quantiles, alpha kept in [1, 2].

    R(alpha) = (q.95 - q.05) / (q.75 - q.25)

    Args:
        values: samples (..., sequence), at least 50 sequences.

    Returns:
        An `Estimate` of arrays (...).

    Raises:
        ValueError: fewer than 50 values, NaN, or constant values.

    Example:
        >>> float(mcculloch_livi2025(law.sample(0.6, 500, seed=1)).alpha)
        1.0

    Source: Livi 2025, arXiv 2512.05790, accompanying programme.
    """
    quantiles = np.quantile(sample_values(values), LEVELS, axis=-1)
    estimate = from_quantiles(quantiles)
    low = estimate.alpha < LOWEST
    widest = 2 * np.asarray(law.quantile(0.75, LOWEST))
    sigma = np.where(low, (quantiles[3] - quantiles[1]) / widest, estimate.sigma)
    return Estimate(np.maximum(estimate.alpha, LOWEST), sigma, estimate.location)


def ecf_livi2025(values: ArrayLike) -> Estimate:
    """Estimate by one weighted regression on the characteristic function.

    log(-log|phi(u)|^2) = log(2 sigma^alpha) + alpha log u

    Args:
        values: samples (..., sequence), at least 50 sequences.

    Returns:
        An `Estimate` of arrays (...), alpha in [1, 2]; the location is the median,
        which the programme does not estimate.

    Raises:
        ValueError: fewer than 50 values, NaN, constant values, or fewer than three
            frequencies at which the characteristic function is informative.

    Example:
        >>> round(float(ecf_livi2025(law.sample(2.0, 5000, seed=1)).sigma), 1)
        1.0

    Source: Livi 2025, arXiv 2512.05790, accompanying programme.
    """
    array = sample_values(values)
    rows = array.reshape(-1, array.shape[-1])
    pairs = np.array([_one(_subsample(row)) for row in rows])
    alpha, sigma = pairs.T.reshape(2, *array.shape[:-1])
    return Estimate(alpha, sigma, np.median(array, axis=-1))


def _subsample(row: Array) -> Array:
    if row.size <= LARGEST_SAMPLE:
        return row
    # The legacy generator, because only it draws the programme's subsample.
    legacy = np.random.RandomState(SUBSAMPLE_SEED)
    return row[legacy.choice(row.size, LARGEST_SAMPLE, replace=False)]


def _one(row: Array) -> tuple[float, float]:
    upper, lower = np.quantile(row, [0.75, 0.25])
    frequencies = FREQUENCIES * GAUSSIAN_WIDTH / (upper - lower)
    power = np.abs(characteristic_function(row, frequencies)) ** 2
    used = (power > STRICT[0]) & (power < STRICT[1])
    if np.count_nonzero(used) < FEWEST_STRICT:
        used = (power > RELAXED[0]) & (power < RELAXED[1])
    if np.count_nonzero(used) < 3:
        raise ValueError(
            f"only {np.count_nonzero(used)} frequencies are informative, 3 are needed: "
            "use `koutrouvelis`, which needs no such range"
        )
    log_power = np.log(power[used])
    x, y = np.log(frequencies[used]), np.log(-log_power)
    weight = np.exp(-WEIGHT_RATE * (log_power - WEIGHT_CENTRE) ** 2)
    slope, intercept = np.polyfit(x, y, 1, w=np.sqrt(weight))
    alpha = float(np.clip(slope, LOWEST, 2.0))
    return alpha, float((np.exp(intercept) / 2) ** (1 / alpha))
