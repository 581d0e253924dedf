"""Estimates on resampled sequences, the same resample for all lags.

A resample is a vector of counts: how often each sequence is drawn. What an estimator
needs of the values is computed once a lag and then weighted by the counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from learnability.stable._checks import LOWEST_ALPHA
from learnability.stable._estimate import Estimate
from learnability.stable.koutrouvelis1980 import FREQUENCIES, iterate
from learnability.stable.likelihood import LARGEST_ALPHA, evaluate
from learnability.stable.mcculloch1986 import LEVELS, from_quantiles

BLOCK = 4_000_000
"""Counts that are turned into floating point at once: 32 MB."""

Counts = Int[np.ndarray, "resample sequence"]


def draw_counts(sequences: int, resamples: int, seed: Any) -> Counts:
    """Return how often each sequence is drawn in each resample."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            np.bincount(rng.integers(sequences, size=sequences), minlength=sequences)
            for _ in range(resamples)
        ]
    ).astype(np.uint16)


def weighted_sums(
    counts: Counts, features: Float[np.ndarray, "sequence feature"]
) -> Float[np.ndarray, "resample feature"]:
    """Return the sum of the features over the sequences of every resample."""
    rows = max(1, BLOCK // counts.shape[1])
    blocks = [
        counts[start : start + rows].astype(np.float64) @ features
        for start in range(0, len(counts), rows)
    ]
    return np.concatenate(blocks)


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


def koutrouvelis(
    values: NDArray[np.float64], counts: Counts, estimate: Estimate
) -> Estimate:
    """Return the characteristic-function estimates (resample) of one lag."""
    frequencies = FREQUENCIES / estimate.sigma
    phase = values[:, None] * frequencies
    features = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    sums = weighted_sums(counts, features) / len(values)
    phi = sums[:, : len(frequencies)] + 1j * sums[:, len(frequencies) :]
    start = Estimate(*(np.full(len(counts), float(part)) for part in estimate))
    return iterate(phi, np.broadcast_to(frequencies, phi.shape), start)


def likelihood(
    values: NDArray[np.float64], counts: Counts, estimate: Estimate
) -> Estimate:
    """Return one-step maximum-likelihood estimates (resample) of one lag.

    theta* = theta + (sum w s s')^-1 sum w s with scores s and counts w: equal to the
    full maximum to order 1/n (Davison and Hinkley 1997, Bootstrap Methods, 2.7).
    """
    alpha, sigma, location = (float(part) for part in estimate)
    scores = evaluate(values, min(alpha, LARGEST_ALPHA), sigma, location).scores
    products = np.einsum("js,ks->sjk", scores, scores).reshape(len(values), 9)
    sums = weighted_sums(counts, np.concatenate([scores.T, products], axis=1))
    information = sums[:, 3:].reshape(-1, 3, 3)
    step = np.linalg.solve(information, sums[:, :3, None])[..., 0]
    return Estimate(
        np.clip(alpha + step[:, 0], LOWEST_ALPHA, 2.0),
        sigma * np.exp(step[:, 1]),
        location + sigma * step[:, 2],
    )
