"""A stable law for every lag, each parameter with an interval.

Intervals are percentiles over resampled sequences, the same resample for all lags. A
resample is a vector of counts: how often each sequence is drawn. An estimator that is
smooth in the values moves, to order 1/n, by the mean of its influence function (Davison
and Hinkley 1997, Bootstrap Methods, 2.7): computed once a lag, weighted by the counts.

In alpha the step is taken on the scale on which estimates are normal, the distance from
2 in standard errors:

    R(alpha) = int_alpha^2 dt / sqrt(V(t)),  V/n the variance of the estimator.

On this scale an estimate from n values has standard deviation n^-1/2 whatever alpha is.
Next to 2 the estimate is 2 itself with a probability that depends on sqrt(n) R alone,

    P(estimate = 2) = exp(-OFFSET - CURVATURE n R^2),

and where that is (1 - level)/2 or more, no estimate is too large and all the error is
spent on the other side. With x >= 0 the distance of the estimate from 2 in standard
errors, mu that of alpha, and z(p) the normal quantile, alpha is kept where

    x <= mu + z(level)                        while 2 is within reach of mu,
    mu - z((1+level)/2) <= x <= mu + z((1+level)/2)      further away,

so that every alpha, 2 included, is held with probability `level` (Neyman 1937, Phil.
Trans. R. Soc. A 236, 333).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.integrate import cumulative_trapezoid
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtri

from .checks import LOWEST_ALPHA, NEARLY_GAUSSIAN, Array, probability, values_by_lag
from .koutrouvelis1980 import influence, koutrouvelis, variances
from .law import Estimate

FEWEST_RESAMPLES = 20

# Counts that are turned into floating point at once: 32 MB.
BLOCK = 4_000_000

# Grid of 2 - alpha, equal in logarithms, from where the law is told from the Gaussian;
# 800 points change R by less than 1e-4.
CLOSEST, POINTS = 2 * NEARLY_GAUSSIAN, 400

# Fitted to 400 samples at nine distances for n = 200, 500, 2000 and 8000, which lie on
# one curve; it passes within .04 of every simulated share.
OFFSET, CURVATURE = 0.45, 0.19

# a, b of P(x > mu + t) = min(a + b mu, 1) P(N > t), t > 1: next to 2 a sample may hold
# no value large enough to tell alpha from 2. Fitted to 3000 samples of 200 and of 500
# values and 2000 of 2000, at ten mu from 0 to 4, which lie on one curve for all sizes.
TELLING, RISE = 0.43, 0.15

# Of the grid of mu: linear interpolation errs by less than 1e-4.
STEPS = 200

Samples = Float[np.ndarray, "lag sequence"]
Lags = Float[np.ndarray, " lag"]
Counts = Int[np.ndarray, "resample sequence"]
Drawn = Float[np.ndarray, "three resample lag"]
Ends = Float[np.ndarray, "two *batch"]


@dataclass(frozen=True)
class StableFit:
    """A symmetric stable law for every lag, with intervals from resampled sequences.

    alpha has no unit; sigma and location have the unit of the values. `*_lower` and
    `*_upper` are the ends of the interval that holds the parameter with probability
    `level`; `sequences` is the number of values of a lag.
    """

    alpha: Lags
    sigma: Lags
    location: Lags
    alpha_lower: Lags
    alpha_upper: Lags
    sigma_lower: Lags
    sigma_upper: Lags
    location_lower: Lags
    location_upper: Lags
    level: float
    resamples: int
    sequences: int


def fit(
    values: ArrayLike, *, level: float = 0.95, resamples: int = 200, seed: Any
) -> StableFit:
    """Return the symmetric stable law of every lag, by `koutrouvelis`, with intervals.

    ``x = location + sigma xi``, xi with characteristic function ``exp(-|u|^alpha)``;
    intervals are percentiles over resampled sequences, the same resample for all lags.
    That of alpha is a test inverted next to 2: a sample may miss the large values that
    tell alpha from 2, so the interval reaches down to the alpha whose estimate is 2
    with probability (1 - level)/2, and above that alpha its upper end errs with
    probability 1 - level, the lower end being unable to err.

    Args:
        values: one value a lag and sequence (lag, sequence), at least 50 sequences.
        level: probability of the intervals.
        resamples: number of resamples, at least 20.
        seed: whatever `numpy.random.default_rng` takes.

    Returns:
        A `StableFit`.

    Raises:
        ValueError: fewer than 50 sequences, NaN, constant values, a level outside
            (0, 1) or fewer than 20 resamples.

    Example:
        >>> from learnability.stable import law
        >>> fitted = fit(law.sample(1.5, (2, 500), seed=1), seed=2)
        >>> bool((fitted.alpha_lower < 1.5).all() and (1.5 < fitted.alpha_upper).all())
        True

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13;
    inverted tests: Neyman 1937, Phil. Trans. R. Soc. A 236, 333.
    """
    array = values_by_lag(values)
    probability("level", level)
    if resamples < FEWEST_RESAMPLES:
        raise ValueError(
            f"{resamples} resamples give no interval: ask for at least "
            f"{FEWEST_RESAMPLES}, 200 is usual"
        )
    sequences = array.shape[1]
    estimate = koutrouvelis(array)
    drawn = draws(array, draw_counts(sequences, resamples, seed), estimate)
    tails = [(1 - level) / 2, (1 + level) / 2]
    # Of B sorted draws the k-th cuts off k/(B+1), as an exact interval needs.
    ends = np.quantile(drawn, tails, axis=1, method="weibull").swapaxes(0, 1)
    ends[0] = beside_two(estimate.alpha, ends[0], level, sequences)
    return StableFit(
        *estimate,
        *ends.reshape(6, -1),
        level=level,
        resamples=resamples,
        sequences=sequences,
    )


def draw_counts(sequences: int, resamples: int, seed: Any) -> Counts:
    """Return how often each sequence is drawn in each resample."""
    rng = np.random.default_rng(seed)
    drawn = [
        np.bincount(rng.integers(sequences, size=sequences), minlength=sequences)
        for _ in range(resamples)
    ]
    return np.stack(drawn).astype(np.uint16)


def draws(values: Samples, counts: Counts, estimate: Estimate) -> Drawn:
    """Return the estimates of all lags on all resamples, to first order.

    estimate + sum_j count_j influence_j, alpha on the scale of its distance from 2
    """
    drawn = np.empty((3, len(counts), len(values)))
    together = max(1, BLOCK // values.shape[1])
    for first in range(0, len(values), together):
        part = slice(first, first + together)
        laws = np.stack([np.asarray(one)[part] for one in estimate], -1)
        drawn[:, :, part] = _drawn(values[part], counts, laws)
    return drawn


def _drawn(
    values: Samples, counts: Counts, laws: Float[np.ndarray, "lag three"]
) -> Drawn:
    rows = [influence(row, *one) for row, one in zip(values, laws, strict=True)]
    steps = _sums(counts, np.concatenate(rows)).reshape(len(values), 3, -1)
    drawn = np.full((3, len(counts), len(values)), 2.0)
    for lag, (step, (alpha, sigma, location)) in enumerate(
        zip(steps, laws, strict=True)
    ):
        if alpha <= 2 - NEARLY_GAUSSIAN:
            drawn[0, :, lag] = _moved(alpha, step[0])
        drawn[1, :, lag] = sigma * np.exp(step[1])
        drawn[2, :, lag] = location + sigma * step[2]
    return drawn


def _sums(
    counts: Counts, rows: Float[np.ndarray, "row sequence"]
) -> Float[np.ndarray, "row resample"]:
    """Return the sums over the sequences of every resample."""
    together = max(1, BLOCK // counts.shape[1])
    blocks = [
        rows @ counts[start : start + together].astype(np.float64).T
        for start in range(0, len(counts), together)
    ]
    return np.concatenate(blocks, axis=1)


class Distance(NamedTuple):
    """R as a function of alpha, and back."""

    of_alpha: PchipInterpolator
    to_alpha: PchipInterpolator


@lru_cache(maxsize=1)
def distance() -> Distance:
    """Return R(alpha), the distance from 2 in standard errors, for n = 1."""
    gap = np.geomspace(CLOSEST, 2 - LOWEST_ALPHA, POINTS)
    rate = 1 / np.sqrt(variances(2 - gap)[0])
    # V falls to 0 about linearly at 2, so the first piece integrates to 2 gap/sqrt(V).
    rest = cumulative_trapezoid(rate * gap, np.log(gap), initial=0.0)
    length = np.concatenate([[0.0], 2 * rate[0] * gap[0] + rest])
    gaps = np.concatenate([[0.0], gap])
    alphas = 2 - gaps
    return Distance(
        PchipInterpolator(alphas[::-1], length[::-1]), PchipInterpolator(length, alphas)
    )


def _moved(alpha: float, steps: Array) -> Array:
    """Return alpha after steps that are linear on the scale of R."""
    scale = distance()
    slope = float(scale.of_alpha(alpha, 1))
    farthest = float(scale.of_alpha(LOWEST_ALPHA))
    moved = float(scale.of_alpha(alpha)) + slope * steps
    return np.asarray(scale.to_alpha(np.clip(moved, 0.0, farthest)))


def lowest_alpha_seen_as_two(chance: float, sequences: int) -> float:
    """Return the alpha whose estimate from n values is 2 with a given probability.

    No interval may begin above it: fewer large values than expected are no evidence.
    """
    square = max(-np.log(chance) - OFFSET, 0.0) / CURVATURE / sequences
    scale = distance()
    farthest = float(scale.of_alpha(LOWEST_ALPHA))
    return float(scale.to_alpha(min(np.sqrt(square), farthest)))


def beside_two(
    alpha: Float[np.ndarray, "*batch"], ends: Ends, level: float, n: int
) -> Ends:
    """Return the ends of alpha, corrected where the estimate may be 2.

    2 is within reach of alpha where P(estimate = 2) >= (1 - level)/2; there alpha is
    kept where P(x > mu + t) >= 1 - level, x the estimate's distance from 2

    Args:
        alpha: estimates (...).
        ends: lower and upper ends (2, ...) that hold far from 2.
        level: probability of the interval.
        n: number of values.

    Example:
        >>> beside_two(np.array(2.0), np.full(2, 2.0), 0.95, 500).round(2)
        array([1.85, 2.  ])
    """
    scale = distance()
    edge = lowest_alpha_seen_as_two((1 - level) / 2, n)
    mu = np.linspace(0, float(scale.of_alpha(edge)) * np.sqrt(n), STEPS)
    share = np.minimum(TELLING + RISE * mu, 1)
    most = np.maximum(mu - ndtri(np.minimum((1 - level) / share, 1)), 0)
    x = scale.of_alpha(alpha) * np.sqrt(n)
    one_sided = scale.to_alpha(np.interp(x, most, mu) / np.sqrt(n))
    one_sided = np.where(x > most[-1], 0.0, one_sided)
    # 2 is within reach of what lies above the edge.
    upper = np.where(one_sided > edge, one_sided, np.minimum(ends[1], edge))
    return np.stack([np.minimum(ends[0], edge), upper])
