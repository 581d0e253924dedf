"""Samples needed without a law: how often does the mean of b sequences err?

Subsamples of the values at hand are averaged and their sign compared with that of all
values. Nothing is assumed about tails or exponents, and so nothing is said beyond the
largest subsample: a lag that still errs there is censored, not extrapolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from learnability.detection.power import chance
from learnability.stable._checks import probability, sample_values

LARGEST_SHARE = 8
"""Subsamples hold at most an eighth of the values: eight are disjoint, and the sign of
all values is known far better than that of a part."""

NO_ERROR = 1e-4
"""Stands for an error of 0, which has no logarithm to interpolate."""


@dataclass(frozen=True)
class Subsampling:
    """Error of the sign of the mean against the size of the subsample.

    sizes: sequences in a subsample (size); error: share of wrong signs, made monotone
    (size, lag); needed: smallest size whose error is at most the demanded one, inf
    where none is (lag); lower, upper: ends of its interval, inf where there is none
    (lag).
    """

    sizes: Int[np.ndarray, " size"]
    error: Float[np.ndarray, "size lag"]
    needed: Float[np.ndarray, " lag"]
    lower: Float[np.ndarray, " lag"]
    upper: Float[np.ndarray, " lag"]


def subsampled_need(
    values: ArrayLike,
    *,
    error: float = 0.05,
    level: float = 0.95,
    permutations: int = 50,
    resamples: int = 200,
    seed: Any,
) -> Subsampling:
    """Find the samples needed by subsampling, without any law.

    delta(b) = P(sign of the mean of b values differs from that of all), b = 1, 2, 4...;
    N = min{ b : delta(b) <= error }, between sizes on a straight line in logarithms

    Arguments:
        values: one value a lag and sequence (lag, sequence), at least 50 sequences.
        error: demanded probability of a wrong sign.
        level: of the interval, percentiles over resampled sequences.
        permutations: orders in which the values are cut into subsamples.
        resamples: of the sequences, at least 20, each cut once.
        seed: whatever `numpy.random.default_rng` takes.

    Returns:
        A `Subsampling`.

    Raises:
        ValueError: fewer than 50 sequences, NaN, constant values, not two axes, an
            error outside (0, 1/2], a level outside (0, 1), or too few permutations.

    Example:
        >>> noise = np.random.default_rng(1).normal(0.3, 1.0, size=(1, 4000))
        >>> bool(20 < subsampled_need(noise, seed=2).needed[0] < 45)
        True

    Source: Politis, Romano and Wolf 1999, Subsampling, chapter 2.
    """
    array = sample_values(values)
    if array.ndim != 2:
        raise ValueError(
            f"values have {array.ndim} axes, but need two: (lag, sequence)"
        )
    demanded = float(chance("error", error))
    probability("level", level)
    if permutations < 1 or resamples < 20:
        raise ValueError(
            f"{permutations} permutations and {resamples} resamples are too few: "
            "ask for at least 1 and 20"
        )
    sequences = array.shape[1]
    sizes = 2 ** np.arange(int(np.log2(sequences / LARGEST_SHARE)) + 1)
    # Turned so that the mean of all values is positive: a wrong sign is a negative one.
    turned = np.where(array.mean(1, keepdims=True) < 0, -array, array)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(sequences) for _ in range(permutations)]
    cuts = [_wrong_signs(turned, order, sizes) for order in orders]
    shares = _falling(np.mean(cuts, axis=0))
    drawn = [rng.integers(sequences, size=sequences) for _ in range(resamples)]
    needs = np.stack(
        [
            _crossing(sizes, _falling(_wrong_signs(turned, o, sizes)), demanded)
            for o in drawn
        ]
    )
    tail = (1 - level) / 2
    # An order statistic, not an average: some resamples may be censored, at infinity.
    ends = np.quantile(needs, [tail, 1 - tail], axis=0, method="inverted_cdf")
    needed = _crossing(sizes, shares, demanded)
    return Subsampling(sizes, shares, needed, ends[0], ends[1])


def _wrong_signs(
    values: NDArray[np.float64], order: NDArray[np.int64], sizes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the share of negative subsample means (size, lag), lags cut alike."""
    shares = np.empty((len(sizes), len(values)))
    sums = values[:, order]
    for row in range(len(sizes)):
        shares[row] = (sums < 0).mean(-1)
        # Neighbours are added: the sums of the next size, twice as large.
        sums = sums[:, : sums.shape[1] // 2 * 2]
        sums = sums[:, ::2] + sums[:, 1::2]
    return shares


def _falling(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the closest curves that do not rise with the size."""
    columns = [isotonic_regression(curve, increasing=False).x for curve in curves.T]
    return np.stack(columns, 1)


def _crossing(
    sizes: NDArray[np.int64], error: NDArray[np.float64], demanded: float
) -> NDArray[np.float64]:
    """Return where each error falls to the demanded one, inf where it does not."""
    result = np.full(error.shape[1], np.inf)
    for lag, curve in enumerate(error.T):
        reached = np.flatnonzero(curve <= demanded)
        if reached.size == 0:
            continue
        last = reached[0]
        result[lag] = sizes[last]
        if last > 0:
            ends = np.log(np.maximum(curve[last - 1 : last + 1], NO_ERROR))
            part = (ends[0] - np.log(demanded)) / (ends[0] - ends[1])
            result[lag] = sizes[last - 1] * 2.0 ** min(part, 1.0)
    return result
