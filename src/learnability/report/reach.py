"""How far one network sees, all of its seeds together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..diagnosis import Diagnosis
from .words import interval, reach, short, steps


@dataclass(frozen=True)
class Reach:
    """How far one network sees with one number of sequences, all seeds together.

    Attributes:
        name: of the network and optimizer.
        mean: window in steps, mean over seeds.
        deviation: over seeds; nan for one.
        lower: lowest lower end of the seeds' intervals.
        upper: highest upper end.
        censored: how many windows reach the longest lag measured.
        endless: whether some interval does.
        seeds: how many.
        last: the longest lag measured.
    """

    name: str
    mean: float
    deviation: float
    lower: int
    upper: int
    censored: int
    endless: bool
    seeds: int
    last: int

    @property
    def said(self) -> str:
        """Give steps with what is known of their uncertainty."""
        return f"{self.middle} ({self.ends})"

    @property
    def middle(self) -> str:
        """Give the steps, with ± a deviation where there are several seeds."""
        if self.seeds == 1 or self.censored == self.seeds:
            return steps(self.mean, self.censored > 0)
        least = "at least " if self.censored else ""
        return f"{least}{short(self.mean)} ± {short(self.deviation, 2)} steps back"

    @property
    def ends(self) -> str:
        """Give the ends of the interval, of all seeds together."""
        return interval(self.lower, self.upper, self.endless, self.last)


def reached(name: str, runs: Sequence[Diagnosis], budget: float) -> Reach:
    """Sum up how far the seeds of one network see.

    Args:
        name: of the network.
        runs: diagnoses, one a seed.
        budget: the number of sequences N.
    """
    rows = pd.concat([run.window([budget]) for run in runs])
    window, lower, upper, censored = (
        rows[name].to_numpy(float) for name in ("window", "lower", "upper", "censored")
    )
    lasts = np.array([int(run.group("detection")["lag"].max()) for run in runs])
    return Reach(
        name=name,
        mean=float(window.mean()),
        deviation=float(window.std(ddof=1)) if len(runs) > 1 else math.nan,
        lower=int(lower.min()),
        upper=int(upper.max()),
        censored=int(censored.sum()),
        endless=bool((upper == lasts).any()),
        seeds=len(runs),
        last=int(lasts.max()),
    )


def summed_cell(found: Reach) -> str:
    """Give a table's cell of how far a network sees, with all that is uncertain.

    Args:
        found: how far it sees.
    """
    least = "≥" if found.censored else ""
    away = "" if found.seeds == 1 else f" ± {short(found.deviation, 2)}"
    high = reach(found.upper, found.endless)
    return f"{least}{short(found.mean)}{away} ({found.lower} to {high})"
