"""What no test can beat: lower bounds on the samples needed.

They rest on the Kullback-Leibler divergence between the law and its shift,
D(d) = int p(x) log(p(x)/p(x-d)) dx, which is at most I_alpha d^2/2: the exponent of
every lower bound is 2. Only for the experiment reduced to its mean it is kappa.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult, minimize_scalar, root_scalar

from learnability.detection.power import chance
from learnability.stable import law
from learnability.stable._checks import Reals, positive, tail_index
from learnability.stable.information import information

PANELS, NODES = 48, 10
"""Gauss-Legendre panels and nodes; doubling either changes D by less than 1e-9."""

FARTHEST = 1e6
"""The integrand falls as x^(-3-alpha) beyond the shift: what is left is below 1e-15."""

LARGEST_SHIFT = 1e12
"""D grows as log(shift): no error probability that a double holds needs more."""


def divergence(shift: ArrayLike, alpha: float) -> Reals:
    """Return the Kullback-Leibler divergence between the law and its shift.

    D(d) = int p(x) log(p(x)/p(x-d)) dx; (I_alpha/2) d^2 for small d

    Arguments:
        shift: d, in units of sigma, any shape.
        alpha: one tail index in (1, 2].

    Returns:
        D, in nats.

    Raises:
        ValueError: alpha outside (1, 2].

    Example:
        >>> round(float(divergence(1.0, 2.0)), 12)
        0.25

    Source: Kullback and Leibler 1951, Ann. Math. Stat. 22, 79.
    """
    index = float(tail_index(alpha, mean_exists=True))
    distance = np.abs(np.asarray(shift, np.float64))
    if index == 2:
        return distance**2 / 4
    flat = [_divergence(float(d), index) for d in distance.ravel()]
    return np.array(flat).reshape(distance.shape)[()]


def total_variation(shift: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return the total variation distance between the law and its shift.

    TV(d) = 1 - 2 P(xi > d/2)

    Arguments:
        shift: d, in units of sigma, broadcast against alpha.
        alpha: tail index in (1, 2].

    Returns:
        Distances in [0, 1].

    Raises:
        ValueError: alpha outside (1, 2].

    Example:
        >>> round(float(total_variation(2.0, 1.0 + 1e-9)), 6)
        0.5

    Source: a symmetric unimodal density and its shift cross once, half way.
    """
    half = np.abs(np.asarray(shift, np.float64)) / 2
    return 1 - 2 * law.survival(half, tail_index(alpha, mean_exists=True))


def le_cam(
    signal: ArrayLike, scale: ArrayLike, alpha: float, *, error: ArrayLike = 0.05
) -> Reals:
    """Return the samples that any test of the sign of m needs at least.

    N >= log(1/(4 error)) / D(2 m/sigma)

    Arguments:
        signal: m, in the unit of the values.
        scale: sigma, in the unit of the values.
        alpha: one tail index in (1, 2].
        error: probability of a wrong sign; from 1/4 on the bound is 0.

    Returns:
        A lower bound of N, not rounded.

    Raises:
        ValueError: alpha outside (1, 2], scale not positive, error outside (0, 1/2].

    Example:
        >>> bool(le_cam(0.1, 1.0, 1.5) < 632)
        True

    Source: Bretagnolle and Huber 1979, Z. Wahrsch. 47, 119; Le Cam 1973.
    """
    required = np.maximum(-np.log(4 * chance("error", error)), 0.0)
    return _over(required, signal, scale, alpha)


def le_cam_quadratic(
    signal: ArrayLike, scale: ArrayLike, alpha: ArrayLike, *, error: ArrayLike = 0.05
) -> Reals:
    """Return the two-point bound with the divergence replaced by its quadratic bound.

    N >= sigma^2 log(1/(4 error)) / (2 I_alpha m^2)

    Arguments:
        signal: m, in the unit of the values.
        scale: sigma, in the unit of the values.
        alpha: tail index in (1, 2]; all broadcast.
        error: probability of a wrong sign; from 1/4 on the bound is 0.

    Returns:
        A lower bound of N, not rounded; close to `le_cam` for weak signals.

    Raises:
        ValueError: alpha outside (1, 2], scale not positive, error outside (0, 1/2].

    Example:
        >>> ratio = le_cam_quadratic(0.01, 1.0, 1.5) / le_cam(0.01, 1.0, 1.5)
        >>> bool(0.999 < ratio <= 1)
        True

    Source: `le_cam` with D(d) <= I_alpha d^2/2.
    """
    index = tail_index(alpha, mean_exists=True)
    required = np.maximum(-np.log(4 * chance("error", error)), 0.0)
    with np.errstate(divide="ignore"):
        ratio = positive("scale", scale) / np.abs(np.asarray(signal, np.float64))
    strength = 2 * np.asarray(information(index).location)
    return (required / strength * ratio**2)[()]


def le_cam_published(
    signal: ArrayLike, scale: ArrayLike, alpha: float, *, error: ArrayLike = 0.05
) -> Reals:
    """Return the lower bound with the exponent alpha of the first published law.

    N >= log(1/(4 error)) / (C (2|m|/sigma)^alpha), C = sup_d D(d)/d^alpha: true, but
    loose, because D falls as d^2 for small d

    Arguments:
        signal: m, in the unit of the values.
        scale: sigma, in the unit of the values.
        alpha: one tail index in (1, 2].
        error: probability of a wrong sign; from 1/4 on the bound is 0.

    Returns:
        A lower bound of N, not rounded, never above `le_cam`.

    Raises:
        ValueError: alpha outside (1, 2], scale not positive, error outside (0, 1/2].

    Example:
        >>> bool(le_cam_published(0.01, 1.0, 1.5) < le_cam(0.01, 1.0, 1.5))
        True

    Source: Livi 2025, arXiv 2512.05790, version 1, with the constant made explicit.
    """
    index = float(tail_index(alpha, mean_exists=True))
    required = np.maximum(-np.log(4 * chance("error", error)), 0.0)
    with np.errstate(divide="ignore"):
        ratio = positive("scale", scale) / np.abs(np.asarray(signal, np.float64))
    return (required / largest_slope(index) * (ratio / 2) ** index)[()]


