"""Is the law stable? Test its shape, average blocks of sequences, look at alpha again.

Two statistics ask whether a stable law describes the values at all, both with a
parametric bootstrap because the parameters are estimated: Anderson and Darling's for
the whole distribution, and one for tails that are lighter than the fitted law allows,
the mark of a finite variance.

A stable law keeps its alpha under averaging; under every law of finite variance the
estimate rises to 2 with the size of the block. Together they decide which exponent
governs the samples needed.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike
from scipy.special import gammaincc, ndtri

from . import law
from .checks import LOWEST_ALPHA, Array, no_law, values_by_lag
from .koutrouvelis1980 import koutrouvelis, standard_errors
from .law import Estimate

Lags = Float[np.ndarray, " lag"]
Samples = Float[np.ndarray, "lag sequence"]
ByBlock = Float[np.ndarray, "block lag"]
Flags = Bool[np.ndarray, " lag"]
Verdict = Literal[
    "compatible with a stable law", "finite variance: kappa = 2", "undecided"
]

STABLE: Verdict = "compatible with a stable law"
FINITE: Verdict = "finite variance: kappa = 2"
UNDECIDED: Verdict = "undecided"

# Blocks are doubled as long as a quarter of the sequences, or 500 blocks, are left; 100
# at least, where the interval of alpha = 1.8 still ends near 2.
FEWEST_BLOCKS, ENOUGH_BLOCKS = 100, 500

# Of the intervals of alpha, of single values and of the largest blocks, that must end
# below 2 for a stable law. The second is strict because a few wide values among narrow
# ones look stable until many are averaged.
LEVEL, LEVEL_OF_MEANS = 0.95, 0.99

# Of each of three tests against a stable law: together about 5 %.
SIGNIFICANCE = 0.02

# Which of the largest values the tail statistic looks at.
RANKS = np.array([1, 2, 5, 10, 20, 50])

# Size of a bootstrap sample: beyond it the null laws no longer move visibly.
LARGEST_RESAMPLE = 4000

# Laws nearer than this share a null law, which changes slowly with alpha.
ALPHA_STEP = 0.1

# Keeps logarithms finite where a tail is impossible under the fitted law.
SMALLEST_PROBABILITY = 1e-300


@dataclass(frozen=True)
class Goodness:
    """How well the fitted law describes each lag.

    Attributes:
        anderson_darling: ``A^2`` (lag).
        tail: -log of the smallest probability of so small a largest value (lag).
        anderson_darling_p: probability of at least that under the fitted law (lag).
        tail_p: likewise, of the tail (lag).
        estimate: the law that was fitted.
        resamples: of the parametric bootstrap.
    """

    anderson_darling: Lags
    anderson_darling_p: Lags
    tail: Lags
    tail_p: Lags
    estimate: Estimate
    resamples: int


def goodness_of_fit(values: ArrayLike, *, resamples: int = 199, seed: Any) -> Goodness:
    """Test whether the values of every lag come from a symmetric stable law.

    A^2 = n int (F_n - F)^2 / (F (1-F)) dF, F the law fitted by `koutrouvelis`;
    p = (1 + #{A*^2 >= A^2}) / (1 + resamples), A* from samples of the fitted law

    Args:
        values: one value a lag and sequence (lag, sequence), at least 50 sequences.
        resamples: samples of the parametric bootstrap, at least 19.
        seed: whatever `numpy.random.default_rng` takes.

    Returns:
        A `Goodness`.

    Raises:
        ValueError: fewer than 50 sequences, NaN, constant values, values without two
            axes, or fewer than 19 resamples.

    Example:
        >>> noise = np.random.default_rng(1).laplace(size=(1, 5000))
        >>> float(goodness_of_fit(noise, resamples=19, seed=2).anderson_darling_p[0])
        0.05

    Source: Anderson and Darling 1954, J. Am. Stat. Assoc. 49, 765; bootstrap: Stute,
    Gonzales Manteiga and Presedo Quindimil 1993, Metrika 40, 243.
    """
    array = values_by_lag(values)
    if resamples < 19:
        raise ValueError(
            f"{resamples} resamples cannot reach 5 %: ask for at least 19, 199 is usual"
        )
    estimate = koutrouvelis(array)
    found = statistics(array, estimate)
    size = min(array.shape[1], LARGEST_RESAMPLE)
    rounded = np.maximum(np.round(estimate.alpha / ALPHA_STEP) * ALPHA_STEP, 0.5)
    probabilities = np.empty((2, len(array)))
    for alpha in np.unique(rounded):
        null = _null(float(alpha), size, resamples, seed)
        here = rounded == alpha
        above = (null[:, None, :] >= found[:, here, None]).sum(-1)
        probabilities[:, here] = (1 + above) / (1 + resamples)
    (a, tail), (a_p, tail_p) = found, probabilities
    return Goodness(a, a_p, tail, tail_p, estimate, resamples)


def statistics(values: Samples, estimate: Estimate) -> Float[np.ndarray, "two lag"]:
    """Return Anderson and Darling's statistic and the tail statistic of every lag.

    A^2 = -n - (1/n) sum_i (2i-1) (log F_i + log(1 - F_{n+1-i}));
    tail = -log min_m P(Gamma(m) >= n P(|xi| > z_m)), z_m the m-th largest |value|

    Args:
        values: one value a lag and sequence (lag, sequence).
        estimate: a law for every lag.

    Returns:
        Two rows of statistics (2, lag).

    Example:
        >>> xi = law.sample(1.5, (1, 500), seed=1)
        >>> statistics(xi, koutrouvelis(xi)).shape
        (2, 1)

    Source: Anderson and Darling 1954; order statistics: Renyi 1953.
    """
    result = np.empty((2, len(values)))
    for lag, row in enumerate(values):
        z = np.sort((row - estimate.location[lag]) / estimate.sigma[lag])
        alpha = float(estimate.alpha[lag])
        result[:, lag] = _anderson_darling(z, alpha), _light_tail(z, alpha)
    return result


def _anderson_darling(z: Array, alpha: float) -> float:
    upper = np.asarray(law.survival(np.abs(z), alpha))
    survival = np.where(z < 0, 1 - upper, upper)
    distribution = np.where(z < 0, upper, 1 - upper)
    logs = np.log(np.maximum([distribution, survival[::-1]], SMALLEST_PROBABILITY)).sum(
        0
    )
    weights = 2 * np.arange(1, z.size + 1) - 1
    return float(-z.size - (weights @ logs) / z.size)


def _light_tail(z: Array, alpha: float) -> float:
    ranks = RANKS[z.size // 20 >= RANKS]
    largest = np.partition(np.abs(z), z.size - ranks)[z.size - ranks]
    # Under the law n P(|xi| > z_m) is a gamma variable of shape m.
    expected = 2 * z.size * np.asarray(law.survival(largest, alpha))
    chance = gammaincc(ranks, expected).min()
    return float(-np.log(max(chance, SMALLEST_PROBABILITY)))


def _null(alpha: float, size: int, resamples: int, seed: Any) -> Array:
    """Return both statistics (2, resample) of samples of the law itself."""
    alpha = min(max(alpha, LOWEST_ALPHA), 2.0)
    samples = law.sample(alpha, (resamples, size), seed=np.random.default_rng(seed))
    return statistics(samples, koutrouvelis(samples))


class Aggregation(NamedTuple):
    """alpha against the size of the block.

    block: sequences averaged, 1, 2, 4 ... (block); alpha: estimate (block, lag);
    error: its standard error under a stable law (block, lag); both nan where half of
    the means are the same.
    """

    block: Int[np.ndarray, " block"]
    alpha: ByBlock
    error: ByBlock


@dataclass(frozen=True)
class StabilityCheck:
    """Verdict on every lag, with what it rests on.

    verdict: one of three sentences a lag; aggregation: alpha against block size;
    rise: largest change of alpha under averaging, in standard errors, with its sign
    (lag); goodness: tests of the law itself.
    """

    verdict: tuple[Verdict, ...]
    aggregation: Aggregation
    rise: Lags
    goodness: Goodness


def aggregate(values: ArrayLike) -> Aggregation:
    """Estimate alpha of the means of blocks of sequences.

    alpha_b = alpha of (x_1 + ... + x_b)/b, which equals alpha under a stable law

    Args:
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
    found = [_alpha_with_error(_means(array, int(block))) for block in blocks]
    alpha, error = (np.stack(values) for values in zip(*found, strict=True))
    return Aggregation(blocks, alpha, error)


def _alpha_with_error(means: Float[np.ndarray, "lag block"]) -> tuple[Array, Array]:
    """Return alpha and its error at each lag, nan where means have no law."""
    alpha, error = np.full((2, len(means)), np.nan)
    known = np.array([not no_law(row) for row in means])
    if known.any():
        one = koutrouvelis(means[known])
        alpha[known] = one.alpha
        error[known] = standard_errors(one.alpha, one.sigma, means.shape[1]).alpha
    return alpha, error


def check_stability(
    values: ArrayLike, *, resamples: int = 199, seed: Any
) -> StabilityCheck:
    """Decide for every lag whether its values are stable, of finite variance, or open.

    Stable: neither the Anderson-Darling nor the tail test nor a change of alpha under
    averaging speaks against it, and alpha of the largest blocks stays below 2.
    Finite variance: alpha of the largest blocks reaches 2, and that of single values
    does too or the stable law is rejected. Everything else is undecided.

    Args:
        values: one value a lag and sequence (lag, sequence), at least 50 sequences, in
            an order that has no meaning.
        resamples: samples of the parametric bootstrap, at least 19.
        seed: whatever `numpy.random.default_rng` takes.

    Returns:
        A `StabilityCheck`.

    Raises:
        ValueError: as `goodness_of_fit`.

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
    single, means = below_two(aggregation)
    averaged = len(aggregation.block) > 1
    each = zip(rejected.tolist(), single.tolist(), means.tolist(), strict=True)
    verdicts: tuple[Verdict, ...] = tuple(_verdict(*told, averaged) for told in each)
    return StabilityCheck(verdicts, aggregation, rise, goodness)


def below_two(aggregation: Aggregation) -> tuple[Flags, Flags]:
    """Tell where alpha of single values, and of the largest blocks, is surely below 2.

    A stable law that is not Gaussian needs both.
    """
    single, means = (
        aggregation.alpha[block] + ndtri((1 + level) / 2) * aggregation.error[block] < 2
        for block, level in ((0, LEVEL), (-1, LEVEL_OF_MEANS))
    )
    return single, means


def _verdict(
    rejected: bool, single_below_two: bool, mean_below_two: bool, averaged: bool
) -> Verdict:
    if not mean_below_two and (not single_below_two or rejected):
        return FINITE
    # Without a single doubling nothing has been checked.
    if averaged and not rejected and mean_below_two and single_below_two:
        return STABLE
    return UNDECIDED


def _means(values: Array, block: int) -> Array:
    count = values.shape[1] // block
    return values[:, : count * block].reshape(len(values), count, block).mean(-1)


def _rise(aggregation: Aggregation) -> Array:
    """Return the change of alpha, of all block sizes the largest in standard errors."""
    if len(aggregation.block) == 1:
        return np.zeros(aggregation.alpha.shape[1])
    change = aggregation.alpha[1:] - aggregation.alpha[0]
    # Under the hypothesis the error of every block size follows from the first alpha.
    first = aggregation.error[0]
    error = first * np.sqrt(aggregation.block[1:, None] + 1.0)
    scaled = change / np.maximum(error, np.finfo(float).tiny)
    return np.take_along_axis(scaled, np.abs(scaled).argmax(0)[None], 0)[0]
