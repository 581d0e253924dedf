"""N(l): how many sequences show a dependency, from a law or from probe gradients.

Averaging n gradients, a dependency of strength c at lag l moves their mean by
``c ||s_l||`` along ``s_l/||s_l||``, against a noise of ``sigma_l/sqrt(n)``. A test at
size a that misses with probability b therefore needs ``N(l) = (z_{1-a} + z_{1-b})^2 /
rho_l`` sequences, ``rho_l = c^2 ||s_l||^2/sigma_l^2`` the information of one
(docs/explanation/windows.md). Where the law of the values is known and stable, its
quantiles stand for z and kappa for the exponent 2 (`samples_needed`).
"""

from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ..stable import law as stable_law
from ..stable.checks import Reals, magnitude, positive, probability, tail_index
from .leave_one_out import (
    Turning,
    jackknife_error,
    log_ends,
    projected_variance,
    u_statistic,
)

SMALLEST_SIGNIFICANCE = 1e-300
"""Half of it, and what it leaves of a tail, are still numbers of full precision."""

EXPONENTS = {"v1": np.asarray, "v4": stable_law.kappa}
"""Of the samples needed, by law, from alpha: v1 is alpha, v4 is alpha/(alpha-1).

They name versions 1 and 4 of arXiv 2512.05790; only v4 follows from the law of a mean.
"""


def samples_needed(
    signal: ArrayLike,
    scale: ArrayLike,
    alpha: ArrayLike,
    *,
    significance: ArrayLike = 0.05,
    power: ArrayLike | None = None,
    law: str = "v4",
) -> Reals:
    """Return the number of values whose mean shows the signal.

    ``N = (sigma q / |m|)^kappa``, ``q = q_{1-significance}`` for the sign of m, and
    ``q_{1-significance} + q_{power}`` for 0 against m; law "v1" puts alpha for kappa

    Args:
        signal: m, location of one value, in the unit of the values; 0 needs infinitely
            many.
        scale: sigma, in the unit of the values.
        alpha: tail index in (1, 2]; all broadcast.
        significance: probability of a wrong sign, or of seeing a signal that is not
            there.
        power: probability of seeing a signal that is there; None tests the sign.
        law: "v4" (exponent kappa) or "v1" (exponent alpha, published first).

    Returns:
        N, not rounded.

    Raises:
        ValueError: alpha outside (1, 2], scale not positive, NaN, a significance
            outside (0, 1/2], a power outside [1/2, 1), or an unknown law.

    Example:
        >>> round(float(samples_needed(0.1, 1.0, 2.0)), 1)
        541.1

    Source: Livi 2025, arXiv 2512.05790 (v1 and v4); quantile of the law of the mean.
    """
    if law not in EXPONENTS:
        raise ValueError(f"law is {law!r}, but must be one of {', '.join(EXPONENTS)}")
    index = tail_index(alpha, mean_exists=True)
    exponent = EXPONENTS[law](index)
    quantile = quantile_sum(index, significance, power)
    # No signal, and one that needs more than 1e308 samples, need infinitely many.
    with np.errstate(divide="ignore", over="ignore"):
        ratio = positive("scale", scale) / magnitude("signal", signal)
        return ((quantile * ratio) ** exponent)[()]


class NoiseFloor(TypedDict, total=False):
    """What a noise floor may be given as; see `noise_level`."""

    signal: ArrayLike
    scale: ArrayLike
    significance: ArrayLike


def noise_level(
    n_sequences: ArrayLike,
    alpha: ArrayLike,
    *,
    signal: ArrayLike = 1.0,
    scale: ArrayLike = 1.0,
    significance: ArrayLike = 0.05,
) -> Reals:
    """Return the level that an envelope must reach to be seen in N samples.

    eps_N = (sigma q_{1-significance} / m0) N^(-1/kappa)

    Args:
        n_sequences: N, number of sequences, positive.
        alpha: tail index in (1, 2].
        signal: m0, signal at envelope 1.
        scale: sigma, noise floor, in the unit of the signal.
        significance: probability of the wrong sign.

    Returns:
        The level, without unit.

    Raises:
        ValueError: alpha outside (1, 2], a significance outside (0, 1/2), or another
            argument not positive.

    Example:
        >>> round(float(noise_level(1e5, 1.5)), 7)
        0.0657521

    Source: Livi 2025, arXiv 2512.05790 (v4), with the quantile for the threshold.
    """
    index = tail_index(alpha, mean_exists=True)
    ratio = positive("scale", scale) / positive("signal", signal)
    quantile = quantile_sum(index, significance, None)
    if (quantile <= 0).any():
        raise ValueError(
            "significance is 0.5, which a coin needs no sample for: give less"
        )
    power = -1 / np.asarray(stable_law.kappa(index))
    return (ratio * quantile * positive("n_sequences", n_sequences) ** power)[()]


def quantile_sum(
    alpha: NDArray[np.float64], significance: ArrayLike, power: ArrayLike | None
) -> NDArray[np.float64]:
    """Return q_{1-significance}, plus q_{power} where a power is given.

    Both come from the lower tail, since 1 - tail would round a small one.

    Raises:
        ValueError: a significance outside (0, 1/2], a power outside [1/2, 1).
    """
    tails = [probability("significance", significance)]
    if (tails[0] > 0.5).any():
        raise ValueError(
            f"significance is {tails[0].max():g}, worse than a coin: give at most 0.5"
        )
    if power is not None:
        tails.append(1 - probability("power", power))
        if (tails[1] > 0.5).any():
            raise ValueError(
                f"power is {np.min(power):g}, worse than a coin: give at least 0.5"
            )
    quantiles = [stable_law.quantile(tail, alpha) for tail in tails]
    return np.asarray(-sum(quantiles))


