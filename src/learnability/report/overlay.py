"""The published programme's runs laid over ours, in the figures that it has."""

from dataclasses import replace

import numpy as np
import pandas as pd

from ..study.published import Published, grid
from ..summaries import ESTIMATORS, law_columns, log_band, spread
from .across import Summed

MARK = "published"


def overlaid(found: Summed, published: Published) -> Summed:
    """Lay published runs over what our seeds have in common.

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
        for cell in dict.fromkeys(published.lags["architecture"]):
            rows = published.lags.loc[published.lags["architecture"] == cell, :]
            name = f"{cell}, {MARK}"
            if "envelope" in rows and len(table := _known(rows, "lag", "envelope")):
                envelopes[name] = _envelope(table)
            if {"envelope", "alpha", "sigma", "signal"} <= set(rows):
                laws[name] = _law(rows)
            if {"alpha_koutrouvelis", "alpha_mcculloch"} <= set(rows):
                estimators[name] = _estimators(rows)
    return replace(
        found,
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
        # Nothing says which lag was the last; the longest window found may be cut off.
        "censored": (values == longest).sum(axis=0) * (longest > 0),
        "seeds": len(values),
    }
    return pd.DataFrame(columns, index=table.index)


def _known(rows: pd.DataFrame, index: str, values: str) -> pd.DataFrame:
    """Give a quantity by seed, where all seeds have a number."""
    return grid(rows, index, values).dropna()


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
    return pd.DataFrame({**columns, "censored": False})


def _estimators(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    found = {}
    for name in ESTIMATORS:
        column = f"alpha_{name}"
        theirs = column if column in rows else "alpha_koutrouvelis"
        table = grid(rows, "lag", theirs)
        # They used no maximum likelihood: an empty line, not another's.
        known = 1.0 if column in rows else np.nan
        values = {"alpha": table.mean(axis=1), "deviation": table.std(axis=1)}
        found[name] = pd.DataFrame(values) * known
    return found
