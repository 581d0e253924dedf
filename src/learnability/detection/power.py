"""How many sequences the mean of a stable law needs to show a signal."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..stable import law as stable_law
from ..stable.checks import (
    Reals,
    magnitude,
    positive,
    probability,
    tail_index,
)

Law = Literal["v1", "v4"]
"""Exponent of the samples needed: v1 is alpha, v4 is kappa = alpha/(alpha-1).

They name versions 1 and 4 of arXiv 2512.05790; only v4 follows from the law of a mean.
"""


def samples_needed(
    signal: ArrayLike,
    scale: ArrayLike,
    alpha: ArrayLike,
    *,
    error: ArrayLike = 0.05,
    miss: ArrayLike | None = None,
    law: Law = "v4",
) -> Reals:
    """Return the number of values whose mean shows the signal.

    N = (sigma q / |m|)^kappa, q = q_{1-error} for the sign of m, and
    q = q_{1-error} + q_{1-miss} for 0 against m; law "v1" puts alpha for kappa

    Args:
        signal: m, location of one value, in the unit of the values; 0 needs infinitely
            many.
        scale: sigma, in the unit of the values.
        alpha: tail index in (1, 2]; all broadcast.
        error: probability of a wrong sign, or of seeing a signal that is not there.
        miss: probability of missing a signal that is there; None tests the sign.
        law: "v4" (exponent kappa) or "v1" (exponent alpha, published first).

    Returns:
        N, not rounded.

    Raises:
        ValueError: alpha outside (1, 2], scale not positive, NaN, a probability outside
            (0, 1/2], or an unknown law.

    Example:
        >>> round(float(samples_needed(0.1, 1.0, 2.0)), 1)
        541.1

    Source: Livi 2025, arXiv 2512.05790 (v1 and v4); quantile of the law of the mean.
    """
    index = tail_index(alpha, mean_exists=True)
    quantile = quantile_sum(index, error, miss)
    # No signal, and one that needs more than 1e308 samples, need infinitely many.
    with np.errstate(divide="ignore", over="ignore"):
        ratio = positive("scale", scale) / magnitude("signal", signal)
        return ((quantile * ratio) ** exponent_of(law, index))[()]


def quantile_sum(
    alpha: NDArray[np.float64], error: ArrayLike, miss: ArrayLike | None
) -> NDArray[np.float64]:
    """Return q_{1-error}, or q_{1-error} + q_{1-miss} where a miss is given.

    Args:
        alpha: tail index in (1, 2].
        error: probability in (0, 1/2].
        miss: probability in (0, 1/2], or None.

    Returns:
        Quantiles of the standard law.

    Raises:
        ValueError: a probability outside (0, 1/2].

    Example:
        >>> round(float(quantile_sum(np.array(2.0), 0.05, 0.05)), 4)
        4.6523

    Source: quantiles of the standard law.
    """
    total = _tail_quantile(chance("error", error), alpha)
    if miss is not None:
        total = total + _tail_quantile(chance("miss", miss), alpha)
    return np.asarray(total)


def _tail_quantile(
    tail: NDArray[np.float64], alpha: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return q_{1-tail}, from the lower tail, as 1 - tail would round a small one."""
    return -np.asarray(stable_law.quantile(tail, alpha))


def exponent_of(law: Law, alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the exponent of the samples needed under a law by name.

    Args:
        law: "v1" or "v4".
        alpha: tail index in (1, 2].

    Returns:
        alpha under "v1", kappa under "v4".

    Raises:
        ValueError: an unknown law.

    Example:
        >>> float(exponent_of("v4", np.array(1.5)))
        3.0

    Source: Livi 2025, arXiv 2512.05790, versions 1 and 4.
    """
    if law not in get_args(Law):
        raise ValueError(
            f"law is {law!r}, but must be one of {', '.join(get_args(Law))}"
        )
    return alpha if law == "v1" else np.asarray(stable_law.kappa(alpha))


def chance(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Return a probability of an error after checking that it lies in (0, 1/2].

    Args:
        name: for the sentence.
        value: probability, any shape.

    Returns:
        The value as an array.

    Raises:
        ValueError: a probability outside (0, 1/2].

    Example:
        >>> float(chance("error", 0.05))
        0.05

    Source: a test that errs more often than a coin is turned round.
    """
    checked = probability(name, value)
    if (checked > 0.5).any():
        raise ValueError(
            f"{name} is {checked.max():g}, worse than a coin: give at most 0.5"
        )
    return checked
