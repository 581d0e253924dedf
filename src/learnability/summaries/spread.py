"""Quantities of several seeds summed up: mean, deviation, percentiles, intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from ..detection import decay
from ..detection.decay_fit import FEWEST_LAGS

Trees = Sequence[xr.DataTree]
# Values of one row of a table, by column.
Row = Mapping[str, Any]

# Percentiles over seeds, by the name of their column.
LEVELS = {"p10": 10, "p25": 25, "median": 50, "p75": 75, "p90": 90}
FAMILIES = (decay.Exponential, decay.PowerLaw, decay.Logarithmic, decay.Stretched)
# A unit's own decay. The exact transport adds what comes back through other units.
ORDER = "diagonal"


def group(tree: xr.DataTree, name: str) -> xr.Dataset:
    """Return one group of the results of a diagnosis."""
    return tree.children[name].to_dataset()


def envelope(tree: xr.DataTree) -> xr.Dataset:
    """Return the exact envelope, of a module without orders the one it has."""
    every = group(tree, "envelope")
    exact = "exact" in every["order"]
    return every.sel(order="exact" if exact else every["order"].values[-1])


def of_known(tree: xr.DataTree) -> bool:
    """Tell whether the module's equation is known: else it has fewer results."""
    return {"evidence", "time_scales"} <= set(tree.children)


def records(table: pd.DataFrame) -> dict[Any, dict[str, Any]]:
    """Return the rows of a table as plain values, by their index.

    Example:
        >>> records(pd.DataFrame({"mean": [2.0]}, index=[10.0]))
        {10.0: {'mean': 2.0}}
    """
    return dict(zip(table.index.tolist(), table.to_dict("records"), strict=True))


def spread(values: Float[np.ndarray, "seed *rest"]) -> dict[str, np.ndarray]:
    """Return mean, deviation (nan for one seed) and percentiles over seeds.

    Args:
        values: one row per seed.

    Example:
        >>> spread(np.array([[1.0], [3.0]]))["mean"]
        array([2.])
    """
    levels = np.percentile(values, list(LEVELS.values()), axis=0)
    return {
        "mean": values.mean(axis=0),
        "deviation": deviation(values),
        **dict(zip(LEVELS, levels, strict=True)),
    }


def deviation(values: Float[np.ndarray, "seed *rest"]) -> np.ndarray:
    """Return the standard deviation over seeds, nan for one seed.

    Args:
        values: one row per seed.

    Example:
        >>> deviation(np.array([[1.0], [3.0]])).round(3)
        array([1.414])
    """
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(values.std(axis=0, ddof=1))


def tail_spread(trees: Trees) -> pd.DataFrame:
    """Return the tail index of several seeds, medians over them, one row per lag.

    Args:
        trees: diagnoses of several seeds at the same lags.

    Returns:
        Over ``lag``: ``alpha``, ``alpha_lower``, ``alpha_upper``.
    """
    laws = [group(tree, "evidence") for tree in trees]
    return medians(laws, ("alpha", "alpha_lower", "alpha_upper"))


def medians(
    groups: Sequence[xr.Dataset], names: Sequence[str], *, known: bool = False
) -> pd.DataFrame:
    """Return medians over seeds, one row per lag.

    Args:
        groups: of each seed.
        names: of quantities over lag.
        known: whether seeds without a number are left out.
    """
    lags = pd.Index(groups[0]["lag"].values, name="lag")
    columns = {}
    for name in names:
        seeds = pd.DataFrame([one[name].values for one in groups], columns=lags)
        columns[name] = seeds.median(skipna=known)
    return pd.DataFrame(columns)


def envelope_spread(trees: Trees) -> pd.DataFrame:
    """Return f(l)/f(0) of several seeds, in the logarithm, with the likeliest decay.

    Args:
        trees: diagnoses of several seeds at the same lags.

    Returns:
        What `envelope_band` returns, and ``fitted`` (nan where nothing was fitted).
    """
    rows = envelope_band(trees)
    lags, mean = np.asarray(rows.index, int), rows["mean"].to_numpy()
    there = (mean > 0) & (lags >= 1)
    rows["fitted"] = np.nan
    if there.sum() >= FEWEST_LAGS:
        best = decay.fit(lags[there], mean[there], families=FAMILIES).best
        rows["fitted"] = np.asarray(best.value(lags.astype(float)), float)
    return rows


