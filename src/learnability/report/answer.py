"""The answer in words: which network sees how far with how much data, how surely."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..diagnosis import Diagnosis
from .reach import Reach, reached
from .words import MISSING, interval, number, short

LEARNT = 0.5
"""Share of a lag in the prediction from which on it counts as learnt."""
NAMED = 4
"""So many networks are named in a sentence; more are counted."""

Groups = Mapping[str, Sequence[Diagnosis]]


def headline(groups: Groups, budgets: Sequence[float], level: float) -> list[str]:
    """Answer in a few plain sentences what a study has found.

    Args:
        groups: diagnoses of all seeds, by network and optimizer.
        budgets: numbers of sequences N of the study.
        level: confidence of the intervals.

    Returns:
        Sentences, to be read one after the other.
    """
    found = {n: [reached(g, r, n) for g, r in groups.items()] for n in budgets}
    said = [
        # Of several numbers the smallest has the widest interval.
        _capital(f"{_with(told)} {_ranked(found[min(told)])}.")
        for told in _telling(found)
    ]
    if not any(r.mean for r in found[max(budgets)]):
        said = [_nothing(groups, budgets), *_needed(groups)]
    return [*said, *_seeds(groups, level), *_diverged(groups)]


def _telling(found: Mapping[float, Sequence[Reach]]) -> list[list[float]]:
    """Give the numbers of sequences to tell of; those that tell the same together.

    The largest and the smallest; and where with the largest all networks reach the
    longest lag measured, the largest with which they do not.
    """
    order = sorted(found, reverse=True)
    full = [n for n in order if _all_reach(found[n])]
    rest = [n for n in order if n not in full]
    # A window grows with N: those that tell nothing apart come first.
    told = [full] if full else []
    return told + [[n] for n in dict.fromkeys([*rest[:1], *rest[-1:]])]


def _all_reach(found: Sequence[Reach]) -> bool:
    return all(r.censored == r.seeds for r in found)


def _with(told: Sequence[float]) -> str:
    """Say with how many sequences."""
    most, least = number(max(told)), number(min(told))
    if most != least:
        return f"with {least} to {most} sequences"
    return f"with {most} sequence{'s' if most != '1' else ''}"


def _ranked(found: Sequence[Reach]) -> str:
    """Say who sees farthest, who is not told apart from it, and who sees least."""
    best = max(found, key=_order)
    if len(found) == 1:
        return f"{best.name} sees {best.said}"
    if _all_reach(found):
        shown = f"{best.middle} ({_all_ends(found)})"
        return (
            f"all {len(found)} networks see {shown}, to the longest lag measured; "
            "which sees farthest only longer lags can tell"
        )
    if not any(r.mean for r in found):
        return f"no network sees even the shortest lag ({_all_ends(found)})"
    first = [r for r in found if _order(r) == _order(best)]
    others = [r for r in found if _order(r) != _order(best)]
    shown = f"{best.middle} ({_all_ends(first)})"
    if not others:
        return f"all {len(found)} networks see equally far: {shown}"
    close = [r.name for r in others if _close(r, best)]
    said = f"{_names([r.name for r in first])} see{'s' * (len(first) == 1)} farthest: "
    said += best.said if len(first) == 1 else shown
    if len(close) == len(others):
        return f"{said}. Intervals overlap: no other network is told apart from that"
    if close:
        said += f"; not told apart from that, as intervals overlap: {_names(close)}"
    least = min(others, key=_order)
    return f"{said}. {least.name} sees least: {least.said}"


def _order(one: Reach) -> tuple[float, float]:
    """Give what networks are ordered by: how many seeds see to the end, then steps."""
    return one.censored / one.seeds, one.mean


def _all_ends(found: Sequence[Reach]) -> str:
    """Give the lowest and the highest end of the intervals of several networks."""
    low, high = min(r.lower for r in found), max(r.upper for r in found)
    return interval(low, high, any(r.endless for r in found), found[0].last)


def _close(one: Reach, best: Reach) -> bool:
    """Say whether two intervals overlap; what reaches the last lag has no upper end."""
    return one.upper >= best.lower or one.endless


def _nothing(groups: Groups, budgets: Sequence[float]) -> str:
    """Say that no network sees anything, and what that does and does not mean."""
    runs = [run for every in groups.values() for run in every]
    first = min(int(run.group("detection")["lag"].min()) for run in runs)
    found = [reached(name, every, max(budgets)) for name, every in groups.items()]
    ends = _all_ends(found)
    who = "No network sees" if len(groups) > 1 else f"{next(iter(groups))} does not see"
    said = (
        f"No window was found. {who} even lag {first} with up to "
        f"{number(max(budgets))} sequences ({ends})."
    )
    if not any(float(run.group("detection").attrs["strength"]) > 0 for run in runs):
        said += (
            " The targets of this task depend on the inputs no more than chance would "
            "have it: there is nothing to be seen."
        )
    return said


def _needed(groups: Groups) -> list[str]:
    """Say what the easiest lag would need, if any lag is resolved."""
    easiest = None
    for name, runs in groups.items():
        for run in runs:
            rows = run.group("detection")
            place = int(np.argmin(rows["needed"].values))
            names = ("needed", "lower", "upper", "lag")
            row = {n: float(rows[n].values[place]) for n in names}
            if easiest is None or row["needed"] < easiest[1]["needed"]:
                easiest = (name, row)
    if easiest is None or not math.isfinite(easiest[1]["needed"]):
        return ["No lag is resolved, so that no number of sequences can be named."]
    name, row = easiest
    ends = f"{short(row['lower'])} to {short(row['upper'])}"
    return [
        f"The easiest lag of all is {number(row['lag'])} for {name}: it would need "
        f"{short(row['needed'])} sequences ({ends})."
    ]


def _seeds(groups: Groups, level: float) -> list[str]:
    """Say what ± and brackets hold."""
    percent = f"{level:.0%}".replace("%", "\u202f%")
    counts = {len(runs) for runs in groups.values()}
    if counts == {1}:
        return [
            f"Brackets are {percent} intervals over the choice of sequences. There is "
            "one seed: how much another would change is not known."
        ]
    many = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else str(max(counts))
    return [
        f"± is a standard deviation over {many} seeds; brackets reach from the lowest "
        f"to the highest end of their {percent} intervals."
    ]


def _diverged(groups: Groups) -> list[str]:
    """Say how many trainings broke off."""
    ended = {
        name: sum(bool(_training(run).get("diverged")) for run in runs)
        for name, runs in groups.items()
    }
    lost, count = sum(ended.values()), sum(map(len, groups.values()))
    if not lost:
        return []
    if count == 1:
        return ["Its training diverged: the numbers are of the best weights before."]
    names = _names([name for name, times in ended.items() if times])
    return [
        f"{lost} of {count} trainings diverged ({names}): their numbers are of the "
        "best weights before, which may be those they began with."
    ]


def learnt(runs: Sequence[Diagnosis]) -> str:
    """Say which of the task's lags training learnt, and how well it predicts.

    Args:
        runs: diagnoses, one a seed.

    Returns:
        A sentence with a space before it; nothing where no run was trained.
    """
    trained = [run for run in runs if _training(run)]
    if not trained:
        return ""
    shares = np.stack([r.group("training")["learnt_share"].values for r in trained])
    lags = trained[0].group("training")["task_lag"].values
    r2 = np.array([float(_training(run)["r2"]) for run in trained])
    # Predictions no better than the mean hold nothing, whatever their shares' noise.
    there = (shares >= LEARNT) & (r2 > 0)[:, None]
    every = [str(lag) for lag in lags[there.all(axis=0)]]
    some = [str(lag) for lag in lags[there.any(axis=0) & ~there.all(axis=0)]]
    said = "lag" + "s" * (len(every) > 1) + " " + _names(every) if every else "none"
    if some:
        said += f", in some seeds {_names(some)}"
    ceiling = float(_training(trained[0])["ceiling"])
    return (
        f" Of the task's lags {', '.join(map(str, lags))} training learnt {said} "
        f"(R² {spread_of(r2)} of at most {ceiling:.3f})."
    )


def spread_of(values: np.ndarray) -> str:
    """Give the mean of some values, as precise as their deviation lets it be.

    Args:
        values: one a seed.

    Example:
        >>> spread_of(np.array([0.1234])), spread_of(np.array([0.1234, 0.1534]))
        ('0.123', '0.138 ± 0.021')
    """
    middle = float(values.mean())
    if not math.isfinite(middle):
        return MISSING
    if values.size == 1:
        return f"{middle:.3f}"
    away = float(values.std(ddof=1))
    digits = 3 if away == 0 else min(6, max(0, 1 - math.floor(math.log10(away))))
    return f"{middle:.{digits}f} ± {away:.{digits}f}"


def difference(rows: pd.DataFrame) -> list[str]:
    """Say in words in which of two studies networks see farther.

    Of the numbers of sequences it takes the largest with which most can be judged.

    Args:
        rows: of `compared`.
    """
    judged = {
        float(str(budget)): [_judged(row) for row in part.to_dict("records")]
        for budget, part in rows.groupby("budget")
    }
    told = max(judged, key=lambda n: (sum(k != UNKNOWN for k, _ in judged[n]), n))
    parts: dict[str, list[str]] = {}
    for kind, name in judged[told]:
        parts.setdefault(kind, []).append(name)
    said = [f"{kind}: {_names(parts[kind])}." for kind in KINDS if kind in parts]
    first = f"With {number(told)} sequences {said[0]}"
    return [first, *map(_capital, said[1:])]


UNKNOWN = "cannot be judged, as seeds are too few or windows reach the longest lag"
ALIKE = "not told apart"
KINDS = ("B sees farther than A", "A sees farther than B", ALIKE, UNKNOWN)


def _judged(row: Mapping) -> tuple[str, str]:
    """Judge the difference of a row by two standard errors; give its words, too."""
    gap, error, name = row["difference"], row["error"], str(row["group"])
    # A window at the longest lag may be longer: that can only widen some differences.
    wider = row["censored_second"] if gap > 0 else row["censored_first"]
    unsure = row["censored"] > wider
    if math.isnan(error) or unsure:
        return UNKNOWN, name
    least = "at least " if wider else ""
    shown = f"{name} (by {least}{abs(gap):.3g} ± {error:.2g} steps)"
    if abs(gap) > 2 * error:
        return KINDS[0 if gap > 0 else 1], shown
    if wider:
        return UNKNOWN, name
    return ALIKE, f"{name} ({gap:+.3g} ± {error:.2g} steps)" if gap or error else name


def _training(run: Diagnosis) -> dict:
    if "training" not in run.tree.children:
        return {}
    return dict(run.group("training").attrs)


def _names(names: Sequence[str]) -> str:
    """Give names as a sentence lists them; beyond a few they are counted."""
    # "GRU, sgd" holds a comma itself.
    comma = "; " if any(", " in name for name in names) else ", "
    if len(names) > NAMED:
        return f"{comma.join(names[:NAMED])} and {len(names) - NAMED} more"
    if len(names) < 2:
        return "".join(names)
    return f"{comma.join(names[:-1])} and {names[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
