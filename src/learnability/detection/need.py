"""From the values of every lag to the samples each lag needs, by the law that holds.

Where a lag's values are stable its mean concentrates as N^(-1/kappa) and the quantiles
of the stable law count; where their variance is finite it is Gaussian, kappa = 2. The
verdict of the stability check decides, and every lag says which rule was used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from learnability.detection.power import Law, exponent_of, quantile_sum
from learnability.stable import _resample
from learnability.stable._checks import probability, sample_values
from learnability.stable._estimate import Estimate
from learnability.stable.aggregation import FINITE, STABLE, UNDECIDED, Verdict
from learnability.stable.errors import Method
from learnability.stable.fit import ESTIMATORS

Rule = Literal["stable mean", "Gaussian mean", "the larger of stable and Gaussian"]

ALPHAS = np.linspace(1 + 1e-9, 2.0, 401)
"""Fine enough that an interpolated quantile is exact to 1e-6."""

RULES: dict[Verdict, Rule] = {
    STABLE: "stable mean",
    FINITE: "Gaussian mean",
    UNDECIDED: "the larger of stable and Gaussian",
}


@dataclass(frozen=True)
class Need:
    """Samples that each lag needs, with the rule that gave them.

    needed: N(l) (lag); lower, upper: ends of its interval (lag), upper inf where the
    interval of the location holds 0, so that the lag is not resolved; rule: one of
    three names a lag; alpha: tail index that was used, 2 under the Gaussian rule (lag);
    law: "v1" or "v4"; level: probability of the intervals.
    """

    needed: Float[np.ndarray, " lag"]
    lower: Float[np.ndarray, " lag"]
    upper: Float[np.ndarray, " lag"]
    rule: tuple[Rule, ...]
    alpha: Float[np.ndarray, " lag"]
    law: Law
    level: float


def need(
    values: ArrayLike,
    verdicts: Sequence[Verdict],
    *,
    method: Method = "koutrouvelis",
    error: float = 0.05,
    miss: float | None = None,
    law: Law = "v4",
    level: float = 0.95,
    resamples: int = 200,
    seed: Any,
) -> Need:
    """Return the samples that the mean of each lag needs, by the rule of its verdict.

    stable mean: N = (sigma q / |m|)^kappa; Gaussian mean: N = (s z / |m|)^2, s the
    standard deviation; intervals are percentiles over resampled sequences

    Arguments:
        values: one value a lag and sequence (lag, sequence), at least 50 sequences.
        verdicts: of `check_stability`, one a lag.
        method: estimator of the stable law.
        error: probability of a wrong sign, or of seeing a signal that is not there.
        miss: probability of missing a signal that is there; None tests the sign.
        law: exponent of the stable rule, "v4" (kappa) or "v1" (alpha).
        level: probability of the intervals.
        resamples: of the sequences, at least 20.
        seed: whatever `numpy.random.default_rng` takes.

    Returns:
        A `Need`; infinite where the stable rule meets alpha <= 1, whose mean does not
        concentrate at all.

    Raises:
        ValueError: values that no estimator takes, a number of verdicts other than that
            of lags, an unknown verdict or law, or a probability out of range.

    Example:
        >>> noise = np.random.default_rng(1).normal(0.5, 1.0, size=(1, 2000))
        >>> found = need(noise, ["finite variance: kappa = 2"], seed=2)
        >>> bool(found.lower[0] < 1.645**2 / 0.25 < found.upper[0])
        True

    Source: Livi 2025, arXiv 2512.05790 (v1 and v4); Gaussian limit where it holds.
    """
    array = sample_values(values)
    _check(array, verdicts, level, resamples)
    estimate = ESTIMATORS[method](array)
    counts = _resample.draw_counts(array.shape[1], resamples, seed)
    tails = [(1 - level) / 2, (1 + level) / 2]
    rows = np.empty((4, len(array)))
    # The estimate itself is drawn first, so that one formula serves both.
    draws = _resample.draws(method, array, counts, estimate)
    every = np.concatenate([np.stack(estimate)[:, None], draws], axis=1)
    for lag, (row, verdict) in enumerate(zip(array, verdicts, strict=True)):
        together = Estimate(*every[..., lag])
        moments = _moments(row, counts)
        numbers, centres = _numbers(verdict, together, moments, error, miss, law)
        # An order statistic: some draws may be infinite.
        ends = np.quantile(numbers[1:], tails, method="inverted_cdf")
        unresolved = np.prod(np.quantile(centres[1:], tails)) <= 0
        ends[1] = np.inf if unresolved else ends[1]
        used = 2.0 if verdict == FINITE else float(together.alpha[0])
        rows[:, lag] = numbers[0], *ends, used
    return Need(
        *rows[:3],
        rule=tuple(RULES[verdict] for verdict in verdicts),
        alpha=rows[3],
        law=law,
        level=level,
    )


def _numbers(
    verdict: Verdict,
    estimate: Estimate,
    moments: Estimate,
    error: float,
    miss: float | None,
    law: Law,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return samples needed and location, the estimate first and its draws after it."""
    gaussian = _needed(moments, error, miss, law)
    if verdict == FINITE:
        return gaussian, moments.location
    stable = _needed(estimate, error, miss, law)
    if verdict == STABLE:
        return stable, estimate.location
    return np.maximum(stable, gaussian), estimate.location


def _needed(
    estimate: Estimate, error: float, miss: float | None, law: Law
) -> NDArray[np.float64]:
    """Return N, infinite for alpha <= 1 and for a location of 0."""
    concentrates = estimate.alpha > 1
    alpha = np.where(concentrates, estimate.alpha, 2.0)
    quantile = _quantile_curve(error, miss)(alpha)
    # Next to alpha = 1 kappa is so large that N overflows, which is its limit.
    with np.errstate(divide="ignore", over="ignore"):
        ratio = quantile * estimate.sigma / np.abs(estimate.location)
        return np.where(concentrates, ratio ** exponent_of(law, alpha), np.inf)


@lru_cache(maxsize=8)
def _quantile_curve(error: float, miss: float | None) -> PchipInterpolator:
    """Return the quantile as a function of alpha, sought on a grid only."""
    return PchipInterpolator(ALPHAS, quantile_sum(ALPHAS, error, miss))


def _moments(values: NDArray[np.float64], counts: _resample.Counts) -> Estimate:
    """Return the Gaussian law of the values and of every resample."""
    weights = np.concatenate([np.ones((1, len(values))), counts])
    shift = values.mean()
    centred = values - shift
    mean = weights @ centred / len(values)
    variance = weights @ centred**2 / len(values) - mean**2
    return Estimate(np.full(len(mean), 2.0), np.sqrt(variance / 2), mean + shift)


def _check(
    values: NDArray[np.float64],
    verdicts: Sequence[Verdict],
    level: float,
    resamples: int,
) -> None:
    if values.ndim != 2 or len(verdicts) != len(values):
        raise ValueError(
            f"values have shape {values.shape} and there are {len(verdicts)} verdicts: "
            "give values (lag, sequence) and one verdict a lag"
        )
    unknown = [verdict for verdict in verdicts if verdict not in RULES]
    if unknown:
        raise ValueError(
            f"verdict is {unknown[0]!r}, but must be one of {', '.join(RULES)}"
        )
    probability("level", level)
    if resamples < 20:
        raise ValueError(
            f"{resamples} resamples give no interval: ask for at least 20, 200 is usual"
        )
