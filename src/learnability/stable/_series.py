"""The tail of the law as a series in x^-alpha.

    density(x)  = (1/pi) sum_k Gamma(k alpha+1)/k! sin(k pi (2-alpha)/2) x^(-k alpha-1)
    survival(x) = (1/pi) sum_k Gamma(k alpha)/k!   sin(k pi (2-alpha)/2) x^(-k alpha)

asymptotic for alpha > 1 and convergent below (Feller 1971, vol. II, XVII.6; the sines
are written so that they are exact as alpha -> 2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

TERMS = np.arange(1, 21)
"""At x = 20 the last term is below 1e-16 of the first for every alpha in [0.5, 2]."""


def _terms(
    x: NDArray[np.float64], alpha: NDArray[np.float64], shift: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the size of every term and the angle of its sine."""
    order = TERMS * alpha[:, None]
    log_size = (
        gammaln(order + shift)
        - gammaln(TERMS + 1.0)
        - (order + shift) * np.log(x)[:, None]
    )
    return np.exp(log_size) / np.pi, np.pi / 2 * TERMS * (2 - alpha[:, None])


def density(x: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the density at x >= 20."""
    size, angle = _terms(x, alpha, 1)
    return (size * np.sin(angle)).sum(-1)


def survival(x: NDArray[np.float64], alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upper tail probability at x >= 20."""
    size, angle = _terms(x, alpha, 0)
    return (size * np.sin(angle)).sum(-1)


def log_scores(
    x: NDArray[np.float64], alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the log density and its derivatives by x and by alpha at x >= 20.

    Everything is relative to the first term, so that no x is too large.
    """
    order, angle = TERMS * alpha, np.pi / 2 * TERMS * (2 - alpha)
    log_x = np.log(x)
    powers = np.exp(-np.outer(log_x, order - alpha))
    factor = np.exp(gammaln(order + 1) - gammaln(TERMS + 1.0))
    sines = factor * np.sin(angle)
    total = powers @ sines
    by_x = -(powers @ (sines * (order + 1))) / total / x
    own = TERMS * (sines * digamma(order + 1) - factor * np.cos(angle) * np.pi / 2)
    by_alpha = (powers @ own - log_x * (powers @ (sines * TERMS))) / total
    return np.log(total / np.pi) - (alpha + 1) * log_x, by_x, by_alpha
