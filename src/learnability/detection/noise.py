"""Which noise the signal of a lag meets: common to all lags, carried along, or both.

The signal of lag l is m f(l). A noise floor common to all lags gives the samples
needed that the envelope families assume. Noise that is carried by the same transport
falls with the signal, and only the number of units that share it counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma

from learnability.detection.power import samples_needed
from learnability.stable import law
from learnability.stable._checks import Reals, positive, tail_index


def effective_units(rates: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return how many units average the noise of a lag.

    H_eff = (sum_q |mu_q| / (sum_q |mu_q|^alpha)^(1/alpha))^kappa, between 1 and H

    Arguments:
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
    error: ArrayLike = 0.05,
    miss: ArrayLike | None = None,
) -> Reals:
    """Return the samples needed where the noise is carried by the same transport.

    psi = sum_q mu_q (m + sigma xi_q): N = (sigma q/m)^kappa / H_eff

    Arguments:
        rates: effective learning rates mu (..., unit).
        signal: m, of one unit, in the unit of the values.
        scale: sigma, of one unit, in the unit of the values.
        alpha: tail index in (1, 2]; all but the units broadcast.
        error: probability of a wrong sign, or of seeing a signal that is not there.
        miss: probability of missing a signal that is there; None tests the sign.

    Returns:
        N (...), not rounded.

    Raises:
        ValueError: as for `effective_units` and `samples_needed`.

    Example:
        >>> one = samples_needed_carried(np.ones(1), 0.1, 1.0, 1.5)
        >>> round(float(one / samples_needed_carried(np.ones(8), 0.1, 1.0, 1.5)), 9)
        8.0

    Source: scale sigma |mu|_alpha against signal m |mu|_1.
    """
    alone = samples_needed(signal, scale, alpha, error=error, miss=miss)
    return alone / effective_units(rates, alpha)


def mixed_scale(
    envelope: ArrayLike, common: ArrayLike, carried: ArrayLike, alpha: ArrayLike
) -> Reals:
    """Return the scale of a noise that is partly common and partly carried.

    sigma(l)^alpha = sigma0^alpha + (sigma1 f(l))^alpha

    Arguments:
        envelope: f(l) >= 0.
        common: sigma0, the floor common to all lags.
        carried: sigma1, the part that falls with the envelope.
        alpha: tail index in (1, 2]; all broadcast.

    Returns:
        sigma(l), to be used as the scale of `samples_needed`.

    Raises:
        ValueError: alpha outside (1, 2], or a scale that is not positive.

    Example:
        >>> round(float(mixed_scale(0.75, 1.0, 1.0, 2.0)), 9)
        1.25

    Source: sum of independent stable values, Samorodnitsky and Taqqu 1994, 1.2.1.
    """
    index = tail_index(alpha, mean_exists=True)
    floor = positive("common", common) ** index
    part = positive("carried", carried) * np.asarray(envelope, np.float64)
    return ((floor + part**index) ** (1 / index))[()]


def null_floor(samples: ArrayLike, scale: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return the mean size of an average without any signal.

    E|mean| = sigma N^(-1/kappa) (2/pi) Gamma(1 - 1/alpha)

    Arguments:
        samples: N, number of values averaged.
        scale: sigma, in the unit of the values.
        alpha: tail index in (1, 2]; all broadcast.

    Returns:
        The floor below which an estimated signal means nothing, in the unit of sigma.

    Raises:
        ValueError: alpha outside (1, 2], samples or scale not positive.

    Example:
        >>> round(float(null_floor(1, 1.0, 2.0)), 3)
        1.128

    Source: absolute moment of the stable law, Samorodnitsky and Taqqu 1994, 1.2.17.
    """
    index = tail_index(alpha, mean_exists=True)
    mean = 2 / np.pi * gamma(1 - 1 / index)
    shrink = positive("samples", samples) ** (1 / index - 1)
    return (positive("scale", scale) * shrink * mean)[()]


def threshold_error(threshold: ArrayLike, alpha: ArrayLike) -> Reals:
    """Return the error probability behind a threshold on the signal-to-noise ratio.

    delta = P(xi > eps) for |m| N^(1/kappa)/sigma > eps

    Arguments:
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

    Source: law of the mean.
    """
    index = tail_index(alpha, mean_exists=True)
    return law.survival(positive("threshold", threshold), index)


def leaky_unit_need(
    lags: ArrayLike,
    gate: float,
    coupling: float,
    scale: float,
    alpha: float,
    *,
    error: float = 0.05,
) -> Reals:
    """Return the samples needed by a leaky unit with stable label noise.

    h' = (1-s) h + s x, y = c x_{t-l} + sigma xi: the gradient of the read-out weight
    at 0 has mean c s (1-s)^l and noise of scale sigma (E|h|^alpha)^(1/alpha), h
    Gaussian of variance s/(2-s): a noise floor that really is common to all lags;
    N = (sigma (E|h|^alpha)^(1/alpha) q / (c s (1-s)^l))^kappa for large N

    Arguments:
        lags: l >= 0, any shape.
        gate: s in (0, 1).
        coupling: c, positive.
        scale: sigma of the label noise, in the unit of y.
        alpha: tail index in (1, 2].
        error: probability of a wrong sign.

    Returns:
        N, not rounded.

    Raises:
        ValueError: a gate outside (0, 1), another argument not positive, or alpha
            outside (1, 2].

    Example:
        >>> need = leaky_unit_need(np.array([10.0, 20.0]), 0.1, 1.0, 1.0, 1.5)
        >>> round(float(np.log(need[1] / need[0]) / (-10 * np.log(0.9))), 6)
        3.0

    Source: conditional on h the gradient is stable of scale sigma |h|.
    """
    if not 0 < gate < 1:
        raise ValueError(f"gate must lie inside (0, 1), but is {gate:g}")
    index = float(tail_index(alpha, mean_exists=True))
    variance = gate / (2 - gate)
    moment = (2 * variance) ** (index / 2) * gamma((index + 1) / 2) / np.sqrt(np.pi)
    floor = float(positive("scale", scale)) * moment ** (1 / index)
    delays: NDArray[np.float64] = np.asarray(lags, np.float64)
    signal = float(positive("coupling", coupling)) * gate * (1 - gate) ** delays
    return samples_needed(signal, floor, index, error=error)