def envelope_band(trees: Trees) -> pd.DataFrame:
    """Return f(l)/f(0) of several seeds, in the logarithm, and how far they differ.

    Args:
        trees: diagnoses of several seeds at the same lags.

    Returns:
        Over ``lag``: ``mean`` (geometric; 0 where a seed is, or is below its numbers),
        ``lower`` and ``upper``: a deviation of the logarithm away, or of one seed the
        interval over its sequences.
    """
    tables = [envelope(tree) for tree in trees]
    lags = np.asarray(tables[0]["lag"].values, int)
    with np.errstate(divide="ignore"):
        logs = np.log(np.stack([t["normalised"].values.astype(float) for t in tables]))
    rows = pd.DataFrame(log_band(logs), index=pd.Index(lags, name="lag"))
    if len(tables) == 1 and "lower" in tables[0]:
        rows["lower"], rows["upper"] = (
            np.asarray(tables[0][end].values, float) for end in ("lower", "upper")
        )
    return rows


def log_band(logs: Float[np.ndarray, "seed lag"]) -> dict[str, np.ndarray]:
    """Return what `envelope_band` returns of envelopes in the logarithm.

    Args:
        logs: one row per seed; -inf where an envelope is 0.

    Example:
        >>> band = log_band(np.log([[1.0], [4.0]]))
        >>> round(float(band["mean"][0]), 9), round(float(band["upper"][0]), 3)
        (2.0, 5.33)
    """
    finite = np.isfinite(logs).all(axis=0)
    away = np.where(finite, deviation(np.where(finite, logs, 0.0)), 0.0)
    with np.errstate(invalid="ignore"):
        mean = logs.mean(axis=0)
    return {
        "mean": np.exp(mean),
        "lower": np.exp(mean - away),
        "upper": np.exp(mean + away),
    }


def unit_scales(trees: Trees) -> np.ndarray:
    """Return tau of every unit of all seeds, by the decay of each unit alone."""
    groups = [group(tree, "time_scales")["tau"].sel(order=ORDER) for tree in trees]
    return np.concatenate([np.asarray(tau.values, float) for tau in groups])


def trained(trees: Trees) -> list[xr.Dataset]:
    """Return the records of the trainings that there were."""
    return [group(tree, "training") for tree in trees if "training" in tree.children]


def named(record: xr.Dataset) -> bool:
    """Tell whether a training was to name things: its errors are cross-entropies.

    Args:
        record: of the training.
    """
    return "accuracy" in record.attrs


def curve_spread(trees: Trees) -> pd.DataFrame:
    """Return the errors of all seeds over the epochs that all had.

    Args:
        trees: diagnoses of several seeds; those without a training are left out.

    Returns:
        Over ``epoch``: ``median``, ``p10`` and ``p90`` of the validation error, and
        ``train``, the median training error. No row where nothing was trained.
    """
    groups = trained(trees)
    epochs = min((record.sizes["epoch"] for record in groups), default=0)
    index = pd.RangeIndex(1, epochs + 1, name="epoch")
    if not epochs:
        return pd.DataFrame(columns=["median", "p10", "p90", "train"], index=index)
    validation, train = (
        np.stack([np.asarray(g[name].values[:epochs], float) for g in groups])
        for name in ("validation", "train")
    )
    columns = {n: v for n, v in spread(validation).items() if n in CURVES}
    return pd.DataFrame({**columns, "train": np.median(train, axis=0)}, index=index)


CURVES = ("median", "p10", "p90")


def noise_levels(trees: Trees) -> list[float]:
    """Return the error that no network can beat, one value per task.

    With R² = 1 - MSE/Var(y) at the best epoch, Var(y) follows from the record, and the
    floor is (1 - ceiling) Var(y). That of names is in the record, of the sequences that
    judge each seed: it is the mean over seeds.
    """
    floors = [float(r.attrs["floor"]) for r in trained(trees) if named(r)]
    found = [float(np.mean(floors))] if floors else []
    for record in trained(trees):
        if named(record):
            continue
        r2, best = float(record.attrs["r2"]), int(record.attrs["best_epoch"])
        # Epoch 0 are the initial weights, whose error the history does not hold.
        if best and r2 < 1:
            error = float(record["validation"][best - 1])
            found.append((1 - float(record.attrs["ceiling"])) * error / (1 - r2))
    # The same task gives the same floor up to rounding.
    return sorted({float(f"{floor:.4g}") for floor in found})
