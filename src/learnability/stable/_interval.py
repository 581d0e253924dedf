"""Intervals of alpha: every alpha that the sample does not reject.

An estimate of alpha stops at 2. Where alpha is so close to 2 that the estimate is 2
with a probability of (1 - level)/2 or more, no estimate is too large and all the error
is spent on the other side. With x >= 0 the distance of the estimate from 2 in standard
errors, mu that of alpha, and z(p) the normal quantile, alpha is kept where

    x <= mu + z(level)                        while 2 is within reach of mu,
    mu - z((1+level)/2) <= x <= mu + z((1+level)/2)      further away,

so that every alpha, 2 included, is held with probability `level` (Neyman 1937, Phil.
Trans. R. Soc. A 236, 333).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.special import ndtri

from learnability.stable import law
from learnability.stable._distance import distance, lowest_alpha_seen_as_two
from learnability.stable.errors import Method, quantile_covariance
from learnability.stable.mcculloch1986 import GRID, LEVELS

TELLING = {"likelihood": (0.64, 0.06), "koutrouvelis": (0.43, 0.15)}
"""a, b of P(x > mu + t) = min(a + b mu, 1) P(N > t), t > 1: next to 2 a sample may hold
no value large enough to tell alpha from 2. Fitted to 3000 samples of 200 and of 500
values and 2000 of 2000, at ten mu from 0 to 4, which lie on one curve for all sizes."""

STEPS = 200
"""Of the grid of mu: linear interpolation errs by less than 1e-4."""

Ends = Float[np.ndarray, "two *batch"]


class RatioLaw(NamedTuple):
    """The log of McCulloch's ratio for every alpha of the grid.

    centre: its value under the law; deviation: its standard deviation times sqrt(n).
    """

    centre: NDArray[np.float64]
    deviation: NDArray[np.float64]


def log_ratio(values: Float[np.ndarray, "*batch sequence"]) -> NDArray[np.float64]:
    """Return log R, R = (q.95 - q.05)/(q.75 - q.25), of samples (..., sequence)."""
    q = np.quantile(values, LEVELS, axis=-1)
    return np.log((q[4] - q[0]) / (q[3] - q[1]))


def from_ratio(ratio: Float[np.ndarray, "*batch"], n: int, level: float) -> Ends:
    """Return the alphas that the test on McCulloch's ratio of quantiles keeps.

    |log R - log R(alpha)| <= z s(alpha)/sqrt(n), R = (q.95 - q.05)/(q.75 - q.25),
    s^2 = g' C g, g the slopes of log R by the quantiles, C their covariance under alpha

    with one side alone where 2 is within reach. log R is normal for every alpha, and
    for 50 values already; its variance is that under the alpha on trial.

    Arguments:
        ratio: log R of the samples (...), by `log_ratio`.
        n: number of values of a sample.
        level: probability of the interval.

    Returns:
        Lower and upper ends (2, ...), between 0.5 and 2.

    Example:
        >>> seen = log_ratio(law.sample(1.5, 500, seed=1))
        >>> lower, upper = from_ratio(seen, 500, 0.95)
        >>> bool(lower < 1.5 < upper)
        True

    Source: McCulloch 1986, Commun. Stat. Simul. Comput. 15, 1109; Neyman 1937.
    """
    centre, deviation = ratio_law()
    one, two = ndtri([level, (1 + level) / 2])[:, None] * deviation / np.sqrt(n)
    # At a level near 1 the lower bound bends: the hull of what is kept is given.
    least = np.minimum.accumulate(centre - two)
    lower, edge, one_sided, two_sided = (
        np.interp(-seen, -bound, GRID)
        for seen, bound in [
            (np.maximum(ratio, centre[-1]), least),
            (centre[-1], least),
            (ratio, centre + one),
            (ratio, centre + two),
        ]
    )
    return np.stack([lower, _upper(one_sided, two_sided, edge)])


def beside_two(
    method: Method, alpha: Float[np.ndarray, "*batch"], ends: Ends, level: float, n: int
) -> Ends:
    """Return the ends of alpha, corrected where the estimate may be 2.

    2 is within reach of alpha where P(estimate = 2) >= (1 - level)/2; there alpha is
    kept where P(x > mu + t) >= 1 - level, x the estimate's distance from 2

    Arguments:
        method: "likelihood" or "koutrouvelis".
        alpha: estimates (...).
        ends: lower and upper ends (2, ...) that hold far from 2.
        level: probability of the interval.
        n: number of values.

    Returns:
        Lower and upper ends (2, ...).

    Example:
        >>> beside_two("likelihood", np.array(2.0), np.full(2, 2.0), 0.95, 500).round(2)
        array([1.88, 2.  ])

    Source: Neyman 1937; probabilities by simulation.
    """
    scale = distance(method)
    edge = lowest_alpha_seen_as_two(method, (1 - level) / 2, n)
    mu = np.linspace(0, float(scale.of_alpha(edge)) * np.sqrt(n), STEPS)
    telling, rise = TELLING[method]
    share = np.minimum(telling + rise * mu, 1)
    most = np.maximum(mu - ndtri(np.minimum((1 - level) / share, 1)), 0)
    x = scale.of_alpha(alpha) * np.sqrt(n)
    one_sided = scale.to_alpha(np.interp(x, most, mu) / np.sqrt(n))
    one_sided = np.where(x > most[-1], 0.0, one_sided)
    return np.stack([np.minimum(ends[0], edge), _upper(one_sided, ends[1], edge)])


def _upper(
    one_sided: NDArray[np.float64], two_sided: NDArray[np.float64], edge: float
) -> NDArray[np.float64]:
    """Return the largest alpha kept: 2 is within reach of what lies above the edge."""
    return np.where(one_sided > edge, one_sided, np.minimum(two_sided, edge))


@lru_cache(maxsize=1)
def ratio_law() -> RatioLaw:
    """Return centre and deviation of log R on the grid of alpha."""
    index = GRID[:, None]
    q = np.asarray(law.quantile(LEVELS, index))
    wide, narrow = q[:, 4] - q[:, 0], q[:, 3] - q[:, 1]
    slopes = np.array([-1, 0, 0, 0, 1]) / wide[:, None]
    slopes = slopes - np.array([0, -1, 0, 1, 0]) / narrow[:, None]
    variance = np.einsum("aj,ajk,ak->a", slopes, quantile_covariance(q, index), slopes)
    return RatioLaw(np.log(wide / narrow), np.sqrt(variance))
