"""Standard errors of the estimators from theory."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from learnability.stable import law
from learnability.stable._checks import LOWEST_ALPHA, Reals, positive, tail_index
from learnability.stable.information import information
from learnability.stable.koutrouvelis1980 import FREQUENCIES, regression
from learnability.stable.mcculloch1986 import LEVELS

Method = Literal["koutrouvelis", "mcculloch", "likelihood"]

EDGE = 1e-3
"""At 2 - alpha below this the errors are those at this distance: the estimate stops at
2 and has no standard error of its own."""

ALPHA_STEP = 1e-4
"""Step of the slopes of quantiles by alpha; their error is its square."""


class Errors(NamedTuple):
    """Standard errors of alpha, sigma and location, each of the shape of alpha."""

    alpha: Float[np.ndarray, "*batch"]
    sigma: Float[np.ndarray, "*batch"]
    location: Float[np.ndarray, "*batch"]


def standard_errors(
    alpha: ArrayLike,
    sigma: ArrayLike,
    sequences: int,
    *,
    method: Method = "koutrouvelis",
) -> Errors:
    """Return the standard errors of an estimator on n values of a stable law.

    likelihood: I^-1/n; koutrouvelis: (X' Z^-1 X)^-1/n; mcculloch: J C J'/n with
    C_jk = p_j (1-p_k) / (f(q_j) f(q_k)) the covariance of the quantiles, j <= k

    Arguments:
        alpha: tail index in [0.5, 2], any shape.
        sigma: scale, in the unit of the values, same shape.
        sequences: number of values.
        method: "koutrouvelis", "mcculloch" or "likelihood".

    Returns:
        `Errors`; for alpha within 0.001 of 2 those at this distance.

    Raises:
        ValueError: alpha outside [0.5, 2], sigma or sequences not positive, or an
            unknown method.

    Example:
        >>> best = standard_errors(1.5, 1.0, 1000, method="likelihood")
        >>> bool(best.alpha < standard_errors(1.5, 1.0, 1000).alpha)
        True

    Source: DuMouchel 1973, Ann. Stat. 1, 948; Koutrouvelis 1980, eq. 3.4; McCulloch
    1986, Commun. Stat. Simul. Comput. 15, 1109, section 3.
    """
    index = np.minimum(tail_index(alpha), 2 - EDGE)
    count = float(positive("sequences", sequences))
    scale = positive("sigma", sigma)
    errors = np.sqrt(variances(method, index) / count)
    return Errors(errors[0], errors[1] * scale, errors[2] * scale)


def variances(method: Method, alpha: Reals) -> NDArray[np.float64]:
    """Return n times the variances of alpha, log sigma and location/sigma.

    As for `standard_errors`.

    Arguments:
        method: "koutrouvelis", "mcculloch" or "likelihood".
        alpha: tail index in [0.5, 2), any shape.

    Returns:
        Variances (3, ...).

    Raises:
        ValueError: an unknown method.

    Example:
        >>> float(np.round(variances("likelihood", np.array(1.0))[2], 9))
        2.0

    Source: as for `standard_errors`.
    """
    index = np.asarray(alpha)
    if method == "koutrouvelis":
        return _koutrouvelis(index)
    if method == "likelihood":
        return _likelihood(index)
    if method == "mcculloch":
        return _mcculloch(index)
    raise ValueError(
        f"method is {method!r}, but must be one of {', '.join(get_args(Method))}"
    )


def _koutrouvelis(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.broadcast_to(FREQUENCIES, (*alpha.shape, len(FREQUENCIES)))
    fit = regression(alpha, t)
    diagonal = np.diagonal(fit.covariance, axis1=-2, axis2=-1)
    return np.stack([diagonal[..., 0], diagonal[..., 1], fit.location_variance])


def _likelihood(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    exact = information(alpha)
    determinant = exact.alpha * exact.sigma - np.square(exact.cross)
    return np.stack(
        [exact.sigma / determinant, exact.alpha / determinant, 1 / exact.location]
    )


def _mcculloch(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the variances by the slopes of the estimates by the five quantiles."""
    index = alpha[..., None]
    quantiles = np.asarray(law.quantile(LEVELS, index))
    covariance = quantile_covariance(quantiles, index)
    wide = quantiles[..., 4, None] - quantiles[..., 0, None]
    narrow = quantiles[..., 3, None] - quantiles[..., 1, None]
    tails, quarters = np.array([-1, 0, 0, 0, 1]), np.array([0, -1, 0, 1, 0])
    low = np.maximum(index - ALPHA_STEP, LOWEST_ALPHA)
    high = np.minimum(index + ALPHA_STEP, 2.0)
    outer, inner = (
        np.log(law.quantile(p, high) / law.quantile(p, low)) / (high - low)
        for p in (0.95, 0.75)
    )
    # log ratio = log R(alpha), and log sigma = log width - log width(alpha).
    by_alpha = (tails / wide - quarters / narrow) / (outer - inner)
    by_sigma = quarters / narrow - inner * by_alpha
    slopes = np.stack([by_alpha, by_sigma])
    spread = np.einsum("p...j,...jk,p...k->p...", slopes, covariance, slopes)
    return np.concatenate([spread, covariance[None, ..., 2, 2]])


def quantile_covariance(
    quantiles: NDArray[np.float64], alpha: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return n times the covariance (..., 5, 5) of the sample quantiles.

    C_jk = p_j (1 - p_k) / (f(q_j) f(q_k)) for j <= k

    Arguments:
        quantiles: those of the law at the levels of McCulloch (..., 5).
        alpha: tail index (..., 1).

    Returns:
        C (..., 5, 5).

    Example:
        >>> q = np.asarray(law.quantile(LEVELS, 1.0))
        >>> float(quantile_covariance(q, np.array([1.0]))[2, 2].round(6))
        2.467401

    Source: Mosteller 1946, Ann. Math. Stat. 17, 377.
    """
    weight = np.asarray(law.density(quantiles, alpha))
    joint = np.minimum(LEVELS, LEVELS[:, None]) - LEVELS * LEVELS[:, None]
    return joint / (weight[..., None, :] * weight[..., :, None])
