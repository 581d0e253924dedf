"""From gate statistics to the zero-order envelope of many units.

A unit with gate s forgets with the leak 1-s; with a the gate's pre-activation,
1-s = sigmoid(-a) and the rate of forgetting is r = -log(1-s) = log(1 + e^a). Envelopes
here are means over units, f(l)/H, equal to 1 at lag 0.

Three ways to vary: from unit to unit (quenched), from step to step (annealed), both
(mixed). Breadth across units lengthens memory, jitter in time does not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, lambertw, roots_hermitenorm

from learnability.stable._checks import Reals, positive

NODES = 200
"""Gauss-Hermite nodes: the quenched mean is exact to 1e-8 for sd <= 2, l <= 1e4."""


def mean_gate(mean: ArrayLike, sd: ArrayLike) -> Reals:
    """Return the mean gate of a normal pre-activation.

    E s = E sigmoid(a), a ~ N(mean, sd^2)

    Arguments:
        mean, sd: of the pre-activation, without unit; broadcast; sd may be 0.

    Returns:
        E s in (0, 1).

    Raises:
        ValueError: a negative or infinite sd.

    Example:
        >>> round(float(mean_gate(0.0, 3.0)), 12)
        0.5

    Source: Gauss-Hermite quadrature, Abramowitz and Stegun 1964, 25.4.46.
    """
    return _average(mean, sd, lambda a: expit(a))


def quenched(lags: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> Reals:
    """Return the envelope of gates that differ from unit to unit and stay.

    f(l)/H = E (1 + e^a)^-l, a ~ N(mean, sd^2)

    Arguments:
        lags: l >= 0, broadcast against the others.
        mean, sd: of the pre-activation across units, without unit.

    Returns:
        f/H.

    Raises:
        ValueError: a negative or infinite sd.

    Example:
        >>> bool(abs(quenched(50.0, -4.0, 1.0) - 0.4074) < 1e-4)
        True

    Source: average of e^(-l r) over units.
    """
    grid = np.asarray(lags, np.float64)[..., None]
    return _average(mean, sd, lambda a: np.exp(-grid * np.logaddexp(0, a)))


def quenched_saddle(lags: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> Reals:
    """Return the quenched envelope for small rates in closed form.

    f/H = exp(-(W^2 + 2W)/(2 sd^2)) / sqrt(1 + W), W = W0(l sd^2 e^mean); the local
    exponent -dlog f/dlog l is about W/sd^2: neither power nor exponential

    Arguments:
        lags: l >= 0, broadcast against the others.
        mean, sd: of the pre-activation across units, without unit; sd > 0.

    Returns:
        f/H, within a few per cent where the gates are small.

    Raises:
        ValueError: sd not positive.

    Example:
        >>> bool(abs(quenched_saddle(50.0, -4.0, 1.0) - 0.4090) < 1e-4)
        True

    Source: Laplace transform of the log-normal law, Asmussen, Jensen and
    Rojas-Nandayapa 2016, Methodol. Comput. Appl. Probab. 18, 441.
    """
    variance = positive("sd", sd) ** 2
    w = np.real(lambertw(np.asarray(lags) * variance * np.exp(mean)))
    return np.exp(-(w * w + 2 * w) / (2 * variance)) / np.sqrt(1 + w)


def annealed(lags: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> Reals:
    """Return the mean envelope of gates drawn anew at every step.

    f(l)/H = (E (1-s))^l

    Arguments:
        lags: l >= 0, broadcast against the others.
        mean, sd: of the pre-activation in time, without unit.

    Returns:
        f/H.

    Raises:
        ValueError: a negative or infinite sd.

    Example:
        >>> bool(annealed(1000.0, -4.0, 1.0) < quenched(1000.0, -4.0, 1.0))
        True

    Source: independence of the steps.
    """
    return (1 - np.asarray(mean_gate(mean, sd))) ** np.asarray(lags, np.float64)


def typical(lags: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> Reals:
    """Return the typical envelope of gates drawn anew at every step.

    exp(l E log(1-s)), at most the annealed mean

    Arguments:
        lags: l >= 0, broadcast against the others.
        mean, sd: of the pre-activation in time, without unit.

    Returns:
        f/H of almost every unit at long lags.

    Raises:
        ValueError: a negative or infinite sd.

    Example:
        >>> bool(typical(1000.0, -4.0, 1.0) < annealed(1000.0, -4.0, 1.0))
        True

    Source: law of large numbers for log(1-s).
    """
    rate = _average(mean, sd, lambda a: np.logaddexp(0, a))
    return np.exp(-np.asarray(lags, np.float64) * rate)


def correlated(
    lags: ArrayLike, mean: ArrayLike, sd: ArrayLike, correlation: ArrayLike
) -> Reals:
    """Return the mean envelope of gates that follow a weak AR(1) in time.

    f(l)/H = exp(-l (E r - Var(r)/2 (1+rho)/(1-rho))), to second order in sd

    Arguments:
        lags: l, long against 1/(1-rho), broadcast against the others.
        mean, sd: of the pre-activation in time, without unit; sd up to about 0.3.
        correlation: rho of neighbouring steps, in [0, 1).

    Returns:
        f/H.

    Raises:
        ValueError: a negative sd, rho outside [0, 1), or fluctuations so strong that
            the second order would predict growth.

    Example:
        >>> slow, fast = (correlated(100.0, -2.0, 0.25, rho) for rho in (0.9, 0.0))
        >>> bool(slow > fast)
        True

    Source: second cumulant of a sum of correlated rates, van Kampen 1974, Physica 74.
    """
    rho = np.asarray(correlation, np.float64)
    if ((rho < 0) | (rho >= 1)).any():
        raise ValueError("correlation must lie in [0, 1): it is that of one step")
    rate = np.asarray(_average(mean, sd, lambda a: np.logaddexp(0, a)))
    square = np.asarray(_average(mean, sd, lambda a: np.logaddexp(0, a) ** 2))
    effective = rate - (square - rate**2) / 2 * (1 + rho) / (1 - rho)
    if (effective <= 0).any():
        raise ValueError(
            "the gates vary too strongly in time for two cumulants, which predict "
            "growth: simulate instead"
        )
    return np.exp(-np.asarray(lags, np.float64) * effective)


def mixed(lags: ArrayLike, mean: float, across: float, within: float) -> Reals:
    """Return the envelope of gates that differ between units and jitter in time.

    f(l)/H = E_b [ (E_eta (1 - sigmoid(b + eta)))^l ], b ~ N(mean, across^2),
    eta ~ N(0, within^2) anew at every step

    Arguments:
        lags: l >= 0, any shape.
        mean: of the pre-activation.
        across: standard deviation across units.
        within: standard deviation in time.

    Returns:
        f/H.

    Raises:
        ValueError: a negative or infinite standard deviation.

    Example:
        >>> one, other = mixed(100.0, -4.0, 1.0, 0.0), quenched(100.0, -4.0, 1.0)
        >>> bool(abs(one / other - 1) < 1e-9)
        True

    Source: quenched average of annealed leaks.
    """
    nodes, weights = _hermite()
    units = mean + _spread(across)[()] * nodes
    leak = 1 - np.asarray(mean_gate(units, within))
    return (leak ** np.asarray(lags, np.float64)[..., None]) @ weights


def _average(
    mean: ArrayLike,
    sd: ArrayLike,
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> Reals:
    """Return E function(a), a ~ N(mean, sd^2), on the last axis."""
    nodes, weights = _hermite()
    a = np.asarray(mean, np.float64)[..., None] + _spread(sd)[..., None] * nodes
    return (function(a) @ weights)[()]


def _spread(sd: ArrayLike) -> NDArray[np.float64]:
    spread = np.asarray(sd, np.float64)
    if not (np.isfinite(spread) & (spread >= 0)).all():
        raise ValueError("sd must be finite and not negative")
    return spread


@lru_cache(maxsize=1)
def _hermite() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = roots_hermitenorm(NODES)
    return nodes, weights / np.sqrt(2 * np.pi)
