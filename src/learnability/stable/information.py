"""How much one value tells about the parameters of the law."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._numerics import CELLS, LARGEST_X, WIDTH, log_derivatives
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


def information(alpha: ArrayLike) -> Information:
    """Return the Fisher information of one value.

    I_jk = int (d log p/d j) (d log p/d k) p dx

    Args:
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
    s, weight = panels(float(np.arcsinh(LARGEST_X / WIDTH)), CELLS, PANEL_NODES)
    near = WIDTH * np.sinh(s)
    near_weight = weight * np.hypot(near, WIDTH)
    s, weight = panels(-np.log(TAIL_MASS) / alpha, TAIL_PANELS, PANEL_NODES)
    far = LARGEST_X * np.exp(s)
    return np.concatenate([near, far]), np.concatenate([near_weight, weight * far])


def panels(
    end: float, count: int, order: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes and weights of Gauss and Legendre on equal panels of [0, end].

    Args:
        end: where the last panel ends.
        count: number of panels.
        order: nodes of a panel.

    Example:
        >>> x, weight = panels(2.0, 4, 3)
        >>> round(float(weight @ x**5), 9)
        10.666666667
    """
    nodes, weights = np.polynomial.legendre.leggauss(order)
    edges = np.linspace(0, end, count + 1)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()
