"""The published programme's runs laid over ours, in the figures that it has."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from .law import ESTIMATORS, law_columns
from .spread import log_band, spread
from .summary import Summary

MARK = "published"


class Published(NamedTuple):
    """What the published programme wrote.

    Attributes:
        windows: one row per model, seed, method and budget: ``architecture``, ``seed``,
            ``method`` (of alpha; empty where the column names none), ``budget``,
            ``window`` in steps.
        lags: one row per model, seed and lag: ``architecture``, ``seed``, ``lag``,
            ``envelope`` (first order, not divided by f(0)), and whatever of alpha,
            sigma, signal and samples needed there is.
    """

    windows: pd.DataFrame
    lags: pd.DataFrame


def laid_over(found: Summary, published: Published) -> Summary:
    """Lay published runs over ours.

    They join windows, envelopes (divided by their shortest lag's, as there is no f(0)),
    the law's two panels and the estimators; each under its architecture's name and
    "published". What they do not hold is left out.

    Args:
        found: ours.
        published: theirs.
    """
    windows, envelopes = dict(found.windows), dict(found.envelopes)
    laws, estimators = dict(found.laws), dict(found.estimators)
    if len(published.windows):
        theirs = published.windows
        kinds = set(zip(theirs["architecture"], theirs["method"], strict=True))
        for cell, method in sorted(kinds):
            name = f"{cell}, {MARK}" + (f" ({method})" if method else "")
            own = (theirs["architecture"] == cell) & (theirs["method"] == method)
            if len(table := _known(theirs.loc[own, :], "budget", "window")):
                windows[name] = _windows(table)
    if len(published.lags):
        for cell, rows in published.lags.groupby("architecture", sort=False):
            name = f"{cell}, {MARK}"
            if "envelope" in rows and len(table := _known(rows, "lag", "envelope")):
                envelopes[name] = _envelope(table)
            if {"envelope", "alpha", "sigma", "signal"} <= set(rows):
                laws[name] = _law(rows)
            if {"alpha_koutrouvelis", "alpha_mcculloch"} <= set(rows):
                estimators[name] = _estimators(rows)
    names = dict.fromkeys([*found.names, *windows, *envelopes, *laws, *estimators])
    return replace(
        found,
        names=tuple(names),
        windows=windows,
        envelopes=envelopes,
        laws=laws,
        estimators=estimators,
    )


def _windows(table: pd.DataFrame) -> pd.DataFrame:
    values = table.to_numpy(float).T
    longest = values.max(initial=0.0)
    columns = {
        **spread(values),
        "lower": values.min(axis=0),
        "upper": values.max(axis=0),
        "endless": (values == longest).any(axis=0) & (longest > 0),
        "last": longest,
        # Nothing says which lag was the last; the longest window found may be cut off.
        "censored": (values == longest).sum(axis=0) * (longest > 0),
        "seeds": len(values),
    }
    return pd.DataFrame(columns, index=table.index)


def _known(rows: pd.DataFrame, index: str, values: str) -> pd.DataFrame:
    """Return a quantity by seed, where all seeds have a number."""
    return grid(rows, index, values).dropna()


def grid(rows: pd.DataFrame, index: str, values: str) -> pd.DataFrame:
    """Return one quantity as a table: one row per index, one column per seed.

    Args:
        rows: of one architecture.
        index: ``lag`` or ``budget``.
        values: the quantity.
    """
    table = rows.pivot_table(index=index, columns="seed", values=values, dropna=False)
    return table.replace([np.inf, -np.inf], np.nan)


def _envelope(table: pd.DataFrame) -> pd.DataFrame:
    with np.errstate(divide="ignore", invalid="ignore"):  # an envelope may be 0
        logs = np.log(table.to_numpy(float))
        logs = logs - logs[0]
    return pd.DataFrame({**log_band(logs.T), "fitted": np.nan}, index=table.index)


def _law(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.sort_values("lag")
    alpha, sigma = np.asarray(rows["alpha"], float), np.asarray(rows["sigma"], float)
    size, f = abs(np.asarray(rows["signal"], float)), np.asarray(rows["envelope"])
    first = rows.groupby("seed")["envelope"].transform("first")
    known = (alpha > 1) & (alpha <= 2) & (size > 0) & (sigma > 0) & (f > 0)
    for values in (alpha, size, sigma, f):
        known &= np.isfinite(values)
    attenuation = -np.log(f[known] / np.asarray(first, float)[known])
    columns = law_columns(attenuation, alpha[known], sigma[known] / size[known])
    index = pd.Index(np.asarray(rows["lag"])[known], name="lag")
    return pd.DataFrame({**columns, "censored": False}, index=index)


def _estimators(rows: pd.DataFrame) -> pd.DataFrame:
    found = {}
    for name in ESTIMATORS:
        column = f"alpha_{name}"
        table = grid(rows, "lag", column if column in rows else "alpha_koutrouvelis")
        # They used no maximum likelihood: an empty line, not another's.
        known = 1.0 if column in rows else np.nan
        found[name, "alpha"] = table.mean(axis=1) * known
        found[name, "deviation"] = table.std(axis=1) * known
    return pd.DataFrame(found)
