"""The page of a study, of a comparison, and of an own model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import xarray as xr
from upath import UPath

from ..plots import pictures
from ..storage import place, replace_file
from ..summaries import Published, Summary, laid_over, summed
from ..summaries.spread import Trees, group
from ..words import listed, number, span
from . import answer
from .by_lag import by_lag
from .overview import Judged, overview
from .render import Table, by_budget, page, switches
from .table import comparison_table, formatted


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
        n_sequences: numbers of sequences N.
        level: confidence of the intervals.
        facets: what the lines can be switched by, such as ``{"optimizer": "sgd"}``, by
            name of line.
        asked: what was asked for, in a sentence.
        kind: what the lines are: network or layer.
        again: what it takes to make it again.
        judged: verdicts on the lags of each seed, by name of line.
        whole: verdicts on the lags of a model of several layers.
    """

    title: str
    lines: Mapping[str, Trees]
    n_sequences: Sequence[float]
    level: float
    facets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    asked: str = ""
    kind: str = "network"
    again: Sequence[Again] = ()
    judged: Mapping[str, Sequence[Judged]] = field(default_factory=dict)
    whole: Judged | None = None

    def headline(self, found: Summary, budget: float) -> str:
        """Return the answer in one sentence.

        Args:
            found: of `summaries.summed`.
            budget: number of sequences N, one of the study's.
        """
        judged = self.judged if self.whole is None else {"model": [self.whole]}
        return answer.headline(found, budget, self.kind, judged)

    def overview(self, found: Summary, budget: float) -> pd.DataFrame:
        """Return what each line sees, keeps and has learnt, and what stops it.

        Args:
            found: of `summaries.summed`.
            budget: number of sequences N, one of the study's.
        """
        return overview(found, self.lines, budget, self.kind, self.judged)


def study_page(
    study: Study,
    *,
    rows: pd.DataFrame | None = None,
    found: Summary | None = None,
    published: Published | None = None,
    notes: Sequence[str] = (),
    more: Sequence[str] = (),
    headline: str = "",
) -> str:
    """Return the report of a study as one self-contained HTML page.

    The page holds no time, so that the same results give the same bytes.

    Args:
        study: what it is about.
        rows: the study's `table`, one row per run, for specialists.
        found: of `summaries.summed`, if it was made before.
        published: runs of the published programme to lay over the study's.
        notes: sentences below the answer, beside those of the page itself.
        more: sentences for specialists.
        headline: the answer; that of the study unless given.
    """
    found = summed(study.lines, study.n_sequences) if found is None else found
    said = [
        *answer.nothing_seen(found),
        *answer.diverged(study.lines),
        *notes,
        answer.seeds_said(study.lines, study.level, study.kind),
    ]
    every, facets = found, dict(study.facets)
    if published is not None:
        every = laid_over(found, published)
        for name in every.names:
            source = "this study" if name in found.names else "published"
            facets[name] = {**facets.get(name, {"network": name}), "runs": source}
    caption = "numbers of the study, by run"
    return _page(
        replace(study, facets=facets),
        every,
        headline=headline
        or by_budget([study.headline(found, n) for n in found.n_sequences]),
        lead=study.asked,
        table=_first(study, found),
        notes=said,
        more=more,
        numbers=None if rows is None else Table.of(formatted(rows), caption),
    )


COMPARED = ("network", "N", "A sees", "B sees", "B less A")
"""Columns of two studies that people look at first."""
NOT_BOTH = "Only one of the studies was asked about this"


def comparison_page(study: Study, rows: pd.DataFrame, titles: Sequence[str]) -> str:
    """Return a page that lays two studies over one another.

    Args:
        study: the lines of both, named ``A: ...`` and ``B: ...``.
        rows: their windows side by side, one row per network and number of sequences.
        titles: of both studies.
    """
    a, b = titles
    lead = (
        f"A is {a}, B is {b}. Steps that are seen are means over seeds ± a deviation, "
        "differences B less A ± a standard error over seeds. A difference counts from "
        "two standard errors on, where the intervals of both do not overlap."
    )
    found = summed(study.lines, study.n_sequences)
    places = [found.n_sequences.index(float(n)) for n in rows["n_sequences"]]
    both = dict(iter(rows.groupby("n_sequences")))
    said = [
        " ".join(answer.difference(both[n])) if n in both else f"{NOT_BOTH} N."
        for n in found.n_sequences
    ]
    text = comparison_table(rows)
    few = pd.DataFrame(text, columns=[*COMPARED])
    table, every = (
        replace(Table.of(some, caption), budgets=places)
        for some, caption in ((few, "how far both see"), (text, "numbers of both"))
    )
    parts = {"headline": by_budget(said), "lead": lead, "table": table, "notes": ()}
    return _page(study, found, numbers=every, more=(), **parts)


