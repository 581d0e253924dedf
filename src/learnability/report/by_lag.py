"""What is known of each lag of a line, as a table of a page."""

from collections.abc import Callable, Sequence

import numpy as np

from ..summaries import Summary
from ..summaries.spread import Row, records
from ..summaries.windows import of_dependency
from ..words import MISSING, short
from .overview import Judged
from .render import Table, by_budget


def by_lag(found: Summary, member: int, name: str, judged: Sequence[Judged]) -> Table:
    """Return one row per lag: is it seen, kept, learnt, and what stops it?

    Args:
        found: what the seeds have in common.
        member: place of the line among all.
        name: of the line.
        judged: verdicts on the lags, one mapping per seed.
    """
    need, f = records(found.samples[name]), records(found.envelopes[name])
    shares = records(found.shares[name]) if name in found.shares else {}
    columns: dict[str, Callable[[int], object]] = {
        "lag": str,
        "sequences needed": lambda lag: _needed(need[lag]),
        "seen": lambda lag: _seen(need[lag], found.n_sequences),
        "left, f(l)/f(0)": lambda lag: (
            short(f[lag]["mean"], 2) if lag in f else MISSING
        ),
    }
    if shares:
        columns["learnt share"] = lambda lag: _share(shares.get(lag))
    if any("right" in row for row in shares.values()):
        columns["named right"] = lambda lag: _right(shares.get(lag))
    if len(judged) == 1:  # of several seeds the first table says what most have
        said = judged[0]
        columns["verdict"] = lambda lag: said[lag].verdict if lag in said else MISSING
        columns["because"] = lambda lag: said[lag].evidence if lag in said else ""
        columns["try"] = lambda lag: said[lag].advice if lag in said else ""
    rows = [[tell(lag) for tell in columns.values()] for lag in need]
    members = [member] * len(rows)
    return Table([*columns], rows, name, members=members, explained=True)


def _needed(row: Row) -> str:
    """Return N(l) with its interval; what is not resolved needs at least something."""
    needed, lower, upper = of_dependency(row)
    if np.isnan(needed):
        return MISSING
    if np.isfinite(needed):
        return f"{short(needed)} ({short(lower)} to {short(upper)})"
    least = f", at least {short(lower)}" if np.isfinite(lower) else ""
    return f"not resolved{least}"


def _seen(row: Row, n_sequences: Sequence[float]) -> object:
    """Return whether each number of sequences shows a lag."""
    needed, *_ = of_dependency(row)
    return by_budget(["yes" if needed <= n else "no" for n in n_sequences])


def _right(row: Row | None) -> str:
    """Return the share of a lag's tokens that is named right, a mean over seeds."""
    return MISSING if row is None else short(row["right"], 2)


def _share(row: Row | None) -> str:
    """Return how much of a lag was learnt, over seeds or with its interval."""
    if row is None or np.isnan(row["mean"]):
        return MISSING
    if row["lower"] == row["upper"]:
        return short(row["mean"], 2)
    ends = f"{short(row['lower'], 2)} to {short(row['upper'], 2)}"
    return f"{short(row['mean'], 2)} ({ends})"
