"""How much one value tells about the parameters of the law."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _series, _table
from .checks import NEARLY_GAUSSIAN, Reals, tail_index

PANEL_NODES = 8
"""Gauss-Legendre nodes a panel; 16 change the information by less than 1e-10."""

TAIL_PANELS, TAIL_MASS = 40, 1e-16
"""The integrals stop where the probability left is TAIL_MASS."""


class Information(NamedTuple):
    """Fisher information of one value at scale 1.

    The location is orthogonal to the others by symmetry. At scale sigma divide
    `sigma` and `location` by sigma^2 and `cross` (alpha with sigma) by sigma.
    """

    alpha: Reals
    cross: Reals
    sigma: Reals
    location: Reals


def log_derivatives(
    x: NDArray[np.float64], alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the log density at x >= 0 and its derivatives by x and by alpha.

    log p, d log p/dx, d log p/d alpha

    Arguments:
        x: values, not negative, one axis.
        alpha: one tail index in [0.5, 2 - 1e-6].

    Returns:
        Three arrays of the shape of x.

    Example:
        >>> value, slope, _ = log_derivatives(np.array([0.0, 1.0]), 1.0)
        >>> bool(abs(slope[1] + 1) < 1e-9)
        True

    Source: Zolotarev 1986, differentiated under the integral.
    """
    far = x > _table.LARGEST_X
    if not far.any():
        return _table.lookup_log_scores(x, alpha)
    whole = np.empty((3, *x.shape))
    whole[:, ~far] = _table.lookup_log_scores(x[~far], alpha)
    whole[:, far] = _series.log_scores(x[far], alpha)
    return whole[0], whole[1], whole[2]


def information(alpha: ArrayLike) -> Information:
    """Return the Fisher information of one value.

    I_jk = int (d log p/d j) (d log p/d k) p dx

    Arguments:
        alpha: tail index in [0.5, 2], any shape.

    Returns:
        An `Information` of arrays of the shape of alpha; at alpha = 2 (within 1e-6)
        the entries `alpha` and `cross` are infinite.

    Raises:
        ValueError: alpha outside [0.5, 2].

    Example:
        >>> round(float(information(1.0).location), 9), float(information(2.0).sigma)
        (0.5, 2.0)

    Source: DuMouchel 1975, J. Am. Stat. Assoc. 70, 386.
    """
    index = tail_index(alpha)
    flat = np.array([_information(float(value)) for value in index.ravel()])
    columns = flat.T.reshape(4, *index.shape)
    return Information(*(column[()] for column in columns))


@lru_cache(maxsize=4096)
def _information(alpha: float) -> tuple[float, float, float, float]:
    if alpha > 2 - NEARLY_GAUSSIAN:
        # Gaussian of variance 2; the tail that alpha < 2 adds is infinitely telling.
        return np.inf, -np.inf, 2.0, 0.5
    x, weight = _quadrature(alpha)
    log_density, by_x, by_alpha = log_derivatives(x, alpha)
    by_sigma = -1 - x * by_x
    # Twice the half line.
    weight = 2 * weight * np.exp(log_density)
    return (
        float(weight @ (by_alpha * by_alpha)),
        float(weight @ (by_alpha * by_sigma)),
        float(weight @ (by_sigma * by_sigma)),
        float(weight @ (by_x * by_x)),
    )


def _quadrature(alpha: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes and weights for integrals over x > 0: asinh first, then log."""
    nodes, weights = np.polynomial.legendre.leggauss(PANEL_NODES)
    edges = np.linspace(
        0, np.arcsinh(_table.LARGEST_X / _table.WIDTH), _table.CELLS + 1
    )
    half = np.diff(edges)[:, None] / 2
    s = (edges[:-1, None] + half * (nodes + 1)).ravel()
    near = _table.WIDTH * np.sinh(s)
    near_weight = (half * weights).ravel() * np.hypot(near, _table.WIDTH)
    length = -np.log(TAIL_MASS) / alpha
    edges = np.linspace(0, length, TAIL_PANELS + 1)
    half = np.diff(edges)[:, None] / 2
    far = _table.LARGEST_X * np.exp((edges[:-1, None] + half * (nodes + 1)).ravel())
    far_weight = (half * weights).ravel() * far
    return np.concatenate([near, far]), np.concatenate([near_weight, far_weight])
