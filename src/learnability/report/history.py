"""The page of a training's history: how the windows moved."""

import numpy as np
import xarray as xr

from ..plots import monitor_pictures
from ..plots.findings import moved
from ..words import MISSING, number, short
from .render import Table, by_budget, page, switches

NOTE = (
    "What the state keeps and what is learnt a diagnosis of the trained model tells: "
    "lw.diagnose(model, data, loss, heldout=heldout, optimizer=optimizer)."
)


def monitor_page(record: xr.Dataset, *, title: str) -> str:
    """Return the history of a training as one self-contained HTML page.

    Args:
        record: of a `Monitor`.
        title: of the page.
    """
    record = record.sortby("n_sequences")
    layers = [str(name) for name in record["layer"].values]
    budgets = record["n_sequences"].values.tolist()
    first, last = (number(record["lag"].values[place]) for place in (0, -1))
    return page(
        title=title,
        budgets=budgets,
        facets=switches(layers, {name: {"layer": name} for name in layers}),
        pictures=monitor_pictures(record),
        headline=by_budget([f"{moved(record, n)}." for n in budgets]),
        lead=f"Measured at lags from {first} to {last} steps.",
        table=_ends(record, layers),
        notes=[NOTE],
        lags=[_steps(record, name, place) for place, name in enumerate(layers)],
        by="step",
    )


def _ends(record: xr.Dataset, layers: list[str]) -> Table:
    """Return the first and the last window of each layer, and the longest between."""
    names = [f"step {record['step'].values[place]}" for place in (0, -1)]
    rows = []
    for name in layers:
        one = record.sel(layer=name)
        most = by_budget(_longest(one))
        rows.append([name, _window(one, 0), most, _window(one, -1)])
    heads = ["layer", names[0], "longest", names[1]]
    members = range(len(layers))
    return Table(heads, rows, "windows at first and at last", members=members)


def _longest(one: xr.Dataset) -> list[str]:
    """Return the longest window of a layer and its step, for each N."""
    said = []
    for window in one["window"].transpose("n_sequences", "step"):
        if bool(window.isnull().all()):
            said.append(MISSING)
            continue
        place = int(np.nanargmax(window.values))
        said.append(f"{short(float(window[place]))} at step {int(one['step'][place])}")
    return said


def _window(one: xr.Dataset, place: int) -> object:
    """Return the window of a layer at a step with its interval, for each N."""
    at = one.isel(step=place)
    ends = (at[name].values for name in ("window", "lower", "upper"))
    return by_budget(
        [
            MISSING if np.isnan(w) else f"{short(w)} ({short(low)} to {short(high)})"
            for w, low, high in zip(*ends, strict=True)
        ]
    )


def _steps(record: xr.Dataset, name: str, member: int) -> Table:
    """Return one row per measurement: the window, and what the longest lag keeps."""
    one = record.sel(layer=name)
    lag = int(record["lag"].values[-1])
    rows = [
        [str(step), _window(one, place), short(float(one["envelope"][place, -1]), 2)]
        for place, step in enumerate(record["step"].values)
    ]
    heads = ["step", "window", f"left after {lag} steps"]
    return Table(heads, rows, name, members=[member] * len(rows), explained=True)
