"""Quantities of several seeds summed up: mean, deviation, percentiles, intervals."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from ..detection import decay
from ..detection.decay_fit import FEWEST_LAGS
from ..detection.window import window

Trees = Sequence[xr.DataTree]
# Values of one row of a table, by column.
Row = Mapping[str, Any]

# Percentiles over seeds, by the name of their column.
LEVELS = {"p10": 10, "p25": 25, "median": 50, "p75": 75, "p90": 90}
FAMILIES = (decay.Exponential, decay.PowerLaw, decay.Logarithmic, decay.Stretched)
# A unit's own decay. The exact transport adds what comes back through other units.
ORDER = "diagonal"
OWN = {"own": "needed", "own_lower": "lower", "own_upper": "upper"}
"""N(l) and its ends: of a dependency that was found, and of one strength for all."""
ALL_LEARNT = "the error that is left shows nothing that the targets ask for"
NONE_FOUND = "no dependency was found at these lags"


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


def window_table(need: xr.Dataset, n_sequences: Iterable[float]) -> pd.DataFrame:
    """Return the detection window H_N of each number of sequences.

    Args:
        need: the group ``detection`` of a diagnosis.
        n_sequences: N, numbers of sequences.

    Returns:
        One row per N: ``window`` (contiguous from the shortest lag, in steps) with
        the ends of its interval, ``maximal`` (the longest lag detected), ``censored``
        (the window reaches the last lag of the grid: it lies there or beyond). All nan
        where the network has learnt all that the targets ask for, and N(l) is not
        defined.

    Raises:
        ValueError: if an N is not above 0.
    """
    learnt = bool(np.isnan(need["needed"]).all())  # N(l) is not defined
    if learnt:
        need = need.fillna(np.inf)
    found = window(
        need["lag"].values,
        need["needed"].values,
        list(n_sequences),
        lower=need["lower"].values,
        upper=need["upper"].values,
    )
    columns = {
        "window": found.contiguous,
        "lower": found.lower,
        "upper": found.upper,
        "maximal": found.maximal,
        "censored": found.censored,
    }
    table = pd.DataFrame(columns, index=pd.Index(found.n_sequences, name="n_sequences"))
    return table if not learnt else table.astype(float) * np.nan


def samples_needed(need: xr.Dataset) -> xr.DataArray:
    """Return N(l): of a dependency that was found at its strength, else at one for all.

    Args:
        need: the group ``detection`` of a diagnosis.
    """
    return need["own"].fillna(need["needed"])


def needed_table(need: xr.Dataset, n_sequences: Iterable[float]) -> pd.DataFrame:
    """Return how far the dependencies that the targets hold can be detected.

    Each at its own strength: lags at which none was found do not count.

    Args:
        need: the group ``detection`` of a diagnosis.
        n_sequences: N, numbers of sequences.

    Returns:
        One row per N: ``window``, the longest lag up to which every lag that holds a
        dependency needs at most N sequences (0 if the first needs more, nan if none was
        found or N(l) is not defined) with the ends of its interval, ``lower`` and
        ``upper``, and ``farthest``, the last lag that holds one. ``attrs["why"]`` says
        why it is nan.

    Raises:
        ValueError: if an N is not above 0.
    """
    held, budgets = need[[*OWN]].rename(OWN).dropna("lag"), list(n_sequences)
    index = pd.Index(budgets, name="n_sequences")
    names = ["window", "lower", "upper", "farthest"]
    if not held["lag"].size:
        table = pd.DataFrame(np.nan, index=index, columns=names)
        learnt = bool(need["needed"].isnull().all())
        table.attrs["why"] = ALL_LEARNT if learnt else NONE_FOUND
        return table
    lags, own, *ends = (held[n].values for n in ("lag", "needed", "lower", "upper"))
    found = window(lags, own, budgets, lower=ends[0], upper=ends[1])
    columns = found.contiguous, found.lower, found.upper, lags[-1]
    return pd.DataFrame(dict(zip(names, columns, strict=True)), index=index)


def window_spread(trees: Trees, n_sequences: Iterable[float]) -> pd.DataFrame:
    """Return the windows H_N of several seeds summed up, one row per N.

    A window that reaches its last lag is at least that: mean and percentiles of a
    N with such windows are lower ends.

    Args:
        trees: diagnoses of several seeds.
        n_sequences: numbers of sequences N.

    Returns:
        Over ``n_sequences``: ``mean``, ``deviation``, percentiles; ``lower`` and
        ``upper``, the lowest and the highest end of the seeds' intervals; ``censored``,
        how many windows reach the last lag; ``endless``, whether an upper end does;
        ``seeds``, and ``last``, the longest lag measured.
    """
    numbers = list(n_sequences)
    found = [window_table(group(tree, "detection"), numbers) for tree in trees]
    rows, last = _over_seeds(found), _last(trees)
    censored = np.stack([table["censored"].to_numpy(float) for table in found])
    rows["censored"] = np.nan_to_num(censored).sum(axis=0).astype(int)
    rows["endless"] = rows["upper"] == last
    return rows.assign(seeds=len(found), last=last)


def seen_spread(trees: Trees, n_sequences: Iterable[float]) -> pd.DataFrame:
    """Return how far several seeds see the dependencies that were found, a row per N.

    Args:
        trees: diagnoses of several seeds; those in which none was found do not count.
        n_sequences: numbers of sequences N.

    Returns:
        Over ``n_sequences``: ``mean``, ``deviation`` and percentiles of what
        `needed_table` returns; ``lower`` and ``upper``, the lowest and the highest end
        of the seeds' intervals; ``whole``, how many of them see every dependency;
        ``seeds``, and ``last``, the longest lag measured. All nan where none was found,
        and ``attrs["why"]`` says why.
    """
    numbers = list(n_sequences)
    found = [needed_table(group(tree, "detection"), numbers) for tree in trees]
    known = [table for table in found if "why" not in table.attrs]
    rows = _over_seeds(known or found[:1])
    every = [(table["window"] == table["farthest"]).to_numpy() for table in known]
    rows["whole"] = np.sum(every, axis=0) if known else 0
    if not known:
        rows.attrs["why"] = found[0].attrs["why"]
    return rows.assign(seeds=len(known or found), last=_last(trees))


def _over_seeds(found: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return mean, deviation, percentiles and outer ends of windows, one row per N."""
    window, lower, upper = (
        np.stack([table[name].to_numpy(float) for table in found])
        for name in ("window", "lower", "upper")
    )
    ends = {"lower": lower.min(axis=0), "upper": upper.max(axis=0)}
    return pd.DataFrame({**spread(window), **ends}, index=found[0].index)


