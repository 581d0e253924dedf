"""The page of a study, of a comparison, of an own model, of a training's history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from ..plots import pictures
from ..summaries import Published, Summary, Trees, group, laid_over, records, summed
from ..words import MISSING, number, short
from .answer import (
    cell,
    difference,
    diverged,
    fits,
    headline,
    learnt_lags,
    nothing_seen,
    seeds_said,
    stops,
)
from .render import Table, by_budget, render, shown
from .table import comparison_table, formatted

WHAT = (
    "A network can learn from the past only what shows in the gradient of its training "
    "data. Its window is how many steps back a dependency still shows there, averaged "
    "over N sequences."
)
NAVIGATION = {
    "answer": "Answer",
    "figures": "By lag",
    "lags": "Numbers",
    "meaning": "What the numbers mean",
    "again": "Run it again",
    "methods": "Methods",
}
HINTS = {
    "window": "How many steps back a dependency shows in the gradient of N sequences, "
    "with its interval. ≥: the longest lag measured is reached.",
    "lags learnt": "Lags of the task of which at least half is in the prediction.",
    "R²": "Share of the targets' variance that is predicted, of the most that can be.",
    "left": "What is left of a perturbation after so many steps.",
    "sequences": "Sequences that the gradient must average before the lag shows.",
    "alpha": "Tail index of the gradient: 2 is Gaussian, lower has larger outliers.",
    "time scale": "Steps for which a single unit keeps what it holds: median, lowest "
    "and highest tenth.",
}


@dataclass(frozen=True)
class Again:
    """What it takes to make a study again.

    Attributes:
        command: to type.
        settings: as TOML; nothing where there are none.
        facts: versions and the like, by name.
    """

    command: str
    settings: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def download(self) -> str:
        """Return the settings as part of an address that holds them."""
        return quote(self.settings, safe="")


@dataclass(frozen=True)
class Study:
    """What a page is about.

    Attributes:
        title: of the page.
        lines: diagnoses of one seed or several, by name of line: a network and
            optimizer, or a layer.
        budgets: numbers of sequences N.
        level: confidence of the intervals.
        facets: what the lines can be switched by, such as ``{"optimizer": "sgd"}``, by
            name of line.
        asked: what was asked for, in a sentence.
        kind: what the lines are: network or layer.
        again: what it takes to make it again.
    """

    title: str
    lines: Mapping[str, Trees]
    budgets: Sequence[float]
    level: float
    facets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    asked: str = ""
    kind: str = "network"
    again: Sequence[Again] = ()


def study_page(
    study: Study,
    *,
    rows: pd.DataFrame | None = None,
    found: Summary | None = None,
    published: Published | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Return the report of a study as one self-contained HTML page.

    The page holds no time, so that the same results give the same bytes.

    Args:
        study: what it is about.
        rows: the study's `table`, one row per run, for specialists.
        found: of `summaries.summed`, if it was made before.
        published: runs of the published programme to lay over the study's.
        notes: sentences below the answer, beside those of the page itself.
    """
    found = summed(study.lines, study.budgets) if found is None else found
    heads = [headline(found, n, study.kind) for n in found.budgets]
    strengths = [
        float(group(tree, "detection").attrs["effect_size"])
        for trees in study.lines.values()
        for tree in trees
    ]
    said: list[object] = [
        *nothing_seen(found, strengths),
        *diverged(study.lines),
        seeds_said(study.lines, study.level),
        *notes,
    ]
    limits = [" ".join(stops(found, n)) for n in found.budgets]
    if any(limits):
        said.insert(0, by_budget(limits))
    facets = dict(study.facets)
    shown_found = found
    if published is not None:
        shown_found = laid_over(found, published)
        for name in shown_found.names:
            ours = facets.get(name, {"network": name})
            source = "this study" if name in found.names else "published"
            facets[name] = {**ours, "runs": source}
    return _page(
        study,
        shown_found,
        facets=facets,
        headline=by_budget(heads),
        lead=f"{WHAT} {study.asked}",
        table=_first(study, found),
        notes=said,
        numbers=None
        if rows is None
        else Table.of(formatted(rows), "numbers of the study, by run"),
    )


