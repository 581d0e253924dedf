"""The verdict per lag: one table of rules, the first that fits speaks.

Every threshold stands here and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import NamedTuple

SEEN = 0.2  # standard deviations of the targets: what is smaller may go unseen
SHARE = 0.5  # from which on a dependency is learnt
SHARE_LOWER = 0.25  # likewise, the lower end of its interval
TO_LEARN = 10  # times the sequences that show a lag are needed to learn it (3 to 70)
ENVELOPE = 1e-3  # f(l)/f(0), below which transport is what is missing
LOST = 1e-6  # of f(0): less arrives than single precision tells beside the rest
UPDATES = 64  # further ones, after which losses are looked at
TREND = -0.2  # fall of the held-out over that of the training loss: below, noise is fit
GAIN = 0.01  # of a learnt share by a step: by less it rises and falls as weights hover
MEMORY = 0.1  # R^2, below which a state holds nothing of a lag
Z = 1.96  # standard errors on both sides of a number: 95 %


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
        together: whether all lags together were told from nothing.
        others: whether those were that were not found one by one.
        share: learnt share, on held-out data.
        share_lower: lower end of its interval.
        share_upper: upper end of its interval.
        needed: N(l), sequences that show the lag in one gradient.
        envelope: ``f(l)/f(0)``.
        below: whether that is less than its dtype can tell.
        start: the same at the start of the training.
        kept: R^2 of the state for what was new at the lag.
        kept_error: its standard error.
        gain: by how much the next step raises the learnt share.
        gain_error: its standard error.
        progress: the largest gain of all lags that are not learnt, less its error:
            while one of them is learnt, others may fall for a while.
        b: by how much the next step lowers the held-out loss.
        b_error: its standard error.
        rel: that over by how much it lowers the training loss.
        unfitted: what rel is of weights that do not know the data.
        train_fall: by how much further updates lower the training loss.
        train_fall_error: its standard error.
        held_fall: by how much they lower the held-out loss.
        held_fall_error: its standard error.
        past: steps after which the layer's past ends; nan if it does nowhere.
        notes: why some of it is not known.
    """

    lag: int
    layer: str = ""
    cell: str = ""
    units: int = 0
    sequences: int = 0
    strength: float = nan
    found: bool = False
    smallest: float = nan
    together: bool = False
    others: bool = False
    share: float = nan
    share_lower: float = nan
    share_upper: float = nan
    needed: float = nan
    envelope: float = nan
    below: bool = False
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
    train_fall: float = nan
    train_fall_error: float = nan
    held_fall: float = nan
    held_fall_error: float = nan
    past: float = nan
    notes: str = ""

    @property
    def learnt(self) -> bool:
        """Return whether the outputs hold the dependency, beyond chance."""
        return self.share >= SHARE and self.share_lower > SHARE_LOWER

    @property
    def holds(self) -> bool:
        """Return whether the state holds what was new at the lag, beyond chance.

        What is learnt it holds: of inputs most of which ask for nothing, as the tokens
        beside the one that is to be recalled, a read-out finds little.
        """
        enough = self.kept >= MEMORY and self.kept > Z * self.kept_error
        return enough or self.learnt

    @property
    def falls(self) -> bool:
        """Return whether further updates lower the training loss, beyond chance."""
        return self.train_fall > Z * self.train_fall_error

    @property
    def rises(self) -> bool:
        """Return whether the next step raises a learnt share, by enough."""
        return max(self.gain - Z * self.gain_error, self.progress) > GAIN

    @property
    def fits_noise(self) -> bool:
        """Return whether the held-out loss rises too much meanwhile.

        Where the training loss rises as well, as of weights that were at a valley's
        floor, no noise is fitted by what both rise.
        """
        if self.falls:
            return self.held_fall < TREND * self.train_fall
        both = min(self.train_fall, 0.0)
        return self.held_fall - both < -Z * self.held_fall_error

    @property
    def cut(self) -> bool:
        """Return whether the layer's past ends before the lag."""
        return self.lag > self.past

    @property
    def shrunk(self) -> bool:
        """Return whether next to nothing arrives of what was changed at the lag."""
        return self.cut or self.below or self.envelope < ENVELOPE

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
    Rule(
        "not in the data",
        lambda c: not c.found and not c.others and c.smallest <= SEEN,
    ),
    Rule("not resolved", lambda c: not c.found and not c.together),
    Rule("learnt", lambda c: c.learnt),
    Rule("vanishes", lambda c: c.hidden and c.shrunk),
    Rule("not resolved", lambda c: isnan(c.held_fall)),
    Rule("too few sequences", lambda c: c.fits_noise),
    Rule("too few steps", lambda c: c.falls or c.rises),
    Rule("forgotten", lambda c: c.kept < MEMORY),
    Rule("not resolved", lambda c: True),
)


def with_progress(cases: dict[int, Case]) -> dict[int, Case]:
    """Return the cases of a layer's lags with the largest sure gain among them."""
    some = [c for c in cases.values() if c.found and c.share < SHARE]
    gains = [c.gain - Z * c.gain_error for c in some]
    most = max((gain for gain in gains if not isnan(gain)), default=nan)
    return {lag: replace(case, progress=most) for lag, case in cases.items()}


def verdict(case: Case) -> str:
    """Return what stops a lag from being learnt: that of the first rule that fits.

    Example:
        >>> verdict(Case(40, found=False, smallest=0.1))
        'not in the data'
    """
    return next(rule.verdict for rule in RULES if rule.holds(case))