@dataclass(frozen=True)
class SamplesNeeded:
    """Samples needed by lag, with their interval.

    Attributes:
        needed: N(l); inf where the lag is not resolved; (lag,).
        lower: lower end of N(l).
        upper: upper end of N(l); inf where the lag is not resolved.
        resolved: whether U(l) is significantly above 0.
        signal: U(l), the unbiased estimate of ``||s_l||^2``.
        noise: ``sigma_l``; the scale of the stable law where kappa is not 2.
        effect_size: c.
        kappa: exponent of N in the formula used: 2 is the Gaussian one, more than 2
            that of a stable law (`heavy_noise`).
    """

    needed: Float[np.ndarray, "lag"]
    lower: Float[np.ndarray, "lag"]
    upper: Float[np.ndarray, "lag"]
    resolved: np.ndarray
    signal: Float[np.ndarray, "lag"]
    noise: Float[np.ndarray, "lag"]
    effect_size: float
    kappa: Float[np.ndarray, "lag"]


def needed_by_gradients(
    square: Float[np.ndarray, "lag sequence"],
    dot: Float[np.ndarray, "lag sequence"],
    projection: Float[np.ndarray, "lag direction sequence"],
    turning: Turning | None = None,
    *,
    effect_size: float,
    significance: float = 0.05,
    power: float = 0.95,
    level: float = 0.95,
) -> SamplesNeeded:
    """Return the samples needed at each lag, with intervals from the jackknife.

    The ends are what N(l) would be if sequences weighed more or less along what each
    adds to log N(l), as far as Student's quantile of ``(sum d^2)^2/sum d^4`` degrees
    of freedom, d what they add. In the direction that gradients are projected on the
    variance is followed as it bends, in all else log N(l) is a straight line.

    Args:
        square: ``||S_n||^2``.
        dot: ``S_n . S``.
        projection: ``G_n . s/||s||``.
        turning: of the direction with the sequences; None where it is known.
        effect_size: c; 0 means that there is nothing to detect.
        significance: a, the test's size.
        power: 1 - b, the probability to find the dependency.
        level: confidence of the intervals.

    Raises:
        ValueError: if there are fewer than 4 sequences, the effect size is negative,
            the significance lies outside (0, 1/2), the power outside (1/2, 1), or the
            level outside (0, 1).

    Example:
        >>> import numpy as np
        >>> s = np.random.default_rng(0).normal(1.0, 1.0, size=(1, 400))
        >>> r = needed_by_gradients(s**2, s * s.sum(), 3 * s[:, None], effect_size=1.0)
        >>> bool(abs(r.needed[0] / (10.82 * 9) - 1) < 0.2)
        True

    Source: Efron 1987 (least favourable family); Satterthwaite 1946 (degrees of
    freedom).
    """
    if square.shape[-1] < 4:
        raise ValueError(f"too few sequences: {square.shape[-1]}; give at least 4")
    if effect_size < 0:
        raise ValueError(f"the effect size is {effect_size}; it cannot be negative")
    if not SMALLEST_SIGNIFICANCE <= significance < 0.5:
        raise ValueError(
            f"significance is {significance}; it must lie between 0 and 1/2"
        )
    if not 0.5 < power < 1:
        raise ValueError(f"power is {power}; it must lie between 1/2 and 1")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must lie between 0 and 1")
    signal, signal_without = u_statistic(square, dot)
    variance = projected_variance(projection)[0].mean(axis=1)
    z = float(stats.norm.ppf(0.5 + level / 2))
    reach = z * jackknife_error(signal_without)
    factor = float(stats.norm.isf(significance) + stats.norm.isf(1 - power)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        resolved = effect_size**2 * (signal - reach) / variance > 0
        around = projection, turning, 0.5 - level / 2
        less, more = np.exp(log_ends(signal_without, *around))
        # Of a lag that is not resolved U has an upper end, and the noise its own ends.
        quiet, _ = np.exp(log_ends(np.ones_like(signal_without), *around))
        needed = factor * variance / (effect_size**2 * signal)
        largest = factor * variance * quiet / (effect_size**2 * (signal + reach))
        # At a low level one sequence can carry all of a signal that is resolved.
        told = resolved & np.isfinite(less) & np.isfinite(more)
    return SamplesNeeded(
        needed=np.where(resolved, needed, np.inf),
        lower=np.where(told, needed * less, _or_infinite(largest)),
        upper=np.where(told, needed * more, np.inf),
        resolved=resolved,
        signal=signal,
        noise=np.sqrt(variance),
        effect_size=effect_size,
        kappa=np.full(signal.shape, 2.0),
    )


def undefined(need: SamplesNeeded) -> SamplesNeeded:
    """Return samples needed of which nothing is known: nan, and nothing resolved."""
    nothing = np.full(need.needed.shape, np.nan)
    names = ("needed", "lower", "upper")
    return replace(
        need,
        **dict.fromkeys(names, nothing),
        resolved=np.zeros(nothing.shape, bool),
    )


def _or_infinite(samples: Float[np.ndarray, "lag"]) -> Float[np.ndarray, "lag"]:
    """Return the samples, inf where no effect or no signal makes sense of them."""
    return np.where(samples > 0, samples, np.inf)