def comparison_page(study: Study, rows: pd.DataFrame, titles: Sequence[str]) -> str:
    """Return a page that lays two studies over one another.

    Args:
        study: the lines of both, named ``A: ...`` and ``B: ...``.
        rows: their windows side by side, one row per network and number of sequences.
        titles: of both studies.
    """
    a, b = titles
    first, *rest = difference(rows)
    lead = (
        f"{WHAT} A is {a}, B is {b}. Windows are means over seeds ± a deviation (≥: "
        "some reach the longest lag measured), differences B less A ± a standard error "
        "over seeds. A difference counts from two standard errors on."
    )
    found = summed(study.lines, study.budgets)
    places = [found.budgets.index(float(n)) for n in rows["budget"]]
    caption = "windows of both studies"
    table = replace(Table.of(comparison_table(rows), caption), budgets=places)
    return _page(
        study,
        found,
        facets=study.facets,
        headline=first,
        lead=lead,
        table=table,
        notes=rest,
        numbers=None,
    )


def _page(
    study: Study,
    found: Summary,
    *,
    facets: Mapping[str, Mapping[str, str]],
    **parts: Any,
) -> str:
    left = [key for key, there in (("again", study.again),) if not there]
    return render(
        "study.html",
        title=study.title,
        kicker="learnability report",
        navigation={k: v for k, v in NAVIGATION.items() if k not in left},
        facets=switches(found.names, facets),
        budgets=[number(budget) for budget in found.budgets],
        figures=[shown(picture) for picture in pictures(found)],
        lags=[_by_lag(found, place, name) for place, name in enumerate(found.samples)],
        made=study.again,
        **parts,
    )


def switches(
    names: Sequence[str], facets: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, list[int]]]:
    """Return the lines of every value that lines can be switched by.

    Args:
        names: of all lines.
        facets: values by name of facet, by name of line.

    Returns:
        Places of lines by value by facet; a facet of one value switches nothing.
    """
    found: dict[str, dict[str, list[int]]] = {}
    for member, name in enumerate(names):
        for facet, value in facets.get(name, {}).items():
            found.setdefault(facet, {}).setdefault(value, []).append(member)
    return {facet: values for facet, values in found.items() if len(values) > 1}


def _first(study: Study, found: Summary) -> Table:
    """Return the table of the first screen: seen beside learnt."""
    rows = []
    for name, trees in study.lines.items():
        windows = [cell(row) for row in records(found.reached[name]).values()]
        row: list[object] = [name, by_budget(windows)]
        if found.shares:
            row += [learnt_lags(trees), fits(trees)]
        rows.append(row)
    ns = by_budget([f"window at N = {number(n)}" for n in found.budgets])
    heads: list[str] = [
        study.kind,
        ns,
        *["lags learnt", "R² of ceiling"] * bool(found.shares),
    ]
    members = [found.names.index(name) for name in study.lines]
    return Table(heads, rows, "windows and what was learnt", 1, members, hints=HINTS)


def _by_lag(found: Summary, member: int, name: str) -> Table:
    """Return what is known of a line at each lag."""
    need, f = (records(table[name]) for table in (found.samples, found.envelopes))
    law = records(found.tails[name]) if name in found.tails else {}
    rows = [
        [
            str(lag),
            short(f[lag]["mean"], 2) if lag in f else MISSING,
            f"{short(row['needed'])} ({short(row['lower'])} to {short(row['upper'])})",
            "yes" if np.isfinite(row["needed"]) else "no",
            short(law[lag]["alpha"]) if lag in law else MISSING,
        ]
        for lag, row in need.items()
    ]
    columns = ["lag", "left, f(l)/f(0)", "sequences needed", "resolved", "alpha"]
    return Table(columns, rows, name, 1, [member] * len(rows), hints=HINTS)
