"""One model with two starts: what arrives from how far back, and what is learnt."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import PAGE, figure, ink, styles, theme


def starts(
    arrives: Mapping[str, pd.Series],
    right: Mapping[str, Sequence[float]],
    chance: float,
    *,
    lags: Sequence[int],
    title: str,
) -> Figure:
    """Return f(l)/f(0) before training, and shares that are right after it, by start.

    Args:
        arrives: f(l)/f(0) by lag; nan where it is too small for its numbers.
        right: shares, one per seed.
        chance: share that guessing has.
        lags: that hold a dependency.
        title: what both panels show.
    """
    with theme("light"):
        made, (left, at) = figure(2, width=PAGE)
        looks = styles(list(arrives))
        for lag in lags:
            left.axvline(lag, color=ink().quiet, lw=0.8, ls=":")
        for place, (name, f) in enumerate(arrives.items()):
            colour, marker = looks[name].colour, looks[name].marker
            shown = f.dropna()
            left.plot(shown.index, shown, color=colour, marker=marker, label=name)
            values = np.asarray(right[name])
            at.bar(place, values.mean(), color=colour, alpha=0.35, width=0.6)
            at.plot([place] * len(values), values, marker, color=colour)
        left.set_yscale("log")
        left.set_ylim(1e-38, 10)  # smaller than the first no float32 is
        left.set_xlabel("steps back (dotted: where the token is)")
        left.set_ylabel("arrives before training: f(l)/f(0)")
        left.legend(loc="lower left", fontsize="small")
        at.axhline(chance, color=ink().quiet, lw=0.9, ls="--")
        at.annotate("chance", (0.5, chance), ha="center", va="bottom", fontsize="small")
        at.set_xticks(range(len(right)), list(right))
        at.set_ylim(0, 1.05)
        at.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        at.set_ylabel("tokens named after training")
        made.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize="medium")
    return made