def _last(trees: Trees) -> int:
    return max(int(group(tree, "detection")["lag"].max()) for tree in trees)


def sample_spread(trees: Trees) -> pd.DataFrame:
    """Return N(l) of several seeds, medians over them, one row per lag.

    Args:
        trees: diagnoses of several seeds at the same lags.

    Returns:
        Over ``lag``: ``needed`` (inf where it is not resolved), ``lower``, ``upper``,
        of one strength at all lags; ``own``, ``own_lower`` and ``own_upper``, of the
        dependency that was found at the lag, over the seeds that found one, nan where
        none did.
    """
    needs = [group(tree, "detection") for tree in trees]
    return _medians(needs, ("needed", "lower", "upper")).join(_medians(needs, (*OWN,)))


def of_dependency(row: Row) -> tuple[float, float, float]:
    """Return N(l) and its ends: of a dependency found, else at one strength for all.

    Args:
        row: of `sample_spread`.

    Example:
        >>> row = {"needed": 9.0, "lower": 8.0, "upper": 10.0}
        >>> of_dependency(row | {"own": 90.0, "own_lower": 80.0, "own_upper": 100.0})
        (90.0, 80.0, 100.0)
    """
    names = OWN.values() if np.isnan(row["own"]) else OWN
    needed, lower, upper = (float(row[name]) for name in names)
    return needed, lower, upper


def tail_spread(trees: Trees) -> pd.DataFrame:
    """Return the tail index of several seeds, medians over them, one row per lag.

    Args:
        trees: diagnoses of several seeds at the same lags.

    Returns:
        Over ``lag``: ``alpha``, ``alpha_lower``, ``alpha_upper``.
    """
    laws = [group(tree, "evidence") for tree in trees]
    return _medians(laws, ("alpha", "alpha_lower", "alpha_upper"))


def _medians(groups: Sequence[xr.Dataset], names: Sequence[str]) -> pd.DataFrame:
    lags = pd.Index(groups[0]["lag"].values, name="lag")
    columns = {}
    for name in names:
        seeds = pd.DataFrame([one[name].values for one in groups], columns=lags)
        columns[name] = seeds.median() if name in OWN else seeds.median(skipna=False)
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
    """Return the mean square error that no network can beat, one value per task.

    With R² = 1 - MSE/Var(y) at the best epoch, Var(y) follows from the record, and the
    floor is (1 - ceiling) Var(y).
    """
    found = []
    for record in trained(trees):
        r2, best = float(record.attrs["r2"]), int(record.attrs["best_epoch"])
        # Epoch 0 are the initial weights, whose error the history does not hold.
        if best and r2 < 1:
            error = float(record["validation"][best - 1])
            found.append((1 - float(record.attrs["ceiling"])) * error / (1 - r2))
    # The same task gives the same floor up to rounding.
    return sorted({float(f"{floor:.4g}") for floor in found})
