"""The answer in words: how far the networks see, what they learnt, what stops them."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import pandas as pd

from ..plots.findings import learnt
from ..summaries import Summary
from ..summaries.spread import Row, Trees, records, trained
from ..summaries.windows import of_dependency
from ..words import (
    capital,
    interval,
    listed,
    number,
    percent,
    ranges,
    sequences,
    short,
    span,
    steps,
    uncapital,
)
from .overview import Judged, stopped


def headline(
    found: Summary,
    budget: float,
    kind: str = "network",
    judged: Mapping[str, Sequence[Judged]] | None = None,
) -> str:
    """Say how far networks see with N sequences, keep, what they learnt, what stops.

    A network is named the farthest only where every line has several seeds, and others
    are called shorter only where their interval does not overlap its interval.

    Args:
        found: what the seeds have in common.
        budget: number of sequences N, one of the study's.
        kind: what the lines are: network or layer.
        judged: verdicts on the lags, one mapping per seed, by line; of layers those
            on the model as a whole, by any name.
    """
    rows = {name: records(table)[budget] for name, table in found.reached.items()}
    rows = {n: row for n, row in rows.items() if not math.isnan(row["mean"])}
    others = {
        n: table.attrs["why"] for n, table in found.reached.items() if n not in rows
    }
    seen = _seen(rows, kind) if rows else "no window is defined"
    said = [f"With {sequences(budget)} {seen}", *_unseen(others), *_kept(found)]
    said += [uncapital(learnt(found))] if found.shares else _untold(found)
    return "; ".join([*said, *_stops(found, kind, judged or {})]) + "."


def _unseen(why: Mapping[str, str]) -> list[str]:
    """Say of which lines it is not defined how far they see, and why."""
    names: dict[str, list[str]] = {}
    for name, reason in why.items():
        names.setdefault(reason, []).append(name)
    return [f"{listed(some)}: {reason}" for reason, some in names.items()]


def _kept(found: Summary) -> list[str]:
    """Say how far states keep what is new, nothing where that was not measured."""
    known = [one.kept for seeds in found.progress.values() for one in seeds]
    known = [kept for kept in known if not math.isnan(kept)]
    if not known:
        return []
    who = "its state keeps" if len(found.names) == 1 else "the states keep"
    return [f"{who} {span(min(known), max(known))} steps"]


def _untold(found: Summary) -> list[str]:
    """Say why nobody knows what is learnt, where that was asked."""
    seeds = [one for seeds in found.progress.values() for one in seeds]
    reasons = {one.why["learnt"]: None for one in seeds if "learnt" in one.why}
    return [f"what is learnt is not known ({reason})" for reason in [*reasons][:1]]


def _stops(
    found: Summary, kind: str, judged: Mapping[str, Sequence[Judged]]
) -> list[str]:
    """Say what stops the lags that are not learnt, nothing where none is."""
    lines = [stopped(seeds, found.task_lags) for seeds in judged.values()]
    lags: dict[str, list[int]] = {}
    for verdict, (own, _) in chain.from_iterable(line.items() for line in lines):
        lags.setdefault(verdict, []).extend(own)
    if not lags or not found.shares:  # of what is not known to be open nothing is said
        return []
    every, alone = sum(map(len, lags.values())), len(lines) == 1

    def many(own: list[int]) -> str:
        return f"({len(own)})" if len(own) < every else ""

    told = [
        f"{STOPS.get(verdict, verdict)} "
        + (f"(lag{'s' * (len(own) > 1)} {ranges(own)})" if alone else many(own))
        for verdict, own in lags.items()
    ]
    some = any(table["some"].any() for table in found.shares.values())
    which = "the others" if some else "them"
    if not alone:
        which = f"the other {every} pairs of {kind} and lag"
    return [f"what stops {which}: {', '.join(told).strip()}"]


# How a sentence says what verdicts say of a lag.
STOPS = {
    "vanishes": "their gradient vanishes",
    "too few steps": "too few training steps",
    "forgotten": "the state forgets them",
    "not resolved": "not known yet",
}


def middle(row: Row) -> str:
    """Return how far is seen, with ± a deviation where there are several seeds.

    Args:
        row: of `summaries.seen_spread`.
    """
    if row["whole"] == row["seeds"]:
        return f"every dependency, the farthest {steps(row['mean'])}"
    if row["seeds"] == 1:
        return steps(row["mean"])
    return f"{short(row['mean'])} ± {short(row['deviation'], 2)} steps back"


def _seen(rows: Mapping[str, Row], kind: str) -> str:
    """Say who sees farthest and who is told apart from it, or that nobody can tell."""
    count = len(rows)
    together = "both" if count == 2 else f"all {count}"
    if count == 1:
        ((name, row),) = rows.items()
        return f"{name} sees {middle(row)} ({_ends([row])})"
    every = list(rows.values())
    low, high = (end(every, key=lambda row: row["mean"]) for end in (min, max))
    if all(row["whole"] == row["seeds"] for row in every):
        return f"{together} {kind}s see {middle(high)} ({_ends(every)})"
    if not high["mean"]:
        return f"no {kind} sees even the nearest dependency ({_ends(every)})"
    if low["mean"] == high["mean"]:
        return f"{together} {kind}s see equally far: {middle(high)} ({_ends(every)})"
    if any(row["seeds"] == 1 for row in every):
        far = steps(high["mean"])
        return f"the {count} {kind}s see between {short(low['mean'])} and {far}"
    return _ranked(rows)


def _ranked(rows: Mapping[str, Row]) -> str:
    """Say who sees farthest, and who is told apart from it."""
    most = max(row["mean"] for row in rows.values())
    best = {name: row for name, row in rows.items() if row["mean"] == most}
    others = {name: row for name, row in rows.items() if name not in best}
    far, *_ = best.values()
    said = f"{listed([*best])} see{'s' * (len(best) == 1)} farthest: {middle(far)} "
    said += f"({_ends([*best.values()])})"
    close = [name for name, row in others.items() if row["upper"] >= far["lower"]]
    if len(close) == len(others):
        return f"{said}; intervals overlap, so that no other is told apart from that"
    if close:
        said += f"; not told apart from that, as intervals overlap: {listed(close)}"
    apart = [
        f"{name} {middle(row)} ({_ends([row])})"
        for name, row in others.items()
        if name not in close
    ]
    return f"{said}; told apart and shorter: {listed(apart)}"


def _ends(rows: Sequence[Row]) -> str:
    """Return the lowest and the highest end of the intervals of several networks."""
    return interval(
        min(row["lower"] for row in rows), max(row["upper"] for row in rows)
    )


def nothing_seen(found: Summary) -> list[str]:
    """Say that nothing is seen, and what the easiest lag would need.

    Args:
        found: what the seeds have in common.
    """
    most = max(found.n_sequences)
    if any(records(table)[most]["mean"] != 0 for table in found.reached.values()):
        return []
    said = f"No window was found with up to {sequences(most)}."
    easiest = [
        (of_dependency(row), str(lag), name)
        for name, table in found.samples.items()
        for lag, row in records(table).items()
        if np.isfinite(of_dependency(row)[0])
    ]
    if not easiest:
        no = "No lag is resolved, so that no number of sequences can be named."
        return [said, no]
    (needed, low, high), lag, name = min(easiest)
    return [
        said,
        f"The easiest lag of all is {lag} for {name}: it would need "
        f"{short(needed)} sequences ({short(low)} to {short(high)}).",
    ]


def seeds_said(lines: Mapping[str, Trees], level: float, kind: str = "network") -> str:
    """Say what ± and brackets hold.

    Args:
        lines: diagnoses of all seeds, by line.
        level: confidence of the intervals.
        kind: what the lines are: networks, or layers of one model.
    """
    counts = {len(trees) for trees in lines.values()}
    brackets = f"Brackets are {percent(level)} intervals over the choice of sequences."
    if kind == "layer":
        return brackets
    if counts == {1}:
        return (
            f"{brackets} There is one seed: how much another would change is not "
            "known, so that no network is named the best."
        )
    many = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else str(max(counts))
    return (
        f"± is a standard deviation over {many} seeds; brackets reach from the lowest "
        f"to the highest end of their {percent(level)} intervals over the choice of "
        "sequences."
    )


def diverged(lines: Mapping[str, Trees]) -> list[str]:
    """Say which trainings diverged; nothing if none did.

    Args:
        lines: diagnoses of all seeds, by line.
    """
    trainings = {name: trained(trees) for name, trees in lines.items()}
    lost = {n: [r for r in rs if r.attrs["diverged"]] for n, rs in trainings.items()}
    count, every = (sum(map(len, of.values())) for of in (lost, trainings))
    if not count:
        return []
    first = next(filter(None, lost.values()))[0].attrs["outcome"]
    who = listed([name for name, some in lost.items() if some])
    what = f"{count} of {every} trainings diverged ({who}; {first})"
    return [f"{what}; their numbers are those of their best weights before."]


def difference(rows: pd.DataFrame) -> list[str]:
    """Say in words in which of two studies networks see farther.

    Of the numbers of sequences it takes the largest with which most can be judged.

    Args:
        rows: windows side by side, one row per network and number of sequences.
    """
    judged = {
        float(str(budget)): [_judged(row) for row in part.to_dict("records")]
        for budget, part in rows.groupby("n_sequences")
    }
    told = max(judged, key=lambda n: (sum(k != UNKNOWN for k, _ in judged[n]), n))
    parts: dict[str, list[str]] = {}
    for kind, name in judged[told]:
        parts.setdefault(kind, []).append(name)
    said = [f"{kind}: {listed(parts[kind])}." for kind in KINDS if kind in parts]
    first = f"With {number(told)} sequences {said[0]}"
    return [first, *map(capital, said[1:])]


UNKNOWN = "cannot be judged, as seeds are too few or no dependency was found"
ALIKE = "not told apart"
KINDS = ("B sees farther than A", "A sees farther than B", ALIKE, UNKNOWN)


def _judged(row: Mapping) -> tuple[str, str]:
    """Judge the difference of a row; return its words, too.

    Two standard errors are not enough: a few seeds often see exactly as far.
    """
    gap, error, name = row["difference"], row["error"], str(row["group"])
    if math.isnan(error):
        return UNKNOWN, name
    near, far = ("first", "second") if gap > 0 else ("second", "first")
    if abs(gap) > 2 * error and row[f"lower_{far}"] > row[f"upper_{near}"]:
        said = f"{name} (by {abs(gap):.3g} ± {error:.2g} steps)"
        return KINDS[0 if gap > 0 else 1], said
    return ALIKE, f"{name} ({gap:+.3g} ± {error:.2g} steps)" if gap or error else name
