"""How far alpha is from 2, in standard errors: the scale on which estimates are normal.

    R(alpha) = int_alpha^2 dt / sqrt(V(t)),  V/n the variance of the estimator

On this scale an estimate from n values has standard deviation n^-1/2 whatever alpha is.
Next to 2 the estimate is 2 itself with a probability that depends on sqrt(n) R alone:
simulations with n from 200 to 8,000 lie on one curve for each estimator, and

    P(estimate = 2) = exp(-offset - curvature n R^2).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.interpolate import PchipInterpolator

from learnability.stable._checks import LOWEST_ALPHA, NEARLY_GAUSSIAN
from learnability.stable.errors import Method, variances

CLOSEST, POINTS = 2 * NEARLY_GAUSSIAN, 400
"""Grid of 2 - alpha, equal in logarithms, from where the law is told from the Gaussian;
800 points change R by less than 1e-4."""

NEVER_TWO = {
    "likelihood": (0.33, 0.27),
    "koutrouvelis": (0.45, 0.19),
}
"""Offset and curvature of each estimator, fitted to 400 samples at nine distances for
n = 200, 500, 2000 and 8000; the curve passes within .04 of every simulated share."""


class Distance(NamedTuple):
    """R as a function of alpha, and back."""

    of_alpha: PchipInterpolator
    to_alpha: PchipInterpolator


@lru_cache(maxsize=3)
def distance(method: Method) -> Distance:
    """Return R(alpha) of an estimator and its inverse, for n = 1."""
    gap = np.geomspace(CLOSEST, 2 - LOWEST_ALPHA, POINTS)
    rate = 1 / np.sqrt(variances(method, 2 - gap)[0])
    # V falls to 0 about linearly at 2, so the first piece integrates to 2 gap/sqrt(V).
    rest = cumulative_trapezoid(rate * gap, np.log(gap), initial=0.0)
    length = np.concatenate([[0.0], 2 * rate[0] * gap[0] + rest])
    gaps = np.concatenate([[0.0], gap])
    alphas = 2 - gaps
    return Distance(
        PchipInterpolator(alphas[::-1], length[::-1]),
        PchipInterpolator(length, alphas),
    )


def move(
    method: Method, alpha: float, steps: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return alpha after steps that are linear on the scale of R."""
    scale = distance(method)
    slope = float(scale.of_alpha(alpha, 1))
    farthest = float(scale.of_alpha(LOWEST_ALPHA))
    moved = float(scale.of_alpha(alpha)) + slope * steps
    return np.asarray(scale.to_alpha(np.clip(moved, 0.0, farthest)))


def lowest_alpha_seen_as_two(method: Method, chance: float, sequences: int) -> float:
    """Return the alpha whose estimate from n values is 2 with a given probability.

    No interval may begin above it: fewer large values than expected are no evidence.
    """
    offset, curvature = NEVER_TWO[method]
    square = max(-np.log(chance) - offset, 0.0) / curvature / sequences
    scale = distance(method)
    farthest = float(scale.of_alpha(LOWEST_ALPHA))
    return float(scale.to_alpha(min(np.sqrt(square), farthest)))
