"""Is the law stable? Average blocks of sequences and look at alpha again.

A stable law keeps its alpha under averaging; under every law of finite variance the
estimate rises to 2 with the size of the block. Together with the goodness of fit this
decides which exponent governs the samples needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from .checks import values_by_lag
from .goodness import Goodness, goodness_of_fit
from .koutrouvelis1980 import koutrouvelis, standard_errors

Verdict = Literal[
    "compatible with a stable law", "finite variance: kappa = 2", "undecided"
]

STABLE: Verdict = "compatible with a stable law"
FINITE: Verdict = "finite variance: kappa = 2"
UNDECIDED: Verdict = "undecided"

FEWEST_BLOCKS, ENOUGH_BLOCKS = 100, 500
"""Blocks are doubled as long as a quarter of the sequences, or 500 blocks, are left;
100 at least, where the interval of alpha = 1.8 still ends near 2."""

LEVEL, LEVEL_OF_MEANS = 0.95, 0.99
"""Of the intervals of alpha, of single values and of the largest blocks, that must end
below 2 for a stable law. The second is strict because a few wide values among narrow
ones look stable until many are averaged."""

SIGNIFICANCE = 0.02
"""Of each of three tests against a stable law: together about 5 %."""


class Aggregation(NamedTuple):
    """alpha against the size of the block.

    block: sequences averaged, 1, 2, 4 ... (block); alpha: estimate (block, lag);
    error: its standard error under a stable law (block, lag).
    """

    block: Int[np.ndarray, " block"]
    alpha: Float[np.ndarray, "block lag"]
    error: Float[np.ndarray, "block lag"]


@dataclass(frozen=True)
class StabilityCheck:
    """Verdict on every lag, with what it rests on.

    verdict: one of three sentences a lag; aggregation: alpha against block size;
    rise: largest change of alpha under averaging, in standard errors, with its sign
    (lag); goodness: tests of the law itself.
    """

    verdict: tuple[Verdict, ...]
    aggregation: Aggregation
    rise: Float[np.ndarray, " lag"]
    goodness: Goodness


def aggregate(values: ArrayLike) -> Aggregation:
    """Estimate alpha of the means of blocks of sequences.

    alpha_b = alpha of (x_1 + ... + x_b)/b, which equals alpha under a stable law

    Arguments:
        values: one value a lag and sequence (lag, sequence), at least 50 sequences, in
            an order that has no meaning.

    Returns:
        An `Aggregation`.

    Raises:
        ValueError: fewer than 50 sequences, NaN, constant values, or not two axes.

    Example:
        >>> noise = np.random.default_rng(1).laplace(size=(1, 4000))
        >>> aggregate(noise).block.tolist()
        [1, 2, 4, 8]

    Source: stability under addition, Feller 1971, vol. II, VI.1.
    """
    array = values_by_lag(values)
    sequences = array.shape[1]
    fewest = max(FEWEST_BLOCKS, min(ENOUGH_BLOCKS, sequences // 4))
    doublings = int(np.log2(max(sequences / fewest, 1.0)))
    blocks = 2 ** np.arange(doublings + 1)
    estimates = [koutrouvelis(_means(array, int(block))) for block in blocks]
    errors = [
        standard_errors(one.alpha, one.sigma, sequences // int(block)).alpha
        for one, block in zip(estimates, blocks, strict=True)
    ]
    alpha = np.stack([one.alpha for one in estimates])
    return Aggregation(blocks, alpha, np.stack(errors))


def check_stability(
    values: ArrayLike, *, resamples: int = 199, seed: Any
) -> StabilityCheck:
    """Decide for every lag whether its values are stable, of finite variance, or open.

    Stable: neither the Anderson-Darling nor the tail test nor a change of alpha under
    averaging speaks against it, and alpha of the largest blocks stays below 2.
    Finite variance: alpha of the largest blocks reaches 2, and that of single values
    does too or the stable law is rejected. Everything else is undecided.

    Arguments:
        values: one value a lag and sequence (lag, sequence), at least 50 sequences, in
            an order that has no meaning.
        resamples: samples of the parametric bootstrap, at least 19.
        seed: whatever `numpy.random.default_rng` takes.

    Returns:
        A `StabilityCheck`.

    Raises:
        ValueError: fewer than 50 sequences, NaN, constant values, values without two
            axes, or fewer than 19 resamples.

    Example:
        >>> noise = np.random.default_rng(1).normal(size=(1, 2000))
        >>> check_stability(noise, resamples=19, seed=2).verdict[0]
        'finite variance: kappa = 2'

    Source: stability under addition, Feller 1971, vol. II, VI.1; thresholds above.
    """
    aggregation = aggregate(values)
    goodness = goodness_of_fit(values, resamples=resamples, seed=seed)
    rise = _rise(aggregation)
    limit = -ndtri(SIGNIFICANCE / 2 / max(len(aggregation.block) - 1, 1))
    rejected = np.abs(rise) > limit
    rejected |= np.minimum(goodness.anderson_darling_p, goodness.tail_p) < SIGNIFICANCE
    single = _reaches_two(aggregation, 0, LEVEL)
    means = _reaches_two(aggregation, -1, LEVEL_OF_MEANS)
    averaged = len(aggregation.block) > 1
    verdicts: list[Verdict] = [
        _verdict(bool(no), bool(first), bool(last), averaged)
        for no, first, last in zip(rejected, single, means, strict=True)
    ]
    return StabilityCheck(tuple(verdicts), aggregation, rise, goodness)


def _verdict(
    rejected: bool, single_reaches_two: bool, mean_reaches_two: bool, averaged: bool
) -> Verdict:
    if mean_reaches_two and (single_reaches_two or rejected):
        return FINITE
    # Without a single doubling nothing has been checked.
    if averaged and not rejected and not mean_reaches_two and not single_reaches_two:
        return STABLE
    return UNDECIDED


def _reaches_two(
    aggregation: Aggregation, block: int, level: float
) -> NDArray[np.bool_]:
    upper = ndtri((1 + level) / 2) * aggregation.error[block]
    return aggregation.alpha[block] + upper >= 2


def _means(values: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    count = values.shape[1] // block
    return values[:, : count * block].reshape(len(values), count, block).mean(-1)


def _rise(aggregation: Aggregation) -> NDArray[np.float64]:
    """Return the change of alpha, of all block sizes the largest in standard errors."""
    if len(aggregation.block) == 1:
        return np.zeros(aggregation.alpha.shape[1])
    change = aggregation.alpha[1:] - aggregation.alpha[0]
    # Under the hypothesis the error of every block size follows from the first alpha.
    first = aggregation.error[0]
    error = first * np.sqrt(aggregation.block[1:, None] + 1.0)
    scaled = change / np.maximum(error, np.finfo(float).tiny)
    return np.take_along_axis(scaled, np.abs(scaled).argmax(0)[None], 0)[0]
