"""What the laws say of a training after 40 of 800 updates, without its end.

A law is a path of beta over the updates that are left. It ends at the overfit clock or
with the last update, and a band is learnt if its share is half or more there.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from learnability.tasks import Bands

from ..calibration.run import Record
from ..calibration.settings import RunSettings
from .clock import half_gap, overfit_clock
from .dynamics import Kernel, grown, growth, shares, solved, target
from .escape import modes
from .plan import LAGS, LOOKS

LAWS = ("A kernel stays", "B kernel grows", "R modes escape")
PRIMARY = LAWS[1]
LEARNT = 0.5
SURE = (
    0.98  # the largest probability that a share is taken for, and 1 less the smallest
)

Path = Float[np.ndarray, "time lag"]


class Said(NamedTuple):
    """What a law says.

    Attributes:
        share: of every band where the path ends.
        clock: the update at which it ends.
    """

    share: Float[np.ndarray, "band"]
    clock: int


class Looks(NamedTuple):
    """What was measured of a training, as the laws take it.

    Attributes:
        seen: kernel and beta at each look.
        task: what it learns.
        rate: of `escape.modes`.
        size: of `escape.modes`.
        units: H.
        fitting: o of `clock.half_gap`.
    """

    seen: tuple[Kernel, Kernel]
    task: Bands
    rate: float
    size: float
    units: int
    fitting: float


def looks_of(run: RunSettings, records: list[Record]) -> Looks:
    """Return what `look.look_ahead` measured of a training, as arrays.

    Args:
        run: its settings.
        records: of both looks.
    """
    before, now = (
        Kernel(*(np.array(r[name]) for name in Kernel._fields)) for r in records
    )
    gaps = (records[0]["gap"], records[1]["gap"])
    fitting = half_gap(gaps, LOOKS[1] - LOOKS[0])
    plateau = (records[1]["rate"], records[1]["size"], run.architecture.units)
    return Looks((before, now), run.family.task, *plateau, fitting)


def path(looks: Looks, law: str, times: Float[np.ndarray, "time"]) -> Path:
    """Return beta after some updates more, by a law.

    Args:
        looks: what was measured.
        law: of `LAWS`.
        times: updates after the last look.
    """
    before, now = looks.seen
    c = target(looks.task, LAGS)
    if law == LAWS[0]:
        return solved(now, c, times)
    if law == LAWS[1]:
        g = growth(before, now, c, LOOKS[1] - LOOKS[0])
        return solved(now, c, grown(g, times))
    escapes, beta = modes(now, c, looks.rate, looks.size, looks.units)
    return beta[np.searchsorted(escapes, times, side="right") - 1]


def said(
    looks: Looks, law: str, updates: int, *, slower: float = 1.0, clock: bool = True
) -> Said:
    """Return what a law says of all bands.

    Args:
        looks: what was measured.
        law: of `LAWS`.
        updates: of the whole training.
        slower: the law's time runs so many times slower.
        clock: whether the path ends at the overfit clock.
    """
    times = np.arange(updates - LOOKS[1] + 1, dtype=float)
    beta = path(looks, law, times / slower)
    now = looks.seen[1]
    missing = target(looks.task, LAGS) - beta
    loss = (missing**2 * now.within).sum(axis=1) / 2
    end = overfit_clock(loss, times, looks.fitting) if clock else len(times) - 1
    return Said(shares(looks.task, beta[end], now.within), LOOKS[1] + end)


def slowness(looks: Looks, law: str, updates: int, half: int | None) -> float:
    """Return how many times slower a single delay was learnt than a law says.

    Args:
        looks: what was measured of its training.
        law: of `LAWS`.
        updates: of the whole training.
        half: the update at which it was half learnt; None if it never was, which
            counts as the last one.

    Returns:
        At least one update over at least one update; 1 where the law says never.
    """
    times = np.arange(updates - LOOKS[1] + 1, dtype=float)
    beta = path(looks, law, times)
    share = shares(looks.task, beta, looks.seen[1].within)[:, 0]
    reached = np.flatnonzero(share >= LEARNT)
    if not reached.size:
        return 1.0
    left = (updates if half is None else half) - LOOKS[1]
    return max(left, 1) / max(float(times[reached[0]]), 1.0)


def probability(share: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Return the probability of being learnt that a foretold share is taken for.

    The share itself, between 1 - `SURE` and `SURE`: no constant is fitted.

    Example:
        >>> probability(np.array([-0.2, 0.5, 1.1])).round(2).tolist()
        [0.02, 0.5, 0.98]
    """
    return np.clip(share, 1 - SURE, SURE)
