"""The answer of a dependence in plain words."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .dependence import LagDependence


def sentences(found: LagDependence) -> list[str]:
    """Return what was found, how far back it reaches, and what could have been seen."""
    said = [_what(found), _how_far(found), _power(found)]
    if found.ridge:
        said.append(
            "There are fewer than 2 steps for each coefficient: a ridge shrinks them; "
            "ask for fewer lags, or give more sequences."
        )
    if not _anything(found):
        said.append(
            f"{found.features.capitalize()} features of one step at a time see no "
            "dependence that needs several lags at once, such as parity."
        )
    return said


def ranges(lags: list[int]) -> str:
    """Return ascending lags in words, neighbours as a range.

    Example:
        >>> ranges([1, 2, 3, 7, 9])
        '1 to 3, 7 and 9'
    """
    runs = [
        [lag for _, lag in run]
        for _, run in groupby(enumerate(lags), lambda pair: pair[1] - pair[0])
    ]
    names = [f"{r[0]}" if len(r) == 1 else f"{r[0]} to {r[-1]}" for r in runs]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _anything(found: LagDependence) -> bool:
    return bool(found.table.found.any() or found.bands.found.any() or found.joint.found)


def _what(found: LagDependence) -> str:
    p_value = found.joint.p_value
    size = f"p = {p_value:.2g}" if p_value > 1e-12 else "p < 1e-12"
    together = f"{size} for all lags together"
    parts = _found_parts(found)
    if parts:
        return f"{'; '.join(parts)} ({together})."
    if found.joint.found:
        return f"Something is in the data ({together}), but no lag shows by itself."
    return f"Nothing was found at {_lags(list(found.table.index))} ({together})."


def _found_parts(found: LagDependence) -> list[str]:
    """Return the lags that were found, and the bands of which no lag was."""
    single = found.table[found.table.found]
    parts = []
    if len(single):
        best = single.loc[single.strength.idxmax()]
        size = f"{best.strength:.2g} ({best.lower:.2g} to {best.upper:.2g})"
        which = "is in the data" if len(single) == 1 else "are in the data"
        most = "" if len(single) == 1 else f", most of all lag {best.name}"
        lags = _lags(list(single.index)).capitalize()
        parts.append(f"{lags} {which}{most}: {size}")
    bands = found.bands[found.bands.found]
    for first, last in zip(bands["first"], bands["last"], strict=True):
        if single.loc[first:last].empty:
            parts.append(
                f"Something is in the data at lags {first} to {last}, which cannot be "
                "told apart"
            )
    return parts


def _lags(lags: list[int]) -> str:
    return f"{'lag' if len(lags) == 1 else 'lags'} {ranges(lags)}"


def _how_far(found: LagDependence) -> str:
    if found.lookback is None:
        foretell = "no lags foretell targets that were left out"
        verdict = "not resolved" if _anything(found) else "nothing"
        return f"Look-back: {verdict}, {foretell}."
    reached = found.curve.r_squared.iloc[found.lookback - 1]
    steps = "1 step, lag 0, reaches"
    if found.lookback > 1:
        steps = f"{found.lookback} steps, lags 0 to {found.lookback - 1}, reach"
    return (
        f"Look-back: {steps} R² {reached:.2g} of {found.curve.r_squared.max():.2g} "
        "on left-out targets."
    )


def _power(found: LagDependence) -> str:
    alone = found.table[found.table.band == ""]
    largest = max([*alone.smallest, *found.bands.smallest])
    if largest >= 1:
        return (
            "A dependency could explain all targets and go unseen in these "
            f"{found.sample}; give more."
        )
    return (
        f"No dependency above {largest:.2g} would have gone unseen in these "
        f"{found.sample} (19 times in 20)."
    )
