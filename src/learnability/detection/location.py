"""Samples needed by other estimators of the location than the mean.

For 1 < alpha < 2 the exponent kappa belongs to averaging. Median, clipped mean and
maximum likelihood are asymptotically normal with variance sigma^2 v/N, so they need
N = z^2 sigma^2 v / m^2: exponent 2 whatever alpha is.
"""

from __future__ import annotations

from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult, minimize_scalar
from scipy.special import gamma, ndtri

from learnability.detection.power import chance
from learnability.stable import law
from learnability.stable._checks import Reals, magnitude, positive, tail_index
from learnability.stable.information import information

Estimator = Literal["median", "clipped", "likelihood"]

CLIP_NODES = 64
"""Gauss-Legendre nodes for the moment below the clip; 128 change it by 1e-12."""

WIDEST_CLIP = 50.0
"""Beyond it even alpha = 1.99 loses efficiency; at alpha = 2 no clip is best."""


def location_variance(
    estimator: Estimator, alpha: ArrayLike, *, clip: ArrayLike | None = None
) -> Reals:
    """Return v, the asymptotic variance of a location estimator times N/sigma^2.

    median: v = 1/(4 p(0)^2), p(0) = Gamma(1+1/alpha)/pi; likelihood: v = 1/I_alpha;
    clipped at t: v = E min(xi^2, t^2) / P(|xi| < t)^2

    Arguments:
        estimator: "median", "clipped" or "likelihood".
        alpha: tail index in (1, 2], any shape.
        clip: t, in units of sigma, broadcast against alpha; only for "clipped".

    Returns:
        v, without unit.

    Raises:
        ValueError: alpha outside (1, 2], an unknown estimator, or a clip that is
            missing or not positive.

    Example:
        >>> round(float(1 / location_variance("median", 1.5)), 4)
        0.3303

    Source: van der Vaart 1998, Asymptotic Statistics, 5.3 and 7.3; Huber 1964.
    """
    index = tail_index(alpha, mean_exists=True)
    if estimator == "median":
        return ((np.pi / (2 * gamma(1 + 1 / index))) ** 2)[()]
    if estimator == "likelihood":
        return (1 / np.asarray(information(index).location))[()]
    if estimator != "clipped":
        raise ValueError(
            f"estimator is {estimator!r}, but must be one of "
            f"{', '.join(get_args(Estimator))}"
        )
    if clip is None:
        raise ValueError("a clipped mean needs its clip: give it in units of sigma")
    limit, index = np.broadcast_arrays(positive("clip", clip), index)
    outside = 2 * np.asarray(law.survival(limit, index))
    moment = _second_moment(limit, index) + limit**2 * outside
    return (moment / (1 - outside) ** 2)[()]


def best_clip(alpha: float) -> float:
    """Return the clip in units of sigma at which a clipped mean is most efficient.

    minimise E min(xi^2, t^2) / P(|xi| < t)^2 over t

    Arguments:
        alpha: tail index in (1, 2).

    Returns:
        t, in units of sigma.

    Raises:
        ValueError: alpha outside (1, 2), where 2 is best left unclipped.

    Example:
        >>> round(best_clip(1.5), 2)
        1.25

    Source: Huber 1964, Ann. Math. Stat. 35, 73.
    """
    index = float(tail_index(alpha, mean_exists=True))
    if index == 2:
        raise ValueError("at alpha = 2 every clip loses: take the mean")

    def loss(log_clip: float) -> float:
        clip = np.exp(log_clip)
        return float(location_variance("clipped", index, clip=clip))

    bounds = (float(np.log(0.05)), float(np.log(WIDEST_CLIP)))
    # SciPy's annotations call the result an object.
    found = cast(OptimizeResult, minimize_scalar(loss, bounds=bounds, method="bounded"))
    return float(np.exp(found.x))


