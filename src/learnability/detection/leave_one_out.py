"""What the interval of N(l) is made of: statistics without each of the sequences.

The direction that gradients are projected on is an estimate. Where noise lies along few
directions its variance hangs on that estimate as a squared cosine, which near its
largest and smallest values hardly changes to first order: an interval from slopes alone
is too short there, on the side where the truth is. So the variance is followed along
the way that the sequences turn the direction most (docs/explanation/windows.md).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

STEPS = 9
"""Places on either side and at the sample where an interval's ends are looked for."""


class Turning(NamedTuple):
    """How the direction that gradients are projected on turns with the sequences.

    Attributes:
        tilt: what leaving a sequence out adds to the squared deviations of the others'
            projections; (lag, direction, sequence).
        path: how the variance v goes on with the direction as sequences weigh
            ``1 + e w_i``, w from `turned_by`: ``(v + a e + b e^2)/(1 + g e + h e^2)``;
            a, b, g, h of each (lag, direction).
    """

    tilt: Float[np.ndarray, "lag direction sequence"]
    path: Float[np.ndarray, "lag direction 4"]


def u_statistic(
    square: Float[np.ndarray, "lag sequence"], dot: Float[np.ndarray, "lag sequence"]
) -> tuple[Float[np.ndarray, "lag"], Float[np.ndarray, "lag sequence"]]:
    """Return U, unbiased for ``||E S_n||^2``, and U without each sequence.

    ``U = (A - Q)/(n(n-1))`` with ``A = ||sum S||^2 = sum dot``, ``Q = sum square``;
    ``U_(-i) = (A - 2 S_i.S + q_i - (Q - q_i))/((n-1)(n-2))``.

    Args:
        square: ``q_i = ||S_i||^2``.
        dot: ``S_i . S``, S the sum over all sequences.

    Source: Hoeffding 1948.
    """
    n = square.shape[-1]
    a, q = dot.sum(axis=-1, keepdims=True), square.sum(axis=-1, keepdims=True)
    whole = (a - q)[..., 0] / (n * (n - 1))
    without = (a - 2 * dot + square - (q - square)) / ((n - 1) * (n - 2))
    return whole, without


def projected_variance(
    projection: Float[np.ndarray, "... sequence"],
    tilt: Float[np.ndarray, "... sequence"] | float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the variance of projections, and it without each sequence.

    Leaving sequence i out takes ``(p_i - mean)^2 n/(n - 1)`` off the sum of squared
    deviations, and adds tilt_i, since the directions of the others turn.

    Args:
        projection: ``G_n . s/||s||``, s from all other sequences.
        tilt: see `evidence.ProbeStatistics`.
    """
    n = projection.shape[-1]
    square = (projection - projection.mean(axis=-1, keepdims=True)) ** 2
    total = square.sum(axis=-1, keepdims=True)
    without = np.maximum(total - square * n / (n - 1), 0.0)  # by rounding below
    with np.errstate(divide="ignore", invalid="ignore"):
        turned = tilt / without
        # To first order 1 + turned; a variance stays positive however far it turns.
        factor = np.where(turned > 0, 1 + turned, 1 / (1 - turned))
        varied = without * factor
    # Where nothing but sequence i varies, only the turn is left.
    varied = np.where(without == 0, np.maximum(tilt, 0.0), varied)
    return total[..., 0] / (n - 1), varied / (n - 2)


def influence(
    without: Float[np.ndarray, "... sequence"],
) -> Float[np.ndarray, "... sequence"]:
    """Return what each sequence adds to a statistic: ``(n - 1) (mean - x_(-i))``.

    Source: Tukey 1958.
    """
    return (without.shape[-1] - 1) * (without.mean(axis=-1, keepdims=True) - without)


def jackknife_error(
    without: Float[np.ndarray, "... sequence"],
) -> Float[np.ndarray, "..."]:
    """Return the standard error ``sqrt((n-1)/n sum (x_(-i) - mean)^2)``.

    Source: Tukey 1958; Efron 1982, section 3.
    """
    n = without.shape[-1]
    return np.sqrt((influence(without) ** 2).sum(axis=-1) / (n * (n - 1)))


def turned_by(
    projection: Float[np.ndarray, "... sequence"],
    tilt: Float[np.ndarray, "... sequence"],
) -> Float[np.ndarray, "... sequence"]:
    """Return what sequences add to log variance by the direction, scaled to length 1.

    Args:
        projection: see `projected_variance`.
        tilt: likewise.
    """
    (_, still), (_, varied) = (projected_variance(projection, t) for t in (0.0, tilt))
    with np.errstate(divide="ignore", invalid="ignore"):
        return _unit(influence(np.log(varied / still)))


def _unit(values: Float[np.ndarray, "... _"]) -> Float[np.ndarray, "... _"]:
    """Return vectors of length 1, 0 where there is no direction."""
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return values / np.where(length > 0, length, 1.0)


def log_ends(
    signal: Float[np.ndarray, "lag sequence"],
    projection: Float[np.ndarray, "lag direction sequence"],
    turning: Turning | None,
    tail: float,
) -> tuple[Float[np.ndarray, "lag"], Float[np.ndarray, "lag"]]:
    """Return how far log N(l) lies below and above what was seen, at most.

    Args:
        signal: U without each sequence.
        projection: ``G_n . s/||s||``.
        turning: of the direction, or None.
        tail: beyond each end.
    """
    if turning is None:
        shape = (*projection.shape[:2], 4)
        turning = Turning(np.zeros_like(projection), np.zeros(shape))
    variance, still = projected_variance(projection)
    _, varied = projected_variance(projection, turning.tilt)
    # Logarithms: a ratio's error is a factor, and information is never negative.
    every, steady = (influence(np.log(v.mean(1) / signal)) for v in (varied, still))
    n, way = signal.shape[-1], _unit(every)
    reach = _student(every, tail) * np.sqrt(n / (n - 1))
    move = reach[:, None] * np.linspace(-1, 1, STEPS)
    share = (turned_by(projection, turning.tilt) * way[:, None]).sum(axis=-1)
    e = move[:, None] * share[..., None]
    a, b, g, h = np.moveaxis(turning.path, -1, 0)[..., None]
    bent = (variance[..., None] + a * e + b * e**2) / (1 + g * e + h * e**2)
    log_variance = np.log(bent.mean(axis=1) / variance.mean(axis=1)[:, None])
    found = log_variance + move * (steady * way).mean(axis=-1)[:, None]
    return found.min(axis=-1), found.max(axis=-1)


def _student(
    influences: Float[np.ndarray, "lag sequence"], tail: float
) -> Float[np.ndarray, "lag"]:
    """Return Student's quantile for as many sequences as the influences come from."""
    square = influences**2
    total = square.sum(axis=-1)
    freedom = np.where(total > 0, total**2 / (square**2).sum(axis=-1), square.shape[-1])
    return stats.t.isf(tail, freedom)
