"""The verdict per lag: one table of rules, the first that fits speaks.

Every threshold stands here and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite, isnan, nan
from typing import NamedTuple

SEEN = 0.3  # standard deviations of the targets: what is smaller may go unseen
SHARE = 0.5  # from which on a dependency is learnt
SHARE_LOWER = 0.25  # likewise, the lower end of its interval
TO_LEARN = 10  # times the sequences that show a lag are needed to learn it (3 to 70)
ENVELOPE = 0.01  # f(l)/f(0), below which transport is what is missing
REL = 0.3  # b/c, below which a further step fits noise
MEMORY = 0.1  # R^2, below which a state holds nothing of a lag


@dataclass(frozen=True)
class Case:
    """What is known of one lag of one layer; nan where it is not.

    Attributes:
        lag: in steps.
        layer: its name.
        cell: the name of its cell.
        units: of it.
        sequences: N, for training.
        strength: of the dependency in the targets, in standard deviations.
        found: whether it was told from nothing.
        smallest: the strength that would have been found.
        share: learnt share, on held-out data.
        share_lower: lower end of its interval.
        share_upper: upper end of its interval.
        needed: N(l), sequences that show the lag in one gradient.
        envelope: ``f(l)/f(0)``.
        start: the same at the start of the training.
        kept: R^2 of the state for what was new at the lag.
        kept_error: its standard error.
        gain: by how much the next step raises the learnt share.
        gain_error: its standard error.
        progress: the largest gain of all lags that are not learnt: while one of them is
            learnt, others may fall for a while.
        b: by how much the next step lowers the held-out loss.
        b_error: its standard error.
        rel: that over by how much it lowers the training loss.
        unfitted: what rel is of weights that do not know the data.
    """

    lag: int
    layer: str = ""
    cell: str = ""
    units: int = 0
    sequences: int = 0
    strength: float = nan
    found: bool = False
    smallest: float = nan
    share: float = nan
    share_lower: float = nan
    share_upper: float = nan
    needed: float = nan
    envelope: float = nan
    start: float = nan
    kept: float = nan
    kept_error: float = nan
    gain: float = nan
    gain_error: float = nan
    progress: float = nan
    b: float = nan
    b_error: float = nan
    rel: float = nan
    unfitted: float = nan

    @property
    def hidden(self) -> bool:
        """Return whether a gradient of N sequences shows too little of the lag."""
        return self.lag > 0 and not TO_LEARN * self.needed <= self.sequences


class Rule(NamedTuple):
    """A verdict and when it is given.

    Attributes:
        verdict: in the words of a user.
        holds: whether it fits a case that no earlier rule fits.
    """

    verdict: str
    holds: Callable[[Case], bool]


RULES = (
    Rule("not in the data", lambda c: not c.found and c.smallest <= SEEN),
    Rule("not resolved", lambda c: not c.found),
    Rule("learnt", lambda c: c.share >= SHARE and c.share_lower > SHARE_LOWER),
    Rule("vanishes", lambda c: c.hidden and c.envelope < ENVELOPE),
    Rule("not resolved", lambda c: isnan(c.b) or isnan(c.share)),
    Rule("too few sequences", lambda c: c.b <= 0 or not c.rel >= REL),
    Rule("too few steps", lambda c: isnan(c.gain) or max(c.gain, c.progress) > 0),
    Rule("forgotten", lambda c: c.kept < MEMORY),
    Rule("stuck", lambda c: isfinite(c.kept)),
    Rule("not resolved", lambda c: True),
)


def with_progress(cases: dict[int, Case]) -> dict[int, Case]:
    """Return the cases of a layer's lags with the largest gain among them."""
    gains = [c.gain for c in cases.values() if c.found and c.share < SHARE]
    most = max((gain for gain in gains if not isnan(gain)), default=nan)
    return {lag: replace(case, progress=most) for lag, case in cases.items()}


def verdict(case: Case) -> str:
    """Return what stops a lag from being learnt: that of the first rule that fits.

    Example:
        >>> verdict(Case(40, found=False, smallest=0.1))
        'not in the data'
    """
    return next(rule.verdict for rule in RULES if rule.holds(case))
