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

Counts = Int[np.ndarray, "resample sequence"]
Influence = Float[np.ndarray, "parameter sequence"]


def draw_counts(sequences: int, resamples: int, seed: Any) -> Counts:
    """Return how often each sequence is drawn in each resample."""
    rng = np.random.default_rng(seed)
    drawn = [
        np.bincount(rng.integers(sequences, size=sequences), minlength=sequences)
        for _ in range(resamples)
    ]
    return np.stack(drawn).astype(np.uint16)


def draws(
    method: Method, values: NDArray[np.float64], counts: Counts, estimate: Estimate
) -> Estimate:
    """Return the estimates (resample) of one lag on all resamples."""
    if method == "mcculloch":
        return mcculloch(values, counts)
    alpha, sigma, location = (float(part) for part in estimate)
    influence = likelihood if method == "likelihood" else koutrouvelis
    step = _sums(counts, influence(values, alpha, sigma, location))
    moved = np.full(len(counts), 2.0)
    if alpha <= LARGEST_ALPHA:
        moved = move(method, alpha, step[0])
    return Estimate(moved, sigma * np.exp(step[1]), location + sigma * step[2])


def mcculloch(values: NDArray[np.float64], counts: Counts) -> Estimate:
    """Return the quantile estimates (resample) of one lag."""
    order = np.argsort(values)
    ordered = values[order]
    position = (len(values) - 1) * LEVELS
    ranks = np.stack([np.floor(position), np.ceil(position)])
    picked = np.empty((len(counts), 2, len(LEVELS)))
    for row, drawn in enumerate(counts):
        last = np.cumsum(drawn[order], dtype=np.int64)
        picked[row] = ordered[np.searchsorted(last, ranks, side="right")]
    lower, upper = picked[:, 0], picked[:, 1]
    return from_quantiles((lower + (position % 1) * (upper - lower)).T)


def likelihood(
    values: NDArray[np.float64], alpha: float, sigma: float, location: float
) -> Influence:
    """Return (sum s s')^-1 s, s the scores by alpha, log sigma, location/sigma.

    The information is that of the sample: a resample that draws a rare large value
    twice must not count it twice as certain too. A Gaussian has no score in alpha.
    """
    scores = evaluate(values, alpha, sigma, location).scores
    if alpha <= LARGEST_ALPHA:
        return np.linalg.solve(scores @ scores.T, scores)
    own = scores[1:]
    moved = np.linalg.solve(own @ own.T, own)
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


def _sums(counts: Counts, influence: Influence) -> Float[np.ndarray, "three resample"]:
    """Return the sums over the sequences of every resample."""
    rows = max(1, BLOCK // counts.shape[1])
    blocks = [
        influence @ counts[start : start + rows].astype(np.float64).T
        for start in range(0, len(counts), rows)
    ]
    return np.concatenate(blocks, axis=1)
