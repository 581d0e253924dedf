"""Monte Carlo that several experiments share: means of N values, and their spread."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

from learnability import stable

Values = NDArray[np.float64]
Draw = Callable[[float, tuple[int, ...], np.random.Generator], Values]
"""Gives values of a law: tail index, shape, generator."""

CHUNK = 2**21
"""Values held at once: what fits into a cache is drawn and added up fastest."""


def stable_values(
    alpha: float, shape: tuple[int, ...], rng: np.random.Generator
) -> Values:
    """Draw from the standard symmetric stable law.

    Args:
        alpha: tail index.
        shape: of the result.
        rng: where the randomness comes from.

    Example:
        >>> stable_values(1.5, (2, 3), np.random.default_rng(0)).shape
        (2, 3)
    """
    return stable.sample(alpha, shape, seed=rng)


def octaves(first: int, last: int, per_octave: int = 1) -> Int[np.ndarray, " size"]:
    """Give sizes from the first to the last, evenly spread in logarithm.

    Args:
        first, last: the ends.
        per_octave: how many sizes until they have doubled.

    Example:
        >>> octaves(1, 8)
        array([1, 2, 4, 8])
    """
    count = round(np.log2(last / first) * per_octave) + 1
    return np.unique(np.geomspace(first, last, count).round().astype(np.int64))


def running_means(
    draw: Callable[[int, int], Values],
    sizes: Int[np.ndarray, " size"],
    replicates: int,
    *,
    width: int = 1,
) -> Float[np.ndarray, "replicate size *rest"]:
    """Give the means of the first N values of many independent series.

    Args:
        draw: gives values of so many series and so many places (series, place, ...).
        sizes: N, increasing.
        replicates: how many series.
        width: numbers that draw makes a place, to bound the memory.

    Example:
        >>> ones = lambda series, places: np.ones((series, places))
        >>> running_means(ones, np.array([1, 4]), 3).shape
        (3, 2)
    """
    longest = int(sizes[-1])
    rows = max(1, CHUNK // (longest * width))
    starts = np.concatenate([[0], sizes[:-1]])
    parts = []
    for first in range(0, replicates, rows):
        values = draw(min(rows, replicates - first), longest)
        parts.append(np.cumsum(np.add.reduceat(values, starts, axis=1), axis=1))
    sums = np.concatenate(parts)
    return sums / sizes.reshape(1, -1, *[1] * (sums.ndim - 2))


def bootstrap(
    statistic: Callable[[NDArray], NDArray[np.float64]],
    data: NDArray,
    rng: np.random.Generator,
    *,
    resamples: int = 200,
) -> tuple[Values, Values]:
    """Give a statistic and its standard error over resampled replicates.

    Args:
        statistic: of data like those given.
        data: (replicate, ...).
        rng: where the randomness comes from.
        resamples: how many.

    Returns:
        The statistic of the data and the standard deviation over resamples.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> _, error = bootstrap(lambda x: x.mean(0), rng.normal(size=(400, 1)), rng)
        >>> bool(0.04 < error[0] < 0.06)
        True

    Source: Efron 1979, Ann. Stat. 7, 1.
    """
    count = len(data)
    draws = [statistic(data[rng.integers(count, size=count)]) for _ in range(resamples)]
    return np.asarray(statistic(data)), np.asarray(np.std(draws, axis=0, ddof=1))


def slope(x: Values, y: Values) -> float:
    """Give the least-squares slope of y against x.

    Args:
        x, y: places, equally long.

    Example:
        >>> slope(np.arange(3.0), 2 * np.arange(3.0))
        2.0
    """
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))


def needed(
    sizes: Int[np.ndarray, " size"],
    wrong: Bool[np.ndarray, "replicate size lag"],
    error: float,
) -> Float[np.ndarray, " lag"]:
    """Give the N at which the share of wrong signs has fallen to the error.

    On straight lines between sizes, in logarithms; nan where it never falls so far, or
    already has at the first size.

    Args:
        sizes: N, increasing.
        wrong: which means had the wrong sign.
        error: demanded share.

    Example:
        >>> wrong = np.array([[[True], [False]], [[True], [False]]])
        >>> bool(1 < needed(np.array([1, 2]), wrong, 0.5)[0] < 2)
        True
    """
    share = np.maximum(wrong.mean(axis=0), 1 / (2 * len(wrong)))
    log_size, result = np.log(sizes), np.full(share.shape[1], np.nan)
    for lag, curve in enumerate(np.log(share.T / error)):
        below = np.flatnonzero(curve <= 0)
        if below.size and below[0] > 0:
            i = below[0]
            part = curve[i - 1] / (curve[i - 1] - curve[i])
            result[lag] = np.exp(log_size[i - 1] + part * np.diff(log_size)[i - 1])
    return result


def windows(
    envelope: Float[np.ndarray, " lag"], levels: ArrayLike
) -> Int[np.ndarray, "..."]:
    """Give the longest lag up to which a falling envelope reaches each level.

    H = max{ l : f(l) >= level }, 0 where lag 1 does not reach it

    Args:
        envelope: f at lags 1, 2, 3, ..., falling.
        levels: what it must reach, any shape.

    Example:
        >>> int(windows(np.array([0.5, 0.25, 0.125]), np.array(0.2)))
        2
    """
    found = np.searchsorted(-envelope, -np.asarray(levels, float), side="right")
    return np.asarray(found)
