"""The results of whole studies as tables and trees: by lag, by N, side by side."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from ..diagnosis import LayerDiagnosis
from ..summaries.progress import COLUMNS, LATER, over_seeds, progress
from ..summaries.spread import LEVELS
from ..summaries.windows import seen_spread
from .folder import RunFolder
from .settings import Settings

Runs = Mapping[str, LayerDiagnosis]


def identified(settings: Settings) -> dict[str, dict[str, object]]:
    """Return what tells the runs of a study apart, by label.

    Args:
        settings: the study.
    """
    return {
        settings.label(run): {
            "study": settings.title,
            "run": settings.label(run),
            "group": settings.group(run),
            "architecture": settings.network(run),
            "optimizer": run.recipe.optimizer,
            "seed": run.seed,
        }
        for run in settings.runs()
    }


def by_lag(settings: Settings, runs: Runs) -> pd.DataFrame:
    """Return a row per run and lag: seen, kept, learnt; samples needed and the like.

    Args:
        settings: the study.
        runs: its diagnoses by label.
    """
    tables = {label: run.summary(full=True) for label, run in runs.items()}
    return _together(settings, tables)


def by_sequences(settings: Settings, runs: Runs) -> pd.DataFrame:
    """Return a row per run and N: seen, kept, learnt; the window with its interval.

    Args:
        settings: the study.
        runs: its diagnoses by label.
    """
    wanted = settings.n_sequences
    tables = {
        label: run.progress(wanted)[[*COLUMNS]].join(run.window(wanted))
        for label, run in runs.items()
    }
    return _together(settings, tables)


def _together(settings: Settings, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return tables of runs below one another, each row with what its run is."""
    known = identified(settings)
    rows = [_known(table, known[label]) for label, table in tables.items()]
    return pd.concat(rows, ignore_index=True)


def _known(rows: pd.DataFrame, known: Mapping[str, object]) -> pd.DataFrame:
    found = rows.reset_index()
    for place, (name, value) in enumerate(known.items()):
        found.insert(place, name, value)
    return found


def as_tree(settings: Settings, runs: Runs) -> xr.DataTree:
    """Return all results as one tree, a group per run.

    Args:
        settings: the study.
        runs: its diagnoses by label.
    """
    root = xr.Dataset(attrs={"title": settings.title, "settings": settings.to_toml()})
    parts: dict[str, xr.Dataset | xr.DataTree] = {"/": root}
    for number, (label, run) in enumerate(runs.items()):
        top = run.tree.to_dataset().assign_attrs(run=label)
        parts[f"run_{number:03d}"] = top
        for name in run.tree.children:
            parts[f"run_{number:03d}/{name}"] = run.group(name)
    return xr.DataTree.from_dict(parts)


def across_seeds(settings: Settings, runs: Runs) -> pd.DataFrame:
    """Return a row per group and N: how far all seeds see, summed up.

    Args:
        settings: the study.
        runs: its diagnoses by label.

    Returns:
        ``group``, ``n_sequences``, ``kept`` (mean over seeds) and ``learnt`` (by all
        seeds), ``seeds`` (how many); of the steps that they see ``mean``, ``deviation``
        (nan for one seed), the percentiles ``p10``, ``p25``, ``median``, ``p75``,
        ``p90``, ``lower`` and ``upper`` (the outer ends of the seeds' intervals); and
        ``whole``: how many of them see every dependency.
    """
    tables = [
        seen_spread([run.tree for run in found], settings.n_sequences)
        .reset_index()
        .assign(group=group, **_later(found))
        for group, found in grouped(settings, runs).items()
    ]
    columns = [
        "group",
        "n_sequences",
        *LATER,
        "seeds",
        "mean",
        "deviation",
        *LEVELS,
        "lower",
        "upper",
        "whole",
    ]
    return pd.DataFrame(pd.concat(tables, ignore_index=True), columns=columns)


def _later(found: list[LayerDiagnosis]) -> dict[str, float | str]:
    """Return what seeds keep and have learnt, whatever N is."""
    both = over_seeds([progress(run.tree) for run in found]).record()
    return {name: both[name] for name in LATER}


def compared(
    first: tuple[Settings, Runs], second: tuple[Settings, Runs]
) -> pd.DataFrame:
    """Return how far the networks of two studies see, side by side.

    Args:
        first: settings and diagnoses of one study.
        second: those of another.

    Returns:
        A row per group and N that both have: of each study mean and deviation over
        seeds of the steps that are seen, the outer ends of the seeds' intervals, and
        what is kept and learnt; ``difference`` of the means (second less first) and its
        standard ``error`` over seeds, nan for one seed.

    Raises:
        ValueError: if they have no group and N in common.
    """
    keys = ["group", "n_sequences"]
    one, two = (across_seeds(*study) for study in (first, second))
    both = one.merge(two, on=keys, suffixes=("_first", "_second"))
    if both.empty:
        raise ValueError(
            "the studies have no architecture, optimizer and N in common; compare "
            "studies of the same networks"
        )
    both["difference"] = both["mean_second"] - both["mean_first"]
    variance = [both[f"deviation_{s}"] ** 2 / both[f"seeds_{s}"] for s in SIDES]
    both["error"] = np.sqrt(variance[0] + variance[1])
    shown = [f"{name}_{side}" for side in SIDES for name in SHOWN]
    return pd.DataFrame(both, columns=[*keys, *shown, "difference", "error"])


SIDES = ("first", "second")
SHOWN = ("mean", "deviation", "lower", "upper", *LATER)


def grouped(settings: Settings, runs: Runs) -> dict[str, list[LayerDiagnosis]]:
    """Return the diagnoses of all seeds, by network and optimizer.

    Args:
        settings: the study.
        runs: its diagnoses by label.
    """
    known, groups = identified(settings), {}
    for label, run in runs.items():
        name = str(known[label]["group"]) if label in known else label
        groups.setdefault(name, []).append(run)
    return groups


def index(settings: Settings) -> pd.DataFrame:
    """Return a row per run: what it is and where its files lie in the study's folder.

    Args:
        settings: the study.
    """
    shown = ("run", "architecture", "optimizer", "seed")
    known = identified(settings).values()
    rows = [
        {name: one[name] for name in shown}
        | {"folder": str(RunFolder.below(Path(), run.identity()).path)}
        for run, one in zip(settings.runs(), known, strict=True)
    ]
    return pd.DataFrame(rows)