def _page(study: Study, found: Summary, **parts: Any) -> str:
    return page(
        title=study.title,
        budgets=found.n_sequences,
        facets=switches(found.names, study.facets),
        pictures=pictures(found),
        named=found.named,
        lags=[
            by_lag(found, place, name, study.judged.get(name, ()))
            for place, name in enumerate(found.samples)
        ],
        made=study.again,
        **parts,
    )


def _first(study: Study, found: Summary) -> Table:
    """Return the table of the first screen: what is seen, kept and learnt."""
    tables = [study.overview(found, n) for n in found.n_sequences]
    heads = [by_budget(names) for names in zip(*tables, strict=True)]
    parts = [table.to_numpy().tolist() for table in tables]
    rows = [
        [by_budget(cells) for cells in zip(*same, strict=True)]
        for same in zip(*parts, strict=True)
    ]
    members = [found.names.index(name) for name in study.lines]
    caption = "what is seen, kept and learnt"
    return Table(heads, rows, caption, members=members, explained=True)


def model_study(
    layers: Mapping[str, xr.DataTree],
    *,
    title: str,
    n_sequences: Sequence[float],
    judged: Mapping[str, Judged] | None = None,
    whole: Judged | None = None,
) -> Study:
    """Return what the page of an own model is about: a line per recurrent layer.

    Args:
        layers: diagnoses by name of layer.
        title: of the page.
        n_sequences: N, numbers of sequences.
        judged: verdicts on the lags, by name of layer.
        whole: verdicts on the lags of the model.

    Raises:
        ValueError: if there are no layers.
    """
    if not layers:
        raise ValueError("there are no layers to show; diagnose a model first")
    one = next(iter(layers.values()))
    given = float(one.attrs["sequences"])
    lags = group(one, "detection")["lag"].values
    return Study(
        title=title,
        lines={name: [tree] for name, tree in layers.items()},
        n_sequences=n_sequences,
        level=float(json.loads(one.attrs["options"])["level"]),
        facets={name: {"layer": name} for name in layers},
        asked=f"Measured at lags from {lags[0]} to {lags[-1]} steps on "
        f"{number(float(one.attrs['sample']))} of {number(given)} sequences.",
        kind="layer",
        judged={name: [lags] for name, lags in (judged or {}).items()},
        whole=whole,
    )


def model_page(
    study: Study, *, notes: Sequence[str] = (), more: Sequence[str] = ()
) -> str:
    """Return the page of an own model.

    Args:
        study: of `model_study`.
        notes: sentences below the answer, such as advice.
        more: sentences for specialists.
    """
    held = [_held(name, tree) for name, (tree,) in study.lines.items()]
    return study_page(study, notes=notes, more=[*held, *more])


def _held(name: str, tree: xr.DataTree) -> str:
    """Say which dependencies were found, and which of them the data's N shows."""
    own = group(tree, "detection")["own"].dropna("lag")
    given = float(tree.attrs["sequences"])
    if not own["lag"].size:
        return f"{name}: the targets hold no dependency that was found at these lags."
    lags = own["lag"].values
    hidden = [str(lag) for lag in lags[own.values > given]]
    said = (
        f"{name}: dependencies were found at {lags.size} lag{'s' * (lags.size > 1)} "
        f"({span(lags[0], lags[-1], 3)})"
    )
    if not hidden:
        return f"{said}, and {number(given)} sequences show all of them."
    return f"{said}; {number(given)} sequences do not show lag {listed(hidden)}."


def write_page(page: str, path: str | PathLike[str]) -> Path | UPath:
    """Write a page to a file; it appears whole or not at all.

    Args:
        page: its text.
        path: of the file, ending in ``.html``.

    Raises:
        ValueError: if the path has another ending, or cannot be written.
    """
    file = place(path)
    if file.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{file} is no page; give a path that ends in .html")
    replace_file(file, page.encode())
    return file
