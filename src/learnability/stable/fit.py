"""A stable law for every lag, each parameter with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from learnability.stable import _resample
from learnability.stable._checks import probability, sample_values
from learnability.stable._estimate import Estimate
from learnability.stable._interval import beside_two, from_ratio, log_ratio
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
    are percentiles over resampled sequences, the same resample for all lags. Two of
    alpha are tests turned round instead. That of McCulloch holds every alpha with

        |log R - log R(alpha)| <= z s(alpha)/sqrt(n), R = (q.95 - q.05)/(q.75 - q.25),

    s the standard deviation under that alpha. That of the others, next to 2: a sample
    may miss the large values that tell alpha from 2, so the interval reaches down to
    the alpha whose estimate is 2 with probability (1 - level)/2, and above that alpha
    its upper end errs with probability 1 - level, the lower end being unable to err.

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

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13;
    tests turned round: Neyman 1937, Phil. Trans. R. Soc. A 236, 333.
    """
    array = sample_values(values)
    if array.ndim != 2:
        raise ValueError(
            f"values have {array.ndim} axes, but need two: (lag, sequence)"
        )
    _check(method, level, resamples)
    estimate, outcomes = _estimates(method, array)
    good = np.array([sentence == "" for sentence in outcomes])
    ends = np.full((3, 2, len(array)), np.nan)
    here = Estimate(*(part[good] for part in estimate))
    ends[..., good] = _ends(method, array[good], here, level, resamples, seed)
    return StableFit(
        *estimate,
        *ends.reshape(6, -1),
        method=method,
        level=level,
        resamples=resamples,
        sequences=array.shape[1],
        outcomes=outcomes,
    )


def _ends(
    method: Method,
    values: Float[np.ndarray, "lag sequence"],
    estimate: Estimate,
    level: float,
    resamples: int,
    seed: Any,
) -> Float[np.ndarray, "three two lag"]:
    """Return the ends of the intervals of the three parameters."""
    if method == "mcculloch":
        draws = _resample.quantile_draws(values, resamples, seed)
    else:
        counts = _resample.draw_counts(values.shape[1], resamples, seed)
        draws = _resample.draws(method, values, counts, estimate)
    tails = [(1 - level) / 2, (1 + level) / 2]
    # Of B sorted draws the k-th cuts off k/(B+1), as an exact interval needs.
    ends = np.quantile(draws, tails, axis=1, method="weibull").swapaxes(0, 1)
    if method == "mcculloch":
        ends[0] = from_ratio(log_ratio(values), values.shape[1], level)
    else:
        ends[0] = beside_two(method, estimate.alpha, ends[0], level, values.shape[1])
    return ends


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
