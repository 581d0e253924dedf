"""One row a statement: what a calibration says of windows, in numbers."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .findings import Findings
from .html import share
from .table import by_run, contiguous

ROWS = (
    "errors",
    "no window in noise",
    "intervals",
    "not resolved yet",
    "at the last lag",
    "the last lag, learnt",
    "learnt on its own",
    "learnt as one thing",
    "detection is not learning",
    "steps",
    "Gaussian formula",
)
"""Names by which the README points to a row."""

CUT = 4
"""Bands of a grid that ends too early."""
BAR = 0.92, 0.98
NO_END = 1e9

Frame = Any


class Row(NamedTuple):
    """A statement.

    Attributes:
        row: one of `ROWS`.
        asked: what was counted or averaged.
        seen: the number, with its interval or range.
        behind: how much it rests on.
    """

    row: str
    asked: str
    seen: str
    behind: str


def in_short(
    found: Findings, trials: Mapping[str, list[dict[str, Any]]]
) -> pd.DataFrame:
    """Give what a calibration says of windows, a row a statement.

    Args:
        found: the comparison with the realised windows.
        trials: rows of `brute.try_cell` and `diagnosed.diagnose_cell` by name.

    Returns:
        ``row`` (of `ROWS`, those that there is anything to say about), ``asked``,
        ``seen``, ``behind``.
    """
    tables: dict[str, Frame] = {n: pd.DataFrame(r) for n, r in trials.items()}
    rows = {r.row: r for r in (*_of_trials(tables), *_of_trainings(found))}
    return pd.DataFrame([rows[name] for name in ROWS if name in rows])


def markdown(rows: pd.DataFrame) -> str:
    """Give the rows as a table for documents.

    Args:
        rows: what `in_short` gave.

    Example:
        >>> print(markdown(pd.DataFrame([Row("steps", "a", "1 of 2", "2 runs")])))
        | row | asked | seen | behind it |
        |---|---|---|---|
        | **steps** | a | 1 of 2 | 2 runs |
    """
    lines = [
        f"| **{r['row']}** | {r['asked']} | {r['seen']} | {r['behind']} |"
        for r in rows.to_dict("records")
    ]
    head = ["| row | asked | seen | behind it |", "|---|---|---|---|"]
    return "\n".join([*head, *lines])


def counted(count: int, whole: int) -> str:
    """Give a count with its share and the exact 95 % interval of that."""
    return f"{count} of {whole}: {share(count, whole)}" if whole else "none of 0"


def _of_trials(tables: Mapping[str, Frame]) -> Iterator[Row]:
    if "errors" in tables:
        yield _errors(tables["errors"])
    if "null" in tables:
        yield _noise(tables["null"])
    if "coverage" in tables:
        yield _intervals(tables["coverage"])
    if "resolution" in tables:
        yield _not_yet(tables["resolution"])
    if "formula" in tables:
        rows = tables["formula"]
        whole, cells = int(rows["lags"].sum()), rows["cell"].nunique()
        yield Row(
            "Gaussian formula",
            "diagnosed lags whose windows use kappa = 2, since projections fail a test "
            "against a stable law of alpha < 2",
            counted(int(rows["gaussian"].sum()), whole),
            f"{whole} lags of diagnoses of {cells} cells",
        )


def _errors(rows: Frame) -> Row:
    known = rows[rows["resolved"]]
    off = (known["observed"] - known["predicted"]).abs()
    within = int((off <= 3 * known["error"] + 0.02).sum())
    return Row(
        "errors",
        "errors of a test on one gradient of N sequences within 3 standard errors + "
        "0.02 of the one that N(l) predicts",
        f"{within} of {len(known)}; largest distance {off.max():.3f}",
        f"{len(rows)} cases (cell, lag, N)",
    )


def _noise(rows: Frame) -> Row:
    # All cells see the same sequences: the worst one speaks for all.
    cells: Frame = rows.groupby("cell")[["studies", "false"]].sum()
    studies, false = int(cells["studies"].iloc[0]), int(cells["false"].max())
    return Row(
        "no window in noise",
        "studies with targets permuted across sequences whose window is 0, in the cell "
        "with the fewest",
        counted(studies - false, studies),
        f"{studies} studies, each of {len(cells)} cells",
    )


def _intervals(rows: Frame) -> Row:
    covered = rows["covered"] / rows["diagnoses"]
    inside = int(covered.between(*BAR).sum())
    return Row(
        "intervals",
        "cases (cell, lag, seed) in which the interval of N(l) holds the truth in 92 "
        "to 98 % of diagnoses",
        f"{inside} of {len(rows)}; from {100 * covered.min():.1f} % to "
        f"{100 * covered.max():.1f} %",
        f"{int(rows['diagnoses'].min()):,} diagnoses each",
    )


def _not_yet(rows: Frame) -> Row:
    sizes = rows["sequences"].tolist()
    few, most = min(sizes), max(sizes)
    last: Frame = rows[rows["sequences"] == most]
    left, looked, later = (
        sum(last[name].tolist()) for name in ("open", "lags", "found")
    )
    return Row(
        "not resolved yet",
        f"far lags that {few} sequences leave open and {most}, with these, resolve",
        counted(later, left),
        f"{left} lags of {looked} looked at",
    )


def _of_trainings(found: Findings) -> Iterator[Row]:
    rows: Frame = found.rows
    yield from _last_lag(rows)
    yield from _against_detection(found.needs)
    all_scores: Frame = found.scores
    scores = all_scores[all_scores["method"] == "detection, at the end"]
    yield Row(
        "detection is not learning",
        "mean distance of the detection window at the end from the realised one, in "
        "bands, from family to family",
        f"{scores['error'].min():.2f} to {scores['error'].max():.2f}",
        f"{len(scores)} families, {int(scores['runs'].sum())} trainings",
    )
    limited, made = int(np.sum(found.realised["limited"])), len(found.realised)
    yield Row(
        "steps",
        "trainings in which steps and not samples were the limit",
        counted(limited, made),
        f"{made} trainings",
    )


def _last_lag(rows: Frame) -> Iterator[Row]:
    """Cut the grid and see where windows lie; then compare with what was learnt."""
    beyond = reach = learnt = full = 0
    for _, own in rows.groupby("family"):
        seen = contiguous(by_run(own, own["end"].to_numpy() > 0))
        real = contiguous(by_run(own, own["learnt"].to_numpy()))
        bands = own["band"].nunique()
        reach += int((seen >= CUT).sum())
        beyond += int((seen > CUT).sum())
        full += int((seen == bands).sum())
        learnt += int((real[seen == bands] == bands).sum())
    yield Row(
        "at the last lag",
        f"detection windows that reach the last of {CUT} bands, given as ≥, and lie "
        "beyond it when more are measured",
        counted(beyond, reach),
        f"{reach} trainings with such a window",
    )
    yield Row(
        "the last lag, learnt",
        "detection windows that reach the last band of all, and realised ones that do "
        "so, too",
        counted(learnt, full),
        f"{full} trainings with such a window",
    )


def _against_detection(needs: Frame) -> Iterator[Row]:
    known = needs[(needs["detection"] < NO_END) & ~needs["at_smallest"].astype(bool)]
    groups = {
        "learnt on its own": ("delays", "more", lambda ratio: ratio > 1),
        "learnt as one thing": ("smooth", "fewer", lambda ratio: ratio < 1),
    }
    for name, (family, word, holds) in groups.items():
        own = known[known["family"].str.startswith(family)]
        if not len(own):
            continue
        ratio = (own["learning"] / own["detection"]).to_numpy()
        yield Row(
            name,
            f"bands of {family} (with and without noise) that took {word} sequences to "
            "learn than to detect, where the smallest N that sufficed lies inside the "
            "grid",
            f"{counted(int(holds(ratio).sum()), len(ratio))}; {np.min(ratio):.2g} to "
            f"{np.max(ratio):.3g} times as many",
            f"{len(own)} bands (cell, band)",
        )
