"""A stable law for every lag, each parameter with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from learnability.stable import _resample
from learnability.stable._checks import probability, sample_values
from learnability.stable._distance import lowest_alpha_seen_as_two
from learnability.stable._estimate import Estimate
from learnability.stable.errors import Method
from learnability.stable.koutrouvelis1980 import koutrouvelis
from learnability.stable.likelihood import maximum_likelihood
from learnability.stable.mcculloch1986 import mcculloch

ESTIMATORS = {
    "koutrouvelis": koutrouvelis,
    "mcculloch": mcculloch,
    "likelihood": maximum_likelihood,
}

Lags = Float[np.ndarray, " lag"]


@dataclass(frozen=True)
class StableFit:
    """A symmetric stable law for every lag, with intervals from resampled sequences.

    alpha has no unit; sigma and location have the unit of the values. `*_lower` and
    `*_upper` are the ends of the interval that holds the parameter with probability
    `level`; `sequences` is the number of values of a lag. `outcomes` has "" for a lag,
    or the sentence that says why all its numbers are NaN.
    """

    alpha: Lags
    sigma: Lags
    location: Lags
    alpha_lower: Lags
    alpha_upper: Lags
    sigma_lower: Lags
    sigma_upper: Lags
    location_lower: Lags
    location_upper: Lags
    method: Method
    level: float
    resamples: int
    sequences: int
    outcomes: tuple[str, ...]


def fit(
    values: ArrayLike,
    *,
    method: Method = "koutrouvelis",
    level: float = 0.95,
    resamples: int = 200,
    seed: Any,
) -> StableFit:
    """Fit a symmetric stable law to the values of every lag.

    x = location + sigma xi, xi with characteristic function exp(-|u|^alpha); intervals
    are percentiles over resampled sequences, the same resample for all lags. Close to
    2 a sample may miss the large values that tell alpha from 2; the interval of alpha
    reaches down to the alpha that looks like 2 with probability (1 - level)/2.

    Arguments:
        values: one value a lag and sequence (lag, sequence), at least 50 sequences.
        method: "koutrouvelis", "mcculloch" or "likelihood".
        level: probability of the intervals.
        resamples: number of resamples, at least 20.
        seed: whatever `numpy.random.default_rng` takes.

    Returns:
        A `StableFit`.

    Raises:
        ValueError: fewer than 50 sequences, NaN, constant values, an unknown method, a
            level outside (0, 1) or fewer than 20 resamples.

    Example:
        >>> from learnability.stable import law
        >>> fitted = fit(law.sample(1.5, (2, 500), seed=1), seed=2)
        >>> bool((fitted.alpha_lower < 1.5).all() and (1.5 < fitted.alpha_upper).all())
        True

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    array = sample_values(values)
    if array.ndim != 2:
        raise ValueError(
            f"values have {array.ndim} axes, but need two: (lag, sequence)"
        )
    _check(method, level, resamples)
    estimate, outcomes = _estimates(method, array)
    counts = _resample.draw_counts(array.shape[1], resamples, seed)
    tails = [(1 - level) / 2, (1 + level) / 2]
    ends = np.full((3, 2, len(array)), np.nan)
    for lag, row in enumerate(array):
        if outcomes[lag]:
            continue
        here = Estimate(*(part[lag] for part in estimate))
        for parameter, draws in enumerate(_resample.draws(method, row, counts, here)):
            # Of B sorted draws the k-th cuts off k/(B+1), as an exact interval needs.
            ends[parameter, :, lag] = np.quantile(draws, tails, method="weibull")
    farthest = lowest_alpha_seen_as_two(method, tails[0], array.shape[1])
    ends[0, 0] = np.minimum(ends[0, 0], farthest)
    return StableFit(
        *estimate,
        *ends.reshape(6, -1),
        method=method,
        level=level,
        resamples=resamples,
        sequences=array.shape[1],
        outcomes=outcomes,
    )


def _estimates(method: Method, array: np.ndarray) -> tuple[Estimate, tuple[str, ...]]:
    """Return the estimate of every lag, NaN where it failed, and why it failed."""
    if method != "likelihood":
        return ESTIMATORS[method](array), ("",) * len(array)
    found, outcomes = np.full((3, len(array)), np.nan), []
    for lag, row in enumerate(array):
        try:
            found[:, lag] = maximum_likelihood(row)
            outcomes.append("")
        except ArithmeticError as failure:
            outcomes.append(str(failure))
    return Estimate(*found), tuple(outcomes)


def _check(method: str, level: float, resamples: int) -> None:
    if method not in ESTIMATORS:
        raise ValueError(
            f"method is {method!r}, but must be one of {', '.join(get_args(Method))}"
        )
    probability("level", level)
    if resamples < 20:
        raise ValueError(
            f"{resamples} resamples give no interval: ask for at least 20, 200 is usual"
        )
