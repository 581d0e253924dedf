"""What every figure found, in a sentence that holds whatever a page hides."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ..summaries import Summary
from ..summaries.spread import Row, records
from ..summaries.windows import of_dependency
from ..words import interval, percent, sequences, short, span, steps, uncapital
from . import envelope, windows
from . import tails as laws
from ._parts import Values, plain_number, values

# An upper end of alpha from which on the interval holds 2, but for its rounding.
GAUSS_SEEN = 1.995
TINY = 1e-6  # a share below which it is said as a power of ten


def reached(found: Summary) -> tuple[str, ...]:
    """Say how far is seen, for each number of sequences, and what is learnt."""
    more = f"; {uncapital(learnt(found))}" if found.shares else ""
    return tuple(
        _seen([records(table)[n] for table in found.reached.values()], n) + more
        for n in found.n_sequences
    )


def _seen(rows: Sequence[Row], budget: float) -> str:
    said, known = f"With {sequences(budget)}", [r for r in rows if r["mean"] >= 0]
    if not known:
        return f"{said} no window is defined"
    low, high = (end(known, key=lambda row: row["mean"]) for end in (min, max))
    far = steps(high["mean"])
    if len(known) == 1:
        return f"{said} the window is {far} ({interval(low['lower'], low['upper'])})"
    if low["mean"] == high["mean"]:
        return f"{said} all see {far}"
    return f"{said} they see between {short(low['mean'])} and {far}"


def needed(found: Summary) -> str:
    """Say how many sequences the last lag of the task needs, or the last of all."""
    common = set.intersection(*(set(table.index) for table in found.samples.values()))
    if not common:
        return "Sequences that each lag needs before it can be learnt from"
    lag = max([lag for lag in found.task_lags if lag in common] or common)
    every = found.samples.values()
    rows = [of_dependency(records(table)[lag])[0] for table in every]
    if np.isnan(rows).all():
        return f"Lag {lag} is learnt, so that no number of sequences is defined"
    known = [max(n, windows.ONE) for n in rows if np.isfinite(n)]
    lost = int(np.isinf(rows).sum())
    said = [f"needs {span(min(known), max(known))} sequences"] if known else []
    if lost:
        said.append(f"is not resolved by {lost} of {len(rows)}")
    return f"Lag {lag} {' and '.join(said)}"


def grown(found: Summary) -> str:
    """Say how windows grow from the smallest number of sequences to the largest."""
    tables = [records(found.windows[name]) for name in found.reached]
    said = []
    for budget in dict.fromkeys((found.n_sequences[0], found.n_sequences[-1])):
        rows = [t[budget] for t in tables if t[budget]["mean"] >= 0]
        if not rows:
            return "No window is defined where all that the targets ask for is learnt"
        means = [row["mean"] for row in rows]
        more = " or more" if any(row["censored"] for row in rows) else ""
        said.append(f"{span(min(means), max(means))}{more} with {sequences(budget)}")
    return f"Steps that the gradient shows: {', '.join(said)}"


def left(found: Summary) -> str:
    """Say what of a perturbation is left at the longest lag."""
    last = [values(table, "mean")[-1] for table in found.envelopes.values()]
    lags = [int(lag) for lag, _ in last]
    known = [share for _, share in last if np.isfinite(share)]
    if not known:
        return "What is left of a perturbation is below what the numbers can tell"
    low, high = (_share(share) for share in (min(known), max(known)))
    share = low if low == high else f"{low} to {high}"
    after = span(min(lags), max(lags), 3)
    return f"After {after} steps {share} of a perturbation is left"


def _share(share: float) -> str:
    """Return a share in words that stay short however small it is.

    Example:
        >>> _share(0.25).replace("\\u202f", " "), _share(2e-6), _share(0.0)
        ('25 %', '1/500,000', 'nothing')
    """
    if share < envelope.FLOOR:
        return "nothing"
    if share < TINY:
        return plain_number(share)
    return percent(share) if share >= 0.005 else f"1/{float(f'{1 / share:.1g}'):,.0f}"


def detected(found: Summary) -> tuple[str, ...]:
    """Say how many signals stand above the noise, for each number of sequences."""
    said = []
    for budget in found.n_sequences:
        tables = found.floors.values()
        above = np.concatenate([windows.detected(table, budget) for table in tables])
        count = f"{above.sum()} of {above.size}"
        said.append(f"With {sequences(budget)} {count} signals stand above the noise")
    return tuple(said)


def learnt(found: Summary) -> str:
    """Say how many lags were learnt in every seed: of the task, or by any layer."""
    tables = list(found.shares.values())
    every = [[k for k, there in values(t, "learnt") if there] for t in tables]
    if any(table.attrs["task"] for table in tables):
        counts = [*map(len, every)]
        ends = span(min(counts), max(counts))
        return f"Of the task's {max(map(len, tables))} lags training learnt {ends}"
    lags, done = {k for table in tables for k in table.index}, set().union(*every)
    which = f"lag{'s' * (len(lags) != 1)} with a dependency"
    are = "is" if len(done) < 2 else "are"
    return f"Of {len(lags)} {which} {len(done) or 'none'} {are} learnt"


def kept(found: Summary) -> str:
    """Say how long the slowest tenth of the units keeps what it holds."""
    slow = [_slowest(tau) for tau in found.scales.values()]
    known = [tau for tau in slow if not np.isnan(tau)]
    if not known:
        return "No unit keeps what it holds for long enough to have a time scale"
    ends = span(min(known), max(known))
    return (
        f"The slowest tenth of the units keeps what it holds for {ends} steps or more"
    )


def _slowest(tau: Values) -> float:
    """Return the time scale that a tenth exceeds, nan where fewer have one."""
    ordered = np.sort(np.nan_to_num(tau, nan=0.0, posinf=np.inf))
    place = float(ordered[int(0.9 * (ordered.size - 1))]) if ordered.size else 0.0
    return place if place > 0 else np.nan


def tails(found: Summary) -> str:
    """Say between which numbers the tail index lies, and how often 2 is possible."""
    every = pd.concat(found.tails.values()).dropna()
    if not len(every):
        return "No lag has a tail index"
    alpha, upper = (every[n].to_numpy(float) for n in ("alpha", "alpha_upper"))
    inside = f"{(upper >= GAUSS_SEEN).sum()} of {upper.size}"
    ends = span(alpha.min(), alpha.max(), 3)
    return f"Tail index {ends}; Gaussian (2) lies in {inside} intervals"


def split(found: Summary) -> str:
    """Say what the whole network lets through beside what its gates alone do."""
    rows = [list(records(table).values())[-1] for table in found.split.values()]
    ratios = [r["network"] / r["gates"] for r in rows if r["gates"] > envelope.FLOOR]
    known = [ratio for ratio in ratios if np.isfinite(ratio)]
    if not known:
        return "At the longest lag the gates alone let nothing through"
    low, high = (float(f"{end:.2g}") for end in (min(known), max(known)))
    ends = span(low, high)
    return f"At its longest lag a network lets through {ends} times what its gates do"


def explained(found: Summary) -> str:
    """Say how much of the noise the envelope explains, honestly and confounded."""
    confounded, honest = (laws.explained(found.laws, panel) for panel in (0, 1))
    if np.isnan([confounded, honest]).any():
        return "Too few resolved lags to put the law to the test"
    return (
        f"The envelope explains a median R² of {honest:.2f} of the noise; "
        f"{confounded:.2f} with the same exponent on both axes"
    )


def disagreed(found: Summary) -> str:
    """Say how far the estimators of the tail index lie apart."""
    gaps = [laws.differences(table) for table in found.estimators.values()]
    every = np.concatenate([gap[np.isfinite(gap)] for gap in gaps])
    if not every.size:
        return "No estimator finds a tail index"
    middle, most = short(float(np.median(every)), 2), short(float(every.max()), 2)
    return f"Estimators of the tail index differ by {middle} (median), at most {most}"


def moved(record: xr.Dataset, budget: float) -> str:
    """Say how windows moved over a training with a number of sequences."""
    window = record["window"].sel(n_sequences=budget).values
    known = [row[~np.isnan(row)] for row in window]
    first, last = (f"step {record['step'].values[place]}" for place in (0, -1))
    if not (known[0].size and known[-1].size):
        return (
            f"With {sequences(budget)} no window is defined at times: all is learnt, "
            "or no dependency was found"
        )
    before, after = (span(row.min(), row.max()) for row in (known[0], known[-1]))
    return (
        f"With {sequences(budget)} the window is {before} steps at {first} of the "
        f"training and {after} at {last}"
    )


def faded(record: xr.Dataset) -> str:
    """Say what of a perturbation is left at the longest lag, at first and at last."""
    f = record["envelope"].isel(lag=-1).values
    before, after = (
        " to ".join(dict.fromkeys([_share(row.min()), _share(row.max())]))
        for row in np.nan_to_num(f[[0, -1]])
    )
    lag = int(record["lag"].values[-1])
    said = f"After {lag} steps {before} of a perturbation is left at first"
    return f"{said}, {after} at last"