@lru_cache(maxsize=64)
def largest_slope(alpha: float) -> float:
    """Return the smallest constant with which the divergence is below a power alpha.

    C = sup_d D(d)/d^alpha

    Arguments:
        alpha: one tail index in (1, 2].

    Returns:
        C, at alpha = 2 the half of the Fisher information.

    Example:
        >>> round(largest_slope(1.5), 2)
        0.28

    Source: maximum over the shift.
    """
    if alpha == 2:
        return float(information(alpha).location) / 2
    found: OptimizeResult = minimize_scalar(
        lambda s: -float(divergence(np.exp(s), alpha)) * np.exp(-alpha * s),
        bounds=(np.log(0.01), np.log(100.0)),
        method="bounded",
    )
    return float(-found.fun)


def le_cam_mean(
    signal: ArrayLike, scale: ArrayLike, alpha: float, *, error: ArrayLike = 0.05
) -> Reals:
    """Return the samples that any test needs that sees nothing but the mean.

    D(2 m N^(1/kappa)/sigma) >= log(1/(4 error)): exponent kappa

    Arguments:
        signal: m, in the unit of the values.
        scale: sigma, in the unit of the values.
        alpha: one tail index in (1, 2].
        error: probability of a wrong sign; from 1/4 on the bound is 0.

    Returns:
        A lower bound of N, not rounded.

    Raises:
        ValueError: alpha outside (1, 2], scale not positive, error outside (0, 1/2].

    Example:
        >>> bool(le_cam_mean(0.01, 1.0, 1.5) > le_cam(0.01, 1.0, 1.5))
        True

    Source: `le_cam` for one draw of the law of the mean.
    """
    index = float(tail_index(alpha, mean_exists=True))
    required = np.maximum(-np.log(4 * chance("error", error)), 0.0)
    shifts = [_shift_of(float(one), index) for one in required.ravel()]
    shift = np.array(shifts).reshape(required.shape)
    with np.errstate(divide="ignore"):
        ratio = positive("scale", scale) / np.abs(np.asarray(signal, np.float64))
    return ((shift / 2 * ratio) ** float(law.kappa(index)))[()]


def fano(
    signal: ArrayLike,
    scale: ArrayLike,
    alpha: float,
    *,
    candidates: int,
    error: ArrayLike = 0.05,
) -> Reals:
    """Return the samples needed at least to tell which of M lags carries the signal.

    N >= ((1 - error) log M - log 2) / D, D = D(m/sigma) + D(-m/sigma), the divergence
    between "the signal is at lag j" and "the signal is at lag k"

    Arguments:
        signal: m, in the unit of the values.
        scale: sigma, in the unit of the values.
        alpha: one tail index in (1, 2].
        candidates: M, number of lags, at least 2.
        error: probability of naming the wrong lag.

    Returns:
        A lower bound of N, not rounded, 0 where the bound says nothing.

    Raises:
        ValueError: alpha outside (1, 2], scale not positive, error outside (0, 1/2] or
            fewer than two candidates.

    Example:
        >>> few, many = (fano(0.1, 1.0, 1.5, candidates=m) for m in (8, 64))
        >>> bool(few < many)
        True

    Source: Cover and Thomas 2006, Elements of Information Theory, theorem 2.10.1.
    """
    if candidates < 2:
        raise ValueError(
            f"{candidates} candidates leave nothing to tell: give 2 or more"
        )
    required = (1 - chance("error", error)) * np.log(candidates) - np.log(2)
    return _over(np.maximum(required, 0.0) / 2, signal, scale, alpha, shift=1.0)


def _over(
    required: Reals,
    signal: ArrayLike,
    scale: ArrayLike,
    alpha: float,
    *,
    shift: float = 2.0,
) -> Reals:
    """Return what is required over the divergence of one value at shift m/sigma."""
    distance = shift * np.asarray(signal, np.float64) / positive("scale", scale)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(required > 0, required / divergence(distance, alpha), 0.0)[()]


@lru_cache(maxsize=4096)
def _divergence(distance: float, alpha: float) -> float:
    """Integrate around the peak at d/2 of the half line right of the middle.

    D = int_0^inf (p(y - d/2) - p(y + d/2)) log(p(y - d/2)/p(y + d/2)) dy
    """
    if distance == 0:
        return 0.0
    half = distance / 2
    left_end, right_end = np.arcsinh(half), np.arcsinh(FARTHEST * (1 + half))
    total = 0.0
    for side, end in ((-1.0, left_end), (1.0, right_end)):
        s, weight = _panels(end)
        offset = np.sinh(s)
        near = np.asarray(law.density(offset, alpha))
        far = np.asarray(law.density(2 * half + side * offset, alpha))
        total += weight @ ((near - far) * np.log(near / far) * np.cosh(s))
    return float(total)


def _panels(end: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    edges = np.linspace(0, end, PANELS + 1)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()


def _shift_of(required: float, alpha: float) -> float:
    """Return the shift whose divergence is required."""
    if required == 0:
        return 0.0
    root = root_scalar(
        lambda s: float(divergence(np.exp(s), alpha)) - required,
        bracket=(np.log(1e-9), np.log(LARGEST_SHIFT)),
        xtol=1e-12,
    )
    return float(np.exp(root.root))
