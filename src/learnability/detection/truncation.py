"""Stable tails that end: how far the exponent kappa carries before it becomes 2.

Gradients are bounded, by clipping at the latest. A stable law cut off at |xi| <= L has
a variance, and means of more than N_c values are Gaussian.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from learnability.detection.power import samples_needed
from learnability.stable import law
from learnability.stable._checks import Reals, positive, tail_index


def truncated_variance(limit: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return the variance of the standard law cut off far out.

    Var = 2 c_alpha alpha/(2-alpha) L^(2-alpha)

    Arguments:
        limit: L, in units of sigma, large against 1.
        alpha: tail index in (1, 2); both broadcast.

    Returns:
        The variance, in units of sigma^2; at alpha = 2 the Gaussian's 2.

    Raises:
        ValueError: alpha outside (1, 2], or a limit that is not positive.

    Example:
        >>> bool(truncated_variance(100.0, 1.5) > truncated_variance(20.0, 1.5))
        True

    Source: tail x^-alpha integrated to L; Mantegna and Stanley 1994, PRL 73, 2946.
    """
    index = tail_index(alpha, mean_exists=True)
    cut = positive("limit", limit)
    gap = np.where(index < 2, 2 - index, 1.0)
    variance = 2 * np.asarray(law.tail_constant(index)) * index / gap * cut**gap
    return np.where(index < 2, variance, 2.0)[()]


def crossover(limit: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return the number of values beyond which means are Gaussian.

    N_c = (c_alpha alpha/(2-alpha))^(alpha/(2-alpha)) L^alpha

    Arguments:
        limit: L, in units of sigma, large against 1.
        alpha: tail index in (1, 2); both broadcast.

    Returns:
        N_c, not rounded; at alpha = 2 it is 0, means are Gaussian from the start.

    Raises:
        ValueError: alpha outside (1, 2], or a limit that is not positive.

    Example:
        >>> round(float(crossover(20.0, 1.5))), round(float(crossover(100.0, 1.5)))
        (19, 214)

    Source: where N^(1/alpha) equals sqrt(N Var/2); Mantegna and Stanley 1994.
    """
    index = tail_index(alpha, mean_exists=True)
    cut = positive("limit", limit)
    gap = np.where(index < 2, 2 - index, 1.0)
    strength = np.asarray(law.tail_constant(index)) * index / gap
    return np.where(index < 2, strength ** (index / gap) * cut**index, 0.0)[()]


def samples_needed_truncated(
    signal: ArrayLike,
    scale: ArrayLike,
    alpha: ArrayLike,
    limit: ArrayLike,
    *,
    error: ArrayLike = 0.05,
    miss: ArrayLike | None = None,
) -> Reals:
    """Return the samples that the mean needs when the tails end at L.

    N = min(stable, Gaussian of the truncated variance): the first below N_c, exponent
    kappa, the second beyond, exponent 2

    Arguments:
        signal: m, location of one value, in the unit of the values.
        scale: sigma, in the unit of the values.
        alpha: tail index in (1, 2].
        limit: L, in units of sigma; all broadcast.
        error: probability of a wrong sign, or of seeing a signal that is not there.
        miss: probability of missing a signal that is there; None tests the sign.

    Returns:
        N, not rounded.

    Raises:
        ValueError: as for `samples_needed`, or a limit that is not positive.

    Example:
        >>> cut = samples_needed_truncated(0.01, 1.0, 1.5, 20.0)
        >>> bool(cut < samples_needed(0.01, 1.0, 1.5))
        True

    Source: the two regimes of a truncated mean, Mantegna and Stanley 1994.
    """
    stable = samples_needed(signal, scale, alpha, error=error, miss=miss)
    width = np.asarray(scale) * np.sqrt(truncated_variance(limit, alpha) / 2)
    gaussian = samples_needed(signal, width, 2.0, error=error, miss=miss)
    return np.minimum(stable, gaussian)[()]
