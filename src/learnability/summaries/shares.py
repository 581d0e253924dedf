"""What is kept and learnt, by lag: of the task, or as verdicts found it."""

import numpy as np
import pandas as pd
import xarray as xr

from ..verdict.rules import SHARE, Case
from .spread import Trees, group, trained

MEASURED = ["kept", "kept_error", "share", "share_lower"]


def share_spread(trees: Trees) -> pd.DataFrame:
    """Return the learnt share of every lag, one row per lag.

    The lags are those of the task where it is known, else those that verdicts found.

    Args:
        trees: diagnoses of several seeds; those without a training are left out where
            others have one.

    Returns:
        Over ``lag``: ``mean``; ``lower`` and ``upper``, the smallest and largest over
        seeds, of verdicts the ends of intervals; ``learnt``, whether the lag is in
        every seed, and ``some``, whether it is in any; of a task of naming ``right``,
        the share that is named right. No row where nothing is known. The attribute
        ``task`` says whether the lags are those of the task.
    """
    of_task = [_trained_shares(record) for record in trained(trees)]
    tables = of_task or [_found_shares(tree) for tree in trees if has_learnt(tree)]
    if not tables:
        return pd.DataFrame(columns=["mean", "lower", "upper", "learnt", "some"])
    every = pd.concat(tables).groupby(level="lag")
    table = every.agg(
        mean=("share", "mean"),
        lower=("lower", "min"),
        upper=("upper", "max"),
        learnt=("learnt", "all"),
        some=("learnt", "any"),
    )
    if "right" in every.obj:
        table["right"] = every["right"].mean()
    table.attrs["task"] = bool(of_task)
    return table


def has_learnt(tree: xr.DataTree) -> bool:
    """Tell whether a diagnosis holds what is kept and learnt: older ones do not."""
    return "verdict" in tree.children and set(MEASURED) <= set(tree["verdict"])


def held_and_learnt(tree: xr.DataTree) -> pd.DataFrame:
    """Return whether each lag is held by the state and learnt, one row per lag.

    Args:
        tree: a diagnosis that `has_learnt`.

    Returns:
        ``held`` and ``learnt``, as verdicts have it; missing where not measured.
    """
    known = group(tree, "verdict")
    rows = np.stack([known[name].values for name in MEASURED], -1).tolist()
    cases = [Case(0, **dict(zip(MEASURED, row, strict=True))) for row in rows]
    flags = {"held": [c.holds for c in cases], "learnt": [c.learnt for c in cases]}
    lags = pd.Index(known["lag"].values, name="lag")
    table = pd.DataFrame(flags, lags, dtype="boolean")
    return table.where([[not np.isnan(c.kept), not np.isnan(c.share)] for c in cases])


def _trained_shares(record: xr.Dataset) -> pd.DataFrame:
    """Return the learnt share of each lag of the task, which is known exactly."""
    share = np.asarray(record["learnt_share"].values, float)
    if "r2" in record.attrs and not record.attrs["r2"] > 0:
        # Predictions no better than the mean hold nothing, whatever the shares' noise.
        share = np.minimum(share, 0)
    index = pd.Index(record["task_lag"].values, name="lag")
    columns: dict[str, np.ndarray] = dict.fromkeys(("share", "lower", "upper"), share)
    if "accuracy" in record:
        columns["right"] = np.asarray(record["accuracy"].values, float)
    return pd.DataFrame(columns | {"learnt": share >= SHARE}, index)


def _found_shares(tree: xr.DataTree) -> pd.DataFrame:
    """Return the learnt share of each past lag that holds a dependency."""
    known = group(tree, "verdict")
    learnt = held_and_learnt(tree)["learnt"]
    known = known.sel(lag=(known["found"] == 1) & (known["lag"] > 0))
    names = {"share": "share", "share_lower": "lower", "share_upper": "upper"}
    columns = {new: known[old].values for old, new in names.items()}
    columns["learnt"] = learnt.loc[known["lag"].values].to_numpy(bool, na_value=False)
    table = pd.DataFrame(columns, pd.Index(known["lag"].values, name="lag"))
    return table.iloc[:0] if np.isnan(columns["share"]).all() else table
