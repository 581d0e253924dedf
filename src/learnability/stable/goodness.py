"""Does a stable law describe the values at all: in the middle and in the tails.

Two statistics, both with a parametric bootstrap because the parameters are estimated:
Anderson and Darling's for the whole distribution, and one for tails that are lighter
than the fitted law allows, the mark of a finite variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincc

from . import law
from .checks import LOWEST_ALPHA, values_by_lag
from .koutrouvelis1980 import koutrouvelis
from .law import Estimate

RANKS = np.array([1, 2, 5, 10, 20, 50])
"""Which of the largest values the tail statistic looks at."""

LARGEST_RESAMPLE = 4000
"""Size of a bootstrap sample: beyond it the null laws no longer move visibly."""

ALPHA_STEP = 0.1
"""Laws nearer than this share a null law, which changes slowly with alpha."""

SMALLEST_PROBABILITY = 1e-300
"""Keeps logarithms finite where a tail is impossible under the fitted law."""


@dataclass(frozen=True)
class Goodness:
    """How well the fitted law describes each lag.

    anderson_darling: A^2 (lag); tail: -log of the smallest probability that a largest
    value falls so short (lag); *_p: probabilities of at least that under the fitted law
    (lag); estimate: the law that was fitted; resamples: of the parametric bootstrap.
    """

    anderson_darling: Float[np.ndarray, " lag"]
    anderson_darling_p: Float[np.ndarray, " lag"]
    tail: Float[np.ndarray, " lag"]
    tail_p: Float[np.ndarray, " lag"]
    estimate: Estimate
    resamples: int


def goodness_of_fit(values: ArrayLike, *, resamples: int = 199, seed: Any) -> Goodness:
    """Test whether the values of every lag come from a symmetric stable law.

    A^2 = n int (F_n - F)^2 / (F (1-F)) dF, F the law fitted by `koutrouvelis`;
    p = (1 + #{A*^2 >= A^2}) / (1 + resamples), A* from samples of the fitted law

    Arguments:
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
    return Goodness(
        anderson_darling=found[0],
        anderson_darling_p=probabilities[0],
        tail=found[1],
        tail_p=probabilities[1],
        estimate=estimate,
        resamples=resamples,
    )


def statistics(
    values: Float[np.ndarray, "lag sequence"], estimate: Estimate
) -> Float[np.ndarray, "two lag"]:
    """Return Anderson and Darling's statistic and the tail statistic of every lag.

    A^2 = -n - (1/n) sum_i (2i-1) (log F_i + log(1 - F_{n+1-i}));
    tail = -log min_m P(Gamma(m) >= n P(|xi| > z_m)), z_m the m-th largest |value|

    Arguments:
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


def _anderson_darling(z: NDArray[np.float64], alpha: float) -> float:
    upper = np.asarray(law.survival(np.abs(z), alpha))
    survival = np.where(z < 0, 1 - upper, upper)
    distribution = np.where(z < 0, upper, 1 - upper)
    logs = np.log(np.maximum([distribution, survival[::-1]], SMALLEST_PROBABILITY)).sum(
        0
    )
    weights = 2 * np.arange(1, z.size + 1) - 1
    return float(-z.size - (weights @ logs) / z.size)


def _light_tail(z: NDArray[np.float64], alpha: float) -> float:
    ranks = RANKS[z.size // 20 >= RANKS]
    largest = np.partition(np.abs(z), z.size - ranks)[z.size - ranks]
    # Under the law n P(|xi| > z_m) is a gamma variable of shape m.
    expected = 2 * z.size * np.asarray(law.survival(largest, alpha))
    chance = gammaincc(ranks, expected).min()
    return float(-np.log(max(chance, SMALLEST_PROBABILITY)))


def _null(alpha: float, size: int, resamples: int, seed: Any) -> NDArray[np.float64]:
    """Return both statistics (2, resample) of samples of the law itself."""
    alpha = min(max(alpha, LOWEST_ALPHA), 2.0)
    samples = law.sample(alpha, (resamples, size), seed=np.random.default_rng(seed))
    return statistics(samples, koutrouvelis(samples))
