"""From the samples that each lag needs to the lags that N samples reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike, NDArray

Reached = Int[np.ndarray, " n_sequences"]


@dataclass(frozen=True)
class Windows:
    """The windows of some numbers of sequences N.

    Attributes:
        lags: the grid.
        n_sequences: numbers of sequences N.
        contiguous: the largest grid lag up to which every grid lag needs at most N, 0
            where the first lag needs more.
        maximal: the largest grid lag that needs at most N, 0 where none does.
        detected: which lags need at most N.
        censored: whether the window reaches the last grid lag, so that the true one
            lies there or beyond.
        lower: lower end of the contiguous window's interval; None where N(l) came
            without one.
        upper: its upper end, likewise.
        lower_censored: whether the lower end reaches the last grid lag.
        upper_censored: whether the upper end does.
    """

    lags: Int[np.ndarray, " lag"]
    n_sequences: Float[np.ndarray, " n_sequences"]
    contiguous: Reached
    maximal: Reached
    detected: Bool[np.ndarray, "n_sequences lag"]
    censored: Bool[np.ndarray, " n_sequences"]
    lower: Reached | None
    upper: Reached | None
    lower_censored: Bool[np.ndarray, " n_sequences"] | None
    upper_censored: Bool[np.ndarray, " n_sequences"] | None


def window(
    lags: ArrayLike,
    needed: ArrayLike,
    n_sequences: ArrayLike,
    lower: ArrayLike | None = None,
    upper: ArrayLike | None = None,
) -> Windows:
    """Return the windows that N sequences reach.

    H_N = max{ L : N(l) <= N for every grid lag l <= L }

    Args:
        lags: grid of lags, increasing positive integers (lag).
        needed: N(l), sequences that each lag needs; inf where a lag is not resolved
            (lag).
        n_sequences: numbers of sequences N, positive, any order (n_sequences).
        lower: lower end of the interval of N(l) (lag).
        upper: its upper end, inf where there is none (lag); it gives the lower end of
            the window.

    Returns:
        A `Windows` record.

    Raises:
        ValueError: lags not increasing positive integers, lengths that differ, NaN or
            negative N(l), ends in the wrong order, or an N that is not positive.

    Example:
        >>> window([1, 2, 4], [10, 100, np.inf], [50, 1000]).contiguous
        array([1, 2])

    Source: Livi 2025, arXiv 2512.05790, definition of the learnability window.
    """
    grid = _grid(lags)
    numbers = np.atleast_1d(np.asarray(n_sequences, np.float64))
    wrong = ~(np.isfinite(numbers) & (numbers > 0))
    if wrong.any() or numbers.ndim != 1:
        raise ValueError(
            f"n_sequences is {n_sequences}; give a list of positive numbers"
        )
    middle = _needed("needed", needed, grid)
    detected = middle <= numbers[:, None]
    contiguous = reach(grid, detected)
    low = _bounded(grid, numbers, upper, "upper")
    high = _bounded(grid, numbers, lower, "lower")
    _check_order(lower, upper)
    return Windows(
        lags=grid,
        n_sequences=numbers,
        contiguous=contiguous,
        maximal=np.where(detected, grid, 0).max(1),
        detected=detected,
        censored=contiguous == grid[-1],
        lower=low,
        upper=high,
        lower_censored=None if low is None else low == grid[-1],
        upper_censored=None if high is None else high == grid[-1],
    )


def reach(
    lags: Int[np.ndarray, " lag"], detected: Bool[np.ndarray, "*batch lag"]
) -> Int[np.ndarray, "*batch"]:
    """Return the largest lag up to which every lag is detected, 0 where none is.

    max{ L : detected(l) for every l <= L }

    Args:
        lags: grid of lags, increasing (lag).
        detected: which lags are detected (..., lag).

    Returns:
        Lags (...).

    Example:
        >>> int(reach(np.array([1, 2, 4]), np.array([True, False, True])))
        1

    Source: Livi 2025, arXiv 2512.05790, definition of the learnability window.
    """
    unbroken = np.logical_and.accumulate(detected, axis=-1)
    return np.where(unbroken, lags, 0).max(-1)


def _grid(lags: ArrayLike) -> Int[np.ndarray, " lag"]:
    grid = np.asarray(lags)
    whole = grid.ndim == 1 and grid.size > 0 and np.array_equal(grid, np.floor(grid))
    if not whole or grid[0] < 1 or (np.diff(grid) <= 0).any():
        raise ValueError(
            f"lags must be increasing whole numbers from 1 on, not {grid.tolist()}"
        )
    return grid.astype(np.int64)


def _needed(
    name: str, value: ArrayLike, grid: NDArray[np.int64]
) -> Float[np.ndarray, " lag"]:
    array = np.asarray(value, np.float64)
    if array.shape != grid.shape:
        raise ValueError(
            f"{name} has shape {array.shape}, but there are {grid.size} lags: "
            "give one number per lag"
        )
    if np.isnan(array).any() or (array < 0).any():
        raise ValueError(
            f"{name} holds NaN or negative numbers: mark a lag that is not resolved "
            "with inf"
        )
    return array


def _bounded(
    grid: NDArray[np.int64],
    n_sequences: NDArray[np.float64],
    value: ArrayLike | None,
    name: str,
) -> Reached | None:
    if value is None:
        return None
    return reach(grid, _needed(name, value, grid) <= n_sequences[:, None])


def _check_order(lower: ArrayLike | None, upper: ArrayLike | None) -> None:
    ends = [np.asarray(part, np.float64) for part in (lower, upper) if part is not None]
    if len(ends) == 2 and (ends[0] > ends[1]).any():
        raise ValueError("lower lies above upper at some lag: exchange the two")
