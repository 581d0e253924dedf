"""The page of an own model, and of a training's history."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np
import xarray as xr

from ..plots import Picture, envelopes_in_training, monitor_keys, windows_in_training
from ..storage import replace_file
from ..summaries import group
from ..words import listed, number, sequences, short, span
from .render import Table, by_budget, render, shown
from .study import WHAT, Study, study_page, switches


def model_page(
    layers: Mapping[str, xr.DataTree],
    *,
    title: str = "How far back this model can learn",
    budgets: Sequence[float] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Return the page of an own model: a line per recurrent layer.

    Args:
        layers: diagnoses by name of layer.
        title: of the page.
        budgets: numbers of sequences N; those of the data, a tenth and a hundredth of
            them unless given.
        notes: sentences below the answer, such as advice.

    Raises:
        ValueError: if there are no layers.
    """
    if not layers:
        raise ValueError("there are no layers to show; diagnose a model first")
    first = next(iter(layers.values()))
    given = float(first.attrs["sequences"])
    chosen = sorted({max(1.0, given // part) for part in (100, 10, 1)})
    lags = group(first, "detection")["lag"].values
    study = Study(
        title=title,
        lines={name: [tree] for name, tree in layers.items()},
        budgets=chosen if budgets is None else budgets,
        level=float(json.loads(first.attrs["options"])["level"]),
        facets={name: {"layer": name} for name in layers},
        asked=f"Measured at lags from {lags[0]} to {lags[-1]} steps on "
        f"{number(float(first.attrs['sample']))} of {number(given)} sequences.",
        kind="layer",
    )
    held = [_held(name, tree) for name, tree in layers.items()]
    return study_page(study, notes=[*filter(None, held), *notes])


def _held(name: str, tree: xr.DataTree) -> str:
    """Say which dependencies were found, and which of them the data's N shows."""
    need, given = group(tree, "detection"), float(tree.attrs["sequences"])
    if "own" not in need:
        return ""
    own = need["own"].dropna("lag")
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


def write_page(page: str, path: str | PathLike[str]) -> Path:
    """Write a page to a file; it appears whole or not at all.

    Args:
        page: its text.
        path: of the file, ending in ``.html``.

    Raises:
        ValueError: if the path has another ending, or cannot be written.
    """
    place = Path(path)
    if place.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{place} is no page; give a path that ends in .html")
    replace_file(place, page.encode())
    return place


def monitor_page(
    record: xr.Dataset, *, title: str = "Windows while the model trained"
) -> str:
    """Return the page of a training's history: a line per layer.

    Args:
        record: of a `models.Monitor`.
        title: of the page.
    """
    names = [str(name) for name in record["layer"].values]
    budgets, steps = record["budget"].values.tolist(), record["step"].values
    heads = [_moved(record.sel(budget=budget), budget) for budget in budgets]
    figures = [
        Picture(
            "windows",
            tuple(heads),
            "The window of every layer over the steps of training.",
            (
                (
                    partial(windows_in_training, record),
                    partial(monitor_keys, record, envelopes=False),
                ),
            ),
        ),
        Picture(
            "envelope",
            (f"What of a perturbation is left, from step {steps[0]} to {steps[-1]}",),
            "f(l)/f(0) at some steps of training, early ones pale.",
            (
                (
                    partial(envelopes_in_training, record),
                    partial(monitor_keys, record, envelopes=True),
                ),
            ),
        ),
    ]
    table = record["window"].transpose("layer", "step", "budget").to_series()
    rows = table.unstack("budget").rename(columns=lambda n: f"N = {number(n)}")
    text = rows.reset_index().astype(object)
    numbers = Table(
        list(map(str, text.columns)),
        [[v if isinstance(v, str) else short(v) for v in row] for row in text.values],
        "windows by layer and step",
        2,
        [names.index(name) for name in text["layer"]],
    )
    return render(
        "monitor.html",
        title=title,
        kicker="learnability monitor",
        navigation={"answer": "Answer", "numbers": "Numbers"},
        headline=by_budget([f"{head}." for head in heads]),
        lead=WHAT,
        facets=switches(names, {name: {"layer": name} for name in names}),
        budgets=[number(budget) for budget in budgets],
        figures=[shown(figure) for figure in figures],
        table=numbers,
    )


def _moved(record: xr.Dataset, budget: float) -> str:
    """Say how the windows of a training moved from its first to its last step."""
    steps, windows = record["step"].values, record["window"]
    first, last = (
        span(float(np.nanmin(row)), float(np.nanmax(row)), 3)
        for row in (windows.isel(step=0).values, windows.isel(step=-1).values)
    )
    return (
        f"With {sequences(budget)} the window was {first} steps at step {steps[0]} and "
        f"{last} at step {steps[-1]}"
    )
