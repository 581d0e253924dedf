"""The tail index from the largest values alone, as a second opinion.

Both estimators assume P(|x - centre| > t) ~ t^-index beyond the k-th largest value. For
a stable law that is true far out only: with alpha above 1.7 or so they read too high on
any sample of ordinary size, and an index above 2 is no proof of a finite variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from learnability.stable._checks import sample_values

LEAST_TAIL = 8
"""Pickands compares the k-th with the 4k-th largest value: fewer say nothing."""


@dataclass(frozen=True)
class TailIndex:
    """A tail index for every lag with its asymptotic standard error.

    index: without unit (...); error: standard error (...); largest: number k of values.
    """

    index: Float[np.ndarray, "*batch"]
    error: Float[np.ndarray, "*batch"]
    largest: int


def hill(values: ArrayLike, *, largest: int | None = None) -> TailIndex:
    """Estimate the tail index by Hill's estimator on distances from the median.

    1/index = (1/k) sum_{i<=k} log(y_(i) / y_(k+1)), error = index / sqrt(k)

    Arguments:
        values: samples (..., sequence), at least 50 sequences.
        largest: k; None takes sqrt(n) values, the tail proper of a stable law.

    Returns:
        A `TailIndex`.

    Raises:
        ValueError: fewer than 50 values, NaN, constant values, or k out of range.

    Example:
        >>> pareto = np.random.default_rng(1).pareto(3.0, 20_000) + 1
        >>> found = hill(np.concatenate([pareto, -pareto]), largest=500)
        >>> bool(abs(found.index - 3.0) < 3 * found.error)
        True

    Source: Hill 1975, Ann. Stat. 3, 1163.
    """
    ordered, k = _largest(values, largest, 1)
    index = 1 / np.log(ordered[..., :k] / ordered[..., k, None]).mean(-1)
    return TailIndex(index, index / np.sqrt(k), k)


def pickands(values: ArrayLike, *, largest: int | None = None) -> TailIndex:
    """Estimate the tail index by Pickands' estimator on distances from the median.

    1/index = log2( (y_(k) - y_(2k)) / (y_(2k) - y_(4k)) ); with g = 1/index the
    variance of g is g^2 (2^(2g+1) + 1) / (4 k log(2)^2 (2^g - 1)^2)

    Arguments:
        values: samples (..., sequence), at least 50 sequences.
        largest: k; None takes sqrt(n) values.

    Returns:
        A `TailIndex`; inf where the tail is lighter than every power.

    Raises:
        ValueError: fewer than 50 values, NaN, constant values, or k out of range.

    Example:
        >>> noise = np.random.default_rng(1).standard_cauchy(100_000)
        >>> found = pickands(noise, largest=5000)
        >>> bool(abs(found.index - 1.0) < 3 * found.error)
        True

    Source: Pickands 1975, Ann. Stat. 3, 119; variance: Dekkers and de Haan 1989, Ann.
    Stat. 17, 1795.
    """
    ordered, k = _largest(values, largest, 4)
    first, second, third = (ordered[..., m * k - 1] for m in (1, 2, 4))
    power = np.log2((first - second) / (second - third))
    heavy = power > 0
    g = np.where(heavy, power, 1.0)
    spread = g**2 * (2 ** (2 * g + 1) + 1) / (2 * np.log(2) * (2**g - 1)) ** 2
    index = np.where(heavy, 1 / g, np.inf)
    error = np.where(heavy, np.sqrt(spread / k) / g**2, np.inf)
    return TailIndex(index, error, k)


def _largest(
    values: ArrayLike, largest: int | None, times: int
) -> tuple[NDArray[np.float64], int]:
    """Return distances from the median, largest first, and k."""
    array = sample_values(values)
    count = array.shape[-1]
    k = max(LEAST_TAIL, int(np.sqrt(count))) if largest is None else largest
    if not LEAST_TAIL <= k <= (count - 1) // times:
        raise ValueError(
            f"largest is {k}, but must lie between {LEAST_TAIL} and "
            f"{(count - 1) // times} for {count} values"
        )
    distance = np.abs(array - np.median(array, axis=-1, keepdims=True))
    return -np.sort(-distance, axis=-1), k
