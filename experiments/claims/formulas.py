"""The closed forms that the experiments hold their simulations against."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma

from learnability.detection.samples import samples_needed
from learnability.stable import law
from learnability.stable.checks import Reals, positive, tail_index
from learnability.stable.likelihood import panels

PANELS, NODES = 48, 10
"""Gauss-Legendre panels and nodes; doubling either changes D by less than 1e-9."""

FARTHEST = 1e6
"""The integrand falls as x^(-3-alpha) beyond the shift: what is left is below 1e-15."""


def divergence(shift: ArrayLike, alpha: float) -> Reals:
    """Return the Kullback-Leibler divergence between the law and its shift.

    D(d) = int p(x) log(p(x)/p(x-d)) dx; (I_alpha/2) d^2 for small d, and never more:
    the exponent of every lower bound on the samples needed is 2.

    Args:
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
        s, weight = panels(float(end), PANELS, NODES)
        offset = np.sinh(s)
        near = np.asarray(law.density(offset, alpha))
        far = np.asarray(law.density(2 * half + side * offset, alpha))
        total += weight @ ((near - far) * np.log(near / far) * np.cosh(s))
    return float(total)


def threshold_error(threshold: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return the error probability behind a threshold on the signal-to-noise ratio.

    delta = P(xi > eps) for |m| N^(1/kappa)/sigma > eps

    Args:
        threshold: eps > 0, without unit.
        alpha: tail index in (1, 2]; both broadcast.

    Returns:
        The probability of a wrong sign just at the threshold: no fixed eps is a
        confidence.

    Raises:
        ValueError: alpha outside (1, 2], or a threshold that is not positive.

    Example:
        >>> round(float(threshold_error(0.1, 1.5)), 2)
        0.47
    """
    index = tail_index(alpha, mean_exists=True)
    return law.survival(positive("threshold", threshold), index)


def effective_units(rates: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return how many units average the noise of a lag.

    H_eff = (sum_q |mu_q| / (sum_q |mu_q|^alpha)^(1/alpha))^kappa, between 1 and H

    Args:
        rates: effective learning rates mu (..., unit), any unit: their size cancels.
        alpha: tail index in (1, 2], broadcast against the leading axes.

    Returns:
        H_eff (...).

    Raises:
        ValueError: alpha outside (1, 2], or rates that are all zero or not finite.

    Example:
        >>> round(float(effective_units(np.ones(64), 1.5)), 9)
        64.0

    Source: sum of independent stable values, Samorodnitsky and Taqqu 1994, 1.2.1.
    """
    index = tail_index(alpha, mean_exists=True)
    size = np.abs(np.asarray(rates, np.float64))
    largest = size.max(-1, keepdims=True)
    if not (np.isfinite(largest) & (largest > 0)).all():
        raise ValueError(
            "the rates of some lag are all zero or not finite: leave it out"
        )
    # Relative to the largest, so that no power of a small rate underflows.
    share = size / largest
    power = (share ** index[..., None]).sum(-1) ** (1 / index)
    return ((share.sum(-1) / power) ** np.asarray(law.kappa(index)))[()]


def samples_needed_carried(
    rates: ArrayLike,
    signal: ArrayLike,
    scale: ArrayLike,
    alpha: ArrayLike,
    *,
    significance: ArrayLike = 0.05,
) -> Reals:
    """Return the samples needed where the noise is carried by the same transport.

    psi = sum_q mu_q (m + sigma xi_q): signal m |mu|_1 against scale sigma |mu|_alpha,
    N = (sigma q/m)^kappa / H_eff

    Args:
        rates: effective learning rates mu (..., unit).
        signal: m, of one unit, in the unit of the values.
        scale: sigma, of one unit, in the unit of the values.
        alpha: tail index in (1, 2]; all but the units broadcast.
        significance: probability of a wrong sign.

    Returns:
        N (...), not rounded.

    Raises:
        ValueError: as for `effective_units` and `samples_needed`.

    Example:
        >>> one = samples_needed_carried(np.ones(1), 0.1, 1.0, 1.5)
        >>> round(float(one / samples_needed_carried(np.ones(8), 0.1, 1.0, 1.5)), 9)
        8.0
    """
    alone = samples_needed(signal, scale, alpha, significance=significance)
    return alone / effective_units(rates, alpha)


def leaky_unit_need(
    lags: ArrayLike,
    gate: float,
    coupling: float,
    scale: float,
    alpha: float,
    *,
    significance: float = 0.05,
) -> Reals:
    """Return the samples needed by a leaky unit with stable label noise.

    h' = (1-s) h + s x, y = c x_{t-l} + sigma xi: conditional on h the gradient of the
    read-out weight at 0 is stable of scale sigma |h|. Its mean is c s (1-s)^l and its
    scale sigma (E|h|^alpha)^(1/alpha), h Gaussian of variance s/(2-s): a noise floor
    that really is common to all lags;
    N = (sigma (E|h|^alpha)^(1/alpha) q / (c s (1-s)^l))^kappa for large N

    Args:
        lags: l >= 0, any shape.
        gate: s in (0, 1).
        coupling: c, positive.
        scale: sigma of the label noise, in the unit of y.
        alpha: tail index in (1, 2].
        significance: probability of a wrong sign.

    Returns:
        N, not rounded.

    Raises:
        ValueError: a gate outside (0, 1), another argument not positive, or alpha
            outside (1, 2].

    Example:
        >>> need = leaky_unit_need(np.array([10.0, 20.0]), 0.1, 1.0, 1.0, 1.5)
        >>> round(float(np.log(need[1] / need[0]) / (-10 * np.log(0.9))), 6)
        3.0
    """
    if not 0 < gate < 1:
        raise ValueError(f"gate must lie inside (0, 1), but is {gate:g}")
    index = float(tail_index(alpha, mean_exists=True))
    variance = gate / (2 - gate)
    moment = (2 * variance) ** (index / 2) * gamma((index + 1) / 2) / np.sqrt(np.pi)
    floor = float(positive("scale", scale)) * moment ** (1 / index)
    delays: NDArray[np.float64] = np.asarray(lags, np.float64)
    signal = float(positive("coupling", coupling)) * gate * (1 - gate) ** delays
    return samples_needed(signal, floor, index, significance=significance)
