"""Estimates on resampled sequences, the same resample for all lags.

A resample is a vector of counts: how often each sequence is drawn. An estimator that is
smooth in the values moves, to order 1/n, by the mean of its influence function (Davison
and Hinkley 1997, Bootstrap Methods, 2.7): computed once a lag, weighted by the counts.
In alpha the step is taken on the scale on which estimates are normal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from learnability.stable._distance import move
from learnability.stable._estimate import Estimate
from learnability.stable.errors import Method
from learnability.stable.koutrouvelis1980 import FREQUENCIES, regression
from learnability.stable.likelihood import LARGEST_ALPHA, evaluate
from learnability.stable.mcculloch1986 import LEVELS, from_quantiles

BLOCK = 4_000_000
"""Counts that are turned into floating point at once: 32 MB."""

CHEAPER = 20
"""Ranks drawn alone for every resample asked for."""

GAUSSIAN_FROM = 1.9999
"""Closer to 2 the score by alpha is that of the one largest value, if any: sigma and
location then move as those of a Gaussian."""

GAUSSIAN_INFORMATION = np.array([[2.0], [0.5]])
"""Of one value at alpha = 2, about log sigma and location/sigma."""

Counts = Int[np.ndarray, "resample sequence"]
Influence = Float[np.ndarray, "parameter sequence"]
Drawn = Float[np.ndarray, "three resample lag"]


def draw_counts(sequences: int, resamples: int, seed: Any) -> Counts:
    """Return how often each sequence is drawn in each resample."""
    rng = np.random.default_rng(seed)
    drawn = [
        np.bincount(rng.integers(sequences, size=sequences), minlength=sequences)
        for _ in range(resamples)
    ]
    return np.stack(drawn).astype(np.uint16)


def draws(
    method: Method,
    values: Float[np.ndarray, "lag sequence"],
    counts: Counts,
    estimate: Estimate,
) -> Drawn:
    """Return the estimates of all lags on all resamples.

    estimate + sum_j count_j influence_j for all methods but McCulloch's
    """
    if method == "mcculloch":
        every = [_of_counts(row, counts) for row in values]
        return np.stack([np.stack(one) for one in every], -1)
    drawn = np.empty((3, len(counts), len(values)))
    together = max(1, BLOCK // values.shape[1])
    for first in range(0, len(values), together):
        part = slice(first, first + together)
        laws = np.stack([np.asarray(one)[part] for one in estimate], -1)
        drawn[:, :, part] = _linear(method, values[part], counts, laws)
    return drawn


def _linear(
    method: Method,
    values: Float[np.ndarray, "lag sequence"],
    counts: Counts,
    laws: Float[np.ndarray, "lag three"],
) -> Drawn:
    """Return first-order estimates; alpha is moved on the scale of its distance."""
    influence = likelihood if method == "likelihood" else koutrouvelis
    rows = [influence(row, *one) for row, one in zip(values, laws, strict=True)]
    steps = _sums(counts, np.concatenate(rows)).reshape(len(values), 3, -1)
    drawn = np.full((3, len(counts), len(values)), 2.0)
    for lag, (step, (alpha, sigma, location)) in enumerate(
        zip(steps, laws, strict=True)
    ):
        if alpha <= LARGEST_ALPHA:
            drawn[0, :, lag] = move(method, alpha, step[0])
        drawn[1, :, lag] = sigma * np.exp(step[1])
        drawn[2, :, lag] = location + sigma * step[2]
    return drawn


def _of_counts(values: NDArray[np.float64], counts: Counts) -> Estimate:
    """Return the quantile estimates (resample) of one lag."""
    order = np.argsort(values)
    ranks = _wanted_ranks(len(values))
    picked = np.empty((len(counts), *ranks.shape), np.intp)
    for row, drawn in enumerate(counts):
        last = np.cumsum(drawn[order], dtype=np.int64)
        picked[row] = np.searchsorted(last, ranks, side="right")
    return from_quantiles(_quantiles(values[order], picked))


def quantile_draws(
    values: Float[np.ndarray, "lag sequence"], resamples: int, seed: Any
) -> Drawn:
    """Return McCulloch's estimates of all lags on resamples that are never drawn.

    The k-th smallest of n drawn ranks is floor(n U), U the k-th smallest of n uniform
    numbers: a sum of k of n + 1 exponential numbers over the sum of all. So the ranks
    of the quantiles are drawn alone, in a time that does not depend on n, and so many
    times that the error which all lags share is small.
    """
    count, resamples = values.shape[1], CHEAPER * resamples
    ranks = _wanted_ranks(count)
    gaps = np.diff(ranks.ravel(), prepend=-1, append=count)
    parts = np.random.default_rng(seed).standard_gamma(gaps, (resamples, len(gaps)))
    uniform = np.cumsum(parts, 1)[:, :-1] / parts.sum(1, keepdims=True)
    drawn = np.minimum((count * uniform).astype(np.intp), count - 1)
    picked = drawn.reshape(resamples, *ranks.shape)
    every = [from_quantiles(_quantiles(np.sort(row), picked)) for row in values]
    return np.stack([np.stack(one) for one in every], -1)


def _wanted_ranks(count: int) -> Int[np.ndarray, "level two"]:
    """Return the ranks below and above the place of every quantile."""
    position = (count - 1) * LEVELS
    return np.stack([np.floor(position), np.ceil(position)], -1).astype(np.intp)


def _quantiles(
    ordered: NDArray[np.float64], picked: Int[np.ndarray, "resample level two"]
) -> Float[np.ndarray, "level resample"]:
    """Return quantiles from the ranks that each resample has in their places."""
    lower, upper = ordered[picked[..., 0]], ordered[picked[..., 1]]
    part = ((len(ordered) - 1) * LEVELS) % 1
    return (lower + part * (upper - lower)).T


def likelihood(
    values: NDArray[np.float64], alpha: float, sigma: float, location: float
) -> Influence:
    """Return (sum s s')^-1 s, s the scores by alpha, log sigma, location/sigma.

    The information is that of the sample: a resample that draws a rare large value
    twice must not count it twice as certain too. A Gaussian has no score in alpha, and
    no such values; its own information is that of the law.
    """
    scores = evaluate(values, alpha, sigma, location).scores
    if alpha <= GAUSSIAN_FROM:
        return np.linalg.solve(scores @ scores.T, scores)
    moved = scores[1:] / (len(values) * GAUSSIAN_INFORMATION)
    return np.concatenate([np.zeros((1, len(values))), moved])


def koutrouvelis(
    values: NDArray[np.float64], alpha: float, sigma: float, location: float
) -> Influence:
    """Return what each value adds to the weighted regression on phi, divided by n."""
    z = (values - location) / sigma
    fit = regression(np.array(alpha), FREQUENCIES)
    model = np.exp(-(FREQUENCIES**alpha))
    phase = z[:, None] * FREQUENCIES
    real, imaginary = np.cos(phase), np.sin(phase)
    slope = -model * FREQUENCIES**alpha
    shape = fit.estimator @ ((real - real.mean(0)) / slope).T
    if alpha > LARGEST_ALPHA:
        tilt = fit.covariance[1, 0] / fit.covariance[0, 0]
        shape = np.stack([np.zeros(len(z)), shape[1] - tilt * shape[0]])
    centre = (imaginary - imaginary.mean(0)) @ (fit.centre / model)
    return np.concatenate([shape, centre[None]]) / len(z)


def _sums(counts: Counts, influence: Influence) -> Float[np.ndarray, "row resample"]:
    """Return the sums over the sequences of every resample."""
    rows = max(1, BLOCK // counts.shape[1])
    blocks = [
        influence @ counts[start : start + rows].astype(np.float64).T
        for start in range(0, len(counts), rows)
    ]
    return np.concatenate(blocks, axis=1)
