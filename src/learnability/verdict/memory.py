"""Does a state hold what was new at a lag?"""

import numpy as np
from jaxtyping import Float
from scipy import linalg

from .lag_sums import LagSums
from .regression import FOLDS, NO_RIDGE, explained, solved

RIDGE = 1e-4
"""Added to a state's covariance, in shares of its mean variance."""


def memory(
    sums: LagSums,
    states: slice,
    probes: dict[int, Float[np.ndarray, "feature"]],
    ridge: float = 0.0,
) -> tuple[Float[np.ndarray, "lag"], Float[np.ndarray, "lag"]]:
    r"""Return how much of what was new at each lag a state holds.

    R^2 of a linear read-out of the state at step t for the innovation ``z_t = u'
    (phi_{t-l} - E[phi_{t-l} | phi_{t-l+1}, ..., phi_t])``: what follows from nearer
    inputs needs no memory. The read-out is fitted to other clusters than those it is
    judged on.

    Args:
        sums: of features and columns.
        states: which of the columns are the state.
        probes: u of each lag.
        ridge: added to the features' covariance.

    Returns:
        R^2 and its standard error over clusters; below 0 where the read-out foretells
        nothing.
    """
    xx = sums.xx.sum(0)
    filters = innovations(xx / sums.rows, probes, ridge)
    hx = sums.xy[:, :, states].swapaxes(1, 2) @ filters
    hh = sums.yy[:, states, states]
    zz = (filters * (sums.xx @ filters)).sum(1)
    clusters, size = hx.shape[:2]
    folds = np.arange(clusters) * FOLDS // clusters
    errors, total, by_probe = np.empty_like(zz), hh.sum(0), hx.sum(0)
    for fold in range(FOLDS):
        own = folds == fold
        covariance = total - hh[own].sum(0)
        added = RIDGE * np.trace(covariance) / size + NO_RIDGE
        covariance.flat[:: size + 1] += added
        fit = solved(covariance, by_probe - hx[own].sum(0))
        foretold = (fit * (hh[own] @ fit)).sum(1)
        errors[own] = zz[own] - 2 * np.einsum("sl,gsl->gl", fit, hx[own]) + foretold
    return explained(errors, zz)


def innovations(
    covariance: Float[np.ndarray, "coefficient coefficient"],
    probes: dict[int, Float[np.ndarray, "feature"]],
    ridge: float = 0.0,
) -> Float[np.ndarray, "coefficient lag"]:
    """Return what takes the new part of each lag out of the features of all lags.

    Args:
        covariance: of features of all lags, lag 0 first.
        probes: u of each lag.
        ridge: added to the covariance.

    Example:
        >>> walk = np.array([[3.0, 2.0], [2.0, 2.0]])  # of steps of variance 1
        >>> innovations(walk, {1: np.ones(1)}).round(3).T.tolist()
        [[-0.667, 1.0]]
    """
    added = covariance + (ridge + NO_RIDGE) * np.eye(len(covariance))
    factor = linalg.cholesky(added, lower=True)
    found = np.zeros((len(covariance), len(probes)))
    for column, (lag, u) in zip(found.T, probes.items(), strict=True):
        start = lag * len(u)
        column[start : start + len(u)] = u
        if start:
            nearer, own = factor[:start, :start], factor[start : start + len(u), :start]
            column[:start] = -linalg.solve_triangular(
                nearer, own.T @ u, lower=True, trans=1
            )
    return found
