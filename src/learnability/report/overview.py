"""The first table: what each line sees, keeps and has learnt, and what stops it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..summaries import Summary
from ..summaries.progress import Progress
from ..summaries.spread import Trees, records, trained
from ..summaries.summary import task_lags
from ..summaries.windows import unseen
from ..verdict.explanation import Explanation
from ..words import MISSING, number, ranges, short, span

Judged = Mapping[int, Explanation]
"""What stops each lag of one run of a line, or of a model as a whole."""
SETTLED = ("learnt", "not in the data")


def stopped(
    seeds: Sequence[Judged], lags: Sequence[int]
) -> dict[str, tuple[list[int], str]]:
    """Return what stops lags that are not learnt, with what to try, by verdict.

    Of several seeds it is the commonest verdict.

    Args:
        seeds: verdicts on the lags, one mapping per seed.
        lags: that hold a dependency.
    """
    found: dict[str, tuple[list[int], str]] = {}
    for lag in lags:
        every = [one[lag] for one in seeds if lag in one]
        unlearnt = [said for said in every if said.verdict not in SETTLED]
        if unlearnt:
            most = Counter(said.verdict for said in unlearnt).most_common(1)[0][0]
            advice = next(said.advice for said in unlearnt if said.verdict == most)
            found[most] = [*found.get(most, ([], ""))[0], lag], advice
    return found


def overview(
    found: Summary,
    lines: Mapping[str, Trees],
    budget: float,
    kind: str = "network",
    judged: Mapping[str, Sequence[Judged]] | None = None,
) -> pd.DataFrame:
    """Return one row per line as text: seen, kept, learnt, and what stops the rest.

    Args:
        found: what the seeds have in common.
        lines: diagnoses of all seeds, by line.
        budget: number of sequences N, one of the study's.
        kind: what the lines are: network or layer.
        judged: verdicts on the lags, one mapping per seed, by line.
    """
    known = judged or {}
    columns: dict[str, list[str]] = {kind: list(lines)}
    seen = [cell(found.reached[name], budget) for name in lines]
    columns[f"sees, N = {number(budget)}"] = seen
    if found.progress:
        columns["keeps"] = [_keeps(found.progress.get(name, [])) for name in lines]
    if found.shares:
        columns["learnt"] = [learnt_lags(found.shares.get(name)) for name in lines]
    if known:
        columns["what stops the rest"] = [
            _stop(known[name], task_lags(trees), found.shares.get(name))
            if name in known
            else MISSING
            for name, trees in lines.items()
        ]
    return pd.DataFrame(columns)


def _keeps(seeds: Sequence[Progress]) -> str:
    known = [one.kept for one in seeds if not math.isnan(one.kept)]
    return span(min(known), max(known)) if known else MISSING


def _stop(
    seeds: Sequence[Judged], lags: Sequence[int], shares: pd.DataFrame | None
) -> str:
    """Say what stops lags; of a naming task their verdicts and names may differ."""
    found = stopped(seeds, lags)
    parts = [
        f"{verdict} at {_lags(own)}" + (f": {advice}" if advice else "")
        for verdict, (own, advice) in found.items()
    ]
    told = {lag for own, _ in found.values() for lag in own}
    rest = [] if shares is None else shares.index[~shares["learnt"].to_numpy(bool)]
    other = [lag for lag in rest if lag not in told and _learnt(seeds, lag)]
    parts += [f"learnt by its verdict at {_lags(other)}"] if other else []
    return "; ".join(parts) or "nothing"


def _learnt(seeds: Sequence[Judged], lag: int) -> bool:
    return any(one[lag].verdict == "learnt" for one in seeds if lag in one)


def _lags(some: list[int]) -> str:
    return f"{'lag' if len(some) == 1 else 'lags'} {ranges(some)}"


def cell(reached: pd.DataFrame, budget: float) -> str:
    """Return a table's cell of how far a network sees, with all that is uncertain.

    Args:
        reached: of `summaries.seen_spread`.
        budget: number of sequences N, one of its.
    """
    row = records(reached)[budget]
    if math.isnan(row["mean"]):
        return f"{MISSING}: {unseen(reached)}"
    away = "" if row["seeds"] == 1 else f" ± {short(row['deviation'], 2)}"
    bracket = f"({short(row['lower'])} to {short(row['upper'])})"
    return f"{short(row['mean'])}{away} {bracket}"


def learnt_lags(shares: pd.DataFrame | None) -> str:
    """Return the lags that were learnt in all seeds, and in some.

    Args:
        shares: of `summaries.share_spread`; None where nothing is known.

    Returns:
        Such as ``4, 8 (16 in some)``.
    """
    if shares is None:
        return MISSING
    rows = records(shares).items()
    every = [lag for lag, row in rows if row["learnt"]]
    some = [lag for lag, row in rows if row["some"] and not row["learnt"]]
    said, more = ranges(every) if every else "none", ranges(some) if some else ""
    return f"{said} ({more} in some)" if more else said


HEADS = {"r2": "R² of ceiling", "accuracy": "named right of ceiling"}
"""What tables call the measures of how well a training went."""


def fit_columns(training: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the attributes that say how well a training went.

    Args:
        training: its attributes; none where there was none.

    Example:
        >>> fit_columns({"r2": 0.5, "ceiling": 0.7})
        ('r2', 'ceiling')
    """
    if "accuracy" in training:
        return ("accuracy", "ceiling", "chance")
    return ("r2", "ceiling")


def measure_of(trees: Trees) -> str:
    """Return the attribute that says how well trainings went: one of `HEADS`."""
    (measure, *_) = fit_columns(next((r.attrs for r in trained(trees)), {}))
    return measure


def guessed(training: Mapping[str, Any]) -> str:
    """Return what a guess would name right, in brackets; nothing of values.

    Args:
        training: its attributes, or its row of a table.
    """
    chance = training.get("chance", math.nan)
    return "" if math.isnan(chance) else f" (a guess: {short(chance)})"


def fits(trees: Trees) -> str:
    """Return R², or what is named right, over seeds beside the most that there is."""
    found = [record.attrs for record in trained(trees)]
    if not found:
        return "not trained here"
    measure = measure_of(trees)
    every = np.array([float(training[measure]) for training in found])
    ceiling = np.mean([float(training["ceiling"]) for training in found])
    return f"{spread_of(every)} of {ceiling:.3f}{guessed(found[0])}"


def spread_of(values: np.ndarray) -> str:
    """Return the mean of some values, as precise as their deviation lets it be.

    Args:
        values: one per seed.

    Example:
        >>> spread_of(np.array([0.1234])), spread_of(np.array([0.1234, 0.1534]))
        ('0.123', '0.138 ± 0.021')
    """
    mean = float(values.mean())
    if not math.isfinite(mean):
        return MISSING
    if values.size == 1:
        return f"{mean:.3f}"
    away = float(values.std(ddof=1))
    digits = 3 if away == 0 else min(6, max(0, 1 - math.floor(math.log10(away))))
    return f"{mean:.{digits}f} ± {away:.{digits}f}"