def samples_needed_by(
    estimator: Estimator,
    signal: ArrayLike,
    scale: ArrayLike,
    alpha: ArrayLike,
    *,
    error: ArrayLike = 0.05,
    miss: ArrayLike | None = None,
    clip: ArrayLike | None = None,
) -> Reals:
    """Return the number of values with which a location estimator shows the signal.

    N = z^2 sigma^2 v / m^2, z = z_{1-error} for the sign of m and z_{1-error} +
    z_{1-miss} for a test of 0 against m, z Gaussian quantiles

    Arguments:
        estimator: "median", "clipped" or "likelihood".
        signal: m, location of one value, in the unit of the values.
        scale: sigma, in the unit of the values.
        alpha: tail index in (1, 2]; all broadcast.
        error: probability of a wrong sign, or of seeing a signal that is not there.
        miss: probability of missing a signal that is there; None tests the sign.
        clip: in units of sigma; only for "clipped".

    Returns:
        N, not rounded; asymptotic, so trust it from a few dozen on.

    Raises:
        ValueError: as for `location_variance`, or a probability outside (0, 1/2].

    Example:
        >>> round(float(samples_needed_by("median", 0.1, 1.0, 1.5)))
        819

    Source: asymptotic normality, van der Vaart 1998, Asymptotic Statistics, chapter 5.
    """
    variance = location_variance(estimator, alpha, clip=clip)
    return _normal_quantile(error, miss) ** 2 * variance * _ratio(signal, scale) ** 2


def samples_needed_by_median_of_means(
    signal: ArrayLike,
    scale: ArrayLike,
    alpha: ArrayLike,
    *,
    share: ArrayLike = 0.5,
    error: ArrayLike = 0.05,
    miss: ArrayLike | None = None,
) -> Reals:
    """Return the samples needed by the median of N^a block means.

    N = (z sigma / (2 p(0) m))^(1/e), e = (1-a)/kappa + a/2: from the mean's exponent
    at a = 0 to the median's at a = 1

    Arguments:
        signal: m, location of one value, in the unit of the values.
        scale: sigma, in the unit of the values.
        alpha: tail index in (1, 2]; all broadcast.
        share: a, in (0, 1]: the number of blocks is N^a.
        error: probability of a wrong sign, or of seeing a signal that is not there.
        miss: probability of missing a signal that is there; None tests the sign.

    Returns:
        N, not rounded; asymptotic in the number of blocks.

    Raises:
        ValueError: alpha outside (1, 2], scale not positive, a share outside (0, 1] or
            a probability outside (0, 1/2].

    Example:
        >>> mean_like = samples_needed_by_median_of_means(0.1, 1.0, 1.5, share=0.5)
        >>> bool(mean_like > samples_needed_by("median", 0.1, 1.0, 1.5))
        True

    Source: block means are stable with scale sigma (N/k)^(-1/kappa); median of k laws.
    """
    part = positive("share", share)
    if (part > 1).any():
        raise ValueError(f"share is {part.max():g}, but N^a blocks need a at most 1")
    index = tail_index(alpha, mean_exists=True)
    exponent = (1 - part) / np.asarray(law.kappa(index)) + part / 2
    half = np.sqrt(location_variance("median", index))
    distance = _normal_quantile(error, miss) * half * _ratio(signal, scale)
    return (distance ** (1 / exponent))[()]


def _ratio(signal: ArrayLike, scale: ArrayLike) -> Reals:
    with np.errstate(divide="ignore"):
        return positive("scale", scale) / magnitude("signal", signal)


def _normal_quantile(error: ArrayLike, miss: ArrayLike | None) -> Reals:
    total = -ndtri(chance("error", error))
    return total if miss is None else total - ndtri(chance("miss", miss))


def _second_moment(limit: NDArray[np.float64], alpha: NDArray[np.float64]) -> Reals:
    """Return E xi^2 over |xi| < t, by Gauss-Legendre in asinh(x)."""
    nodes, weights = np.polynomial.legendre.leggauss(CLIP_NODES)
    end = np.arcsinh(limit)[..., None]
    s = end * (nodes + 1) / 2
    x = np.sinh(s)
    density = np.asarray(law.density(x, alpha[..., None]))
    return end[..., 0] * (weights * x * x * density * np.cosh(s)).sum(-1)
