"""The grid of lags: checked once, at the border."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import index
from typing import Any, SupportsIndex, cast

import numpy as np


def checked_lags(
    lags: Iterable[SupportsIndex], steps: int, *, least: int = 1
) -> list[int]:
    """Return the lags in ascending order, or say what is wrong with them.

    Args:
        lags: lags in steps.
        steps: T, the length of the sequences.
        least: the smallest lag allowed (0 where lag 0 makes sense).

    Raises:
        ValueError: if a lag is no whole number, below ``least`` or not below T, or
            appears twice, or if there is none.

    Example:
        >>> checked_lags([4, 1, 2], steps=8)
        [1, 2, 4]
    """
    values = sorted(whole_lags(lags))
    if not values:
        raise ValueError("no lags were given; name at least one")
    if values[0] < least:
        raise ValueError(f"lag {values[0]} is too small; lags start at {least}")
    if values[-1] >= steps:
        raise ValueError(
            f"lag {values[-1]} does not fit into sequences of {steps} steps; "
            f"the largest possible lag is {steps - 1}"
        )
    repeated = [a for a, b in pairwise(values) if a == b]
    if repeated:
        raise ValueError(f"lag {repeated[0]} is given twice; give each lag once")
    return values


def whole_lags(lags: SupportsIndex | Iterable[SupportsIndex]) -> list[int]:
    """Return lags as Python's whole numbers, in the order in which they come.

    Args:
        lags: in steps; one alone is a list of one.

    Raises:
        ValueError: if one is no whole number.

    Example:
        >>> whole_lags(3), whole_lags(np.array([1, 2]))
        ([3], [1, 2])
    """
    several = isinstance(lags, Iterable) and getattr(lags, "ndim", 1)
    given: list[Any] = list(cast("Iterable[Any]", lags)) if several else [lags]
    found = []
    for lag in given:
        try:
            found.append(index(lag))
        except TypeError:
            raise ValueError(
                f"lag {lag!r} is no whole number; give steps, such as 1, 2, 4"
            ) from None
    return found


def spread_lags(longest: int, count: int) -> list[int]:
    """Return about ``count`` lags from 1 to ``longest``, evenly spread in logarithm.

    Args:
        longest: the largest lag.
        count: how many to aim at; small lags that round together appear once.

    Example:
        >>> spread_lags(32, 6)
        [1, 2, 4, 8, 16, 32]
    """
    return np.unique(np.geomspace(1, longest, count).round().astype(int)).tolist()


def shares_of(sequences: float) -> list[float]:
    """Return a hundredth, a tenth and all of some sequences, whole numbers from 1 on.

    Args:
        sequences: how many the data hold.

    Example:
        >>> shares_of(1000)
        [10.0, 100.0, 1000.0]
    """
    return sorted({max(1.0, float(sequences // part)) for part in (100, 10, 1)})


def thinned(lags: Sequence[int], most: int) -> list[int]:
    """Return at most so many of some lags, the first and the last among them.

    Example:
        >>> thinned([1, 2, 3, 4, 6, 8, 12, 16], 4)
        [1, 3, 8, 16]
    """
    if len(lags) <= most:
        return list(lags)
    places = np.unique(np.linspace(0, len(lags) - 1, most).round().astype(int))
    return [lags[k] for k in places]
