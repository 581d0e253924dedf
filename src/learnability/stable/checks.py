"""What may be asked of a stable law, and the sentence for what may not."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]
Reals: TypeAlias = Array | np.float64

# The tables of the law begin here; the theory of learning needs alpha > 1.
LOWEST_ALPHA = 0.5

# For 2 - alpha below this the law is expanded around the Gaussian: its tail is a number
# of order (2 - alpha), which the table would lose against rounding.
NEARLY_GAUSSIAN = 1e-6

# Below this the 5 % quantile rests on two values and no estimator is usable.
FEWEST_VALUES = 50

# Of the middle half of values: its inverse and squares of values are numbers then.
SMALLEST_WIDTH, LARGEST_WIDTH = 1e-290, 1e150


def tail_index(alpha: ArrayLike, *, mean_exists: bool = False) -> Array:
    """Return alpha as an array after checking its range.

    Args:
        alpha: tail index, any shape.
        mean_exists: True where 1 < alpha is needed, as for every mean.

    Raises:
        ValueError: alpha outside [0.5, 2], or outside (1, 2] if a mean is needed.
    """
    values = np.asarray(alpha, dtype=np.float64)
    low = values > 1 if mean_exists else values >= LOWEST_ALPHA
    wrong = ~(low & (values <= 2))
    if wrong.any():
        allowed = "(1, 2]" if mean_exists else f"[{LOWEST_ALPHA}, 2]"
        raise ValueError(
            f"alpha must lie in {allowed}, but is {values[wrong].flat[0]:.16g}: "
            "give the tail index of a symmetric stable law"
        )
    return values


def positive(name: str, value: ArrayLike) -> Array:
    """Return the value as an array after checking that it is positive and finite."""
    return _within(name, value, 0, np.inf, "be positive and finite")


def probability(name: str, value: ArrayLike) -> Array:
    """Return the value as an array after checking that it lies inside (0, 1)."""
    return _within(name, value, 0, 1, "lie between 0 and 1")


def _within(name: str, value: ArrayLike, low: float, high: float, what: str) -> Array:
    values = np.asarray(value, dtype=np.float64)
    wrong = ~((values > low) & (values < high))
    if wrong.any():
        raise ValueError(f"{name} must {what}, but is {values[wrong].flat[0]:g}")
    return values


def magnitude(name: str, value: ArrayLike) -> Array:
    """Return the size of the value as an array after checking that none is NaN."""
    values = np.asarray(value, dtype=np.float64)
    if np.isnan(values).any():
        raise ValueError(
            f"{np.count_nonzero(np.isnan(values))} of {values.size} values of {name} "
            "are NaN: leave these lags out, or give 0 where there is nothing"
        )
    return np.abs(values)


def sample_values(values: ArrayLike) -> Array:
    """Return samples (..., sequence) as an array that an estimator can work on.

    Raises:
        ValueError: fewer than 50 values, NaN or infinity, or constant values.
    """
    array = np.asarray(values, dtype=np.float64)
    count = array.shape[-1] if array.ndim else 1
    if count < FEWEST_VALUES:
        raise ValueError(
            f"{count} values are too few to estimate a tail index: "
            f"give at least {FEWEST_VALUES} sequences"
        )
    if not np.isfinite(array).all():
        raise ValueError(
            f"{np.count_nonzero(~np.isfinite(array))} of {array.size} values are NaN "
            "or infinite: remove the sequences they come from"
        )
    flat = np.ptp(array, axis=-1) == 0
    if flat.any():
        raise ValueError(
            f"all values are {array[flat].flat[0]:g} in {np.count_nonzero(flat)} "
            "samples: constant data have no tail index, leave this lag out"
        )
    return array


def no_law(values: Array) -> str:
    """Return why some values have no tail index, in a few words; "" where they may.

    Args:
        values: one a sequence.

    Example:
        >>> no_law(np.repeat([0.0, 1.0, -1.0], [60, 20, 20]))
        'half of the values are 0'
    """
    if len(values) < FEWEST_VALUES:
        return f"fewer than {FEWEST_VALUES} sequences"
    if not np.isfinite(values).all():
        return f"{np.count_nonzero(~np.isfinite(values))} values are not finite"
    if np.ptp(values) == 0:
        return f"all values are {values[0]:g}"
    lower, upper = np.quantile(values, [0.25, 0.75])
    if not upper > lower:
        return f"half of the values are {lower:g}"
    if not SMALLEST_WIDTH < upper - lower < LARGEST_WIDTH:
        return f"a spread of {upper - lower:g} is too small or too large for a fit"
    return ""


def values_by_lag(values: ArrayLike) -> Array:
    """Return samples (lag, sequence) as an array that an estimator can work on.

    Raises:
        ValueError: as `sample_values`, or axes other than these two.
    """
    array = sample_values(values)
    if array.ndim != 2:
        raise ValueError(
            f"values have {array.ndim} axes, but need two: (lag, sequence)"
        )
    return array
