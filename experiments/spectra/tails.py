"""How heavy the tail of time scales is, and which phase that makes.

For x beyond the start of a tail ``P(tau > x) ~ x^-beta``, so that the envelope falls as
``f(l) ~ l^-beta``; one scale alone makes it exponential.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SHARE = 0.25  # of the time scales, the longest, make the tail
FEWEST = 8  # of them
LEVEL = 0.9  # of the interval
RESAMPLES = 1000
COLLAPSED = 3.0  # beyond the start, scales exceed it by less than exp(1/3) = 1.4
BROAD = 1.0  # the published bound: the mean time scale is infinite below it
STRAIGHT = 0.1  # p-value below which a tail is no power law

Scales = Float[np.ndarray, "unit"]


class Tail(NamedTuple):
    """The tail of some time scales.

    Attributes:
        exponent: beta, infinite where all scales are equal.
        lower: end of its interval.
        upper: end of its interval.
        start: in steps; the tail lies beyond it.
        straight: p-value of a power law.
    """

    exponent: float
    lower: float
    upper: float
    start: float
    straight: float

    @property
    def phase(self) -> str:
        """Return what the tail is: collapsed, broad, or neither for certain.

        Collapsed: the interval lies above 3. Broad: it lies below 1, and a power law
        has a p-value of at least 0.1.
        """
        if self.lower > COLLAPSED:
            return "collapsed"
        if self.upper < BROAD and self.straight >= STRAIGHT:
            return "broad (power law)"
        return "not resolved"


def tail(networks: Sequence[Scales], seed: int = 0) -> Tail:
    """Return the tail of the time scales of several networks, taken together.

    Its interval holds the middle 90 % of what units make that are drawn with
    replacement from each network. Units of one network are not independent: it tells
    how well these spectra fix the exponent, and not how other seeds would differ.

    Args:
        networks: positive and finite time scales in steps of each.
        seed: of what is drawn.

    Raises:
        ValueError: if too few scales make the tail.

    Example:
        >>> tail([np.full(40, 200.0)]).phase
        'collapsed'
    """
    every, rng = np.concatenate(networks), np.random.default_rng(seed)
    logs = log_excess(every)
    drawn = [
        exponent(
            log_excess(np.concatenate([rng.choice(own, len(own)) for own in networks]))
        )
        for _ in range(RESAMPLES)
    ]
    # Infinite ones have no differences, between which another quantile would lie.
    ends = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
    return Tail(
        exponent(logs),
        lower=float(ends[0]),
        upper=float(ends[1]),
        start=float(np.sort(every)[-len(logs) - 1]),
        straight=straightness(logs, rng),
    )


def log_excess(scales: Scales) -> Float[np.ndarray, "excess"]:
    """Return ``log(tau/start)`` of the longest quarter, the next one being the start.

    Args:
        scales: time scales in steps.

    Raises:
        ValueError: if too few of them are in the tail.
    """
    count = int(SHARE * len(scales))
    if count < FEWEST:
        raise ValueError(
            f"{len(scales)} time scales leave {count} in the tail; give at least "
            f"{math.ceil(FEWEST / SHARE)}"
        )
    logs = np.log(np.sort(scales)[-count - 1 :])
    return logs[1:] - logs[0]


def exponent(logs: Float[np.ndarray, "excess"]) -> float:
    """Return ``beta = (k - 1)/sum_i log(tau_i/start)`` of the k scales of a tail.

    Of a power law it is unbiased, with the standard error ``beta/sqrt(k - 2)``.

    Args:
        logs: of `log_excess`.

    Example:
        >>> exponent(np.full(9, 0.5))
        1.7777777777777777

    Source: Hill 1975, Ann. Stat. 3, 1163.
    """
    total = float(logs.sum())
    return (len(logs) - 1) / total if total > 0 else math.inf


def straightness(logs: Float[np.ndarray, "excess"], rng: np.random.Generator) -> float:
    """Return the p-value of a power law in the tail, by simulation.

    ``log(tau/start)`` is exponential then: the largest distance of distributions
    (Kolmogorov), each sample over its own mean, is compared with that of samples that
    are exponential. One scale alone is no power law: 0.

    Args:
        logs: of `log_excess`.
        rng: of what is drawn.

    Source: Clauset, Shalizi and Newman 2009, SIAM Rev. 51, 661, section 4.1.
    """
    if not logs.any():
        return 0.0
    drawn = rng.standard_exponential((RESAMPLES, len(logs)))
    farther = _distance(drawn) >= _distance(logs[None])
    return float((1 + farther.sum()) / (RESAMPLES + 1))


def _distance(
    logs: Float[np.ndarray, "sample excess"],
) -> Float[np.ndarray, "sample"]:
    """Return Kolmogorov's distance to the exponential law of each sample's mean."""
    ascending = np.sort(logs / logs.mean(axis=1, keepdims=True), axis=1)
    law, count = -np.expm1(-ascending), logs.shape[1]
    above = np.arange(1, count + 1) / count - law
    return np.maximum(above, 1 / count - above).max(axis=1)
