"""The law of the window put to the test, and what decides the window taken apart."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float
from scipy import stats

from .. import stable
from ..stable import law
from .spread import Trees, group, spread

# Error probability of the sign of a mean, at which the law counts sequences.
ERROR = 0.05
ESTIMATORS: dict[str, Callable] = {
    "koutrouvelis": stable.koutrouvelis,
    "mcculloch": stable.mcculloch,
    "likelihood": stable.maximum_likelihood,
}
# Columns of `law_points` across and up: the confounded and the honest way.
PANELS = (("confounded", "log_needed"), ("attenuation", "log_noise"))

Points = Float[np.ndarray, " point"]


def law_points(tree: xr.DataTree) -> pd.DataFrame:
    """Return what the law ``N(l) ~ f(l)^-kappa`` relates, one row per lag.

    ``kappa = alpha/(alpha - 1)``, ``N = (sigma q/|m|)^kappa`` with q the quantile of
    the standard law at an error of 5 %. Both axes of log N against ``-kappa log f``
    hold the same estimated kappa, which makes a line of independent numbers; log
    sigma/|m| against -log f does not.

    Args:
        tree: a diagnosis.

    Returns:
        Over ``lag``: ``attenuation`` (-log f(l)/f(0)), ``confounded`` (kappa times
        that), ``log_needed``, ``log_noise`` (log sigma/|m|), ``censored``: the interval
        of m holds 0, so that both logarithms are lower ends.
    """
    record = group(tree, "evidence")
    f = group(tree, "envelope").sel(order="exact")["normalised"].values
    alpha, sigma = record["alpha"].values, record["sigma"].values
    low, high = record["location_lower"].values, record["location_upper"].values
    censored = ~((low > 0) | (high < 0))
    farthest = np.maximum(abs(low), abs(high))
    size = np.where(censored, farthest, abs(record["location"].values))
    known = np.isfinite(alpha) & (alpha > 1) & (sigma > 0) & (size > 0) & (f > 0)
    columns = law_columns(
        -np.log(np.where(known, f, 1.0)),
        np.where(known, alpha, 2.0),
        np.where(known, sigma, 1.0) / np.where(known, size, 1.0),
    )
    columns["censored"] = censored
    index = pd.Index(record["lag"].values, name="lag")
    return pd.DataFrame(columns, index=index).loc[known, :]


def law_columns(
    attenuation: Points, alpha: Points, noise: Points
) -> dict[str, np.ndarray]:
    """Return both axes of both panels of the law.

    Args:
        attenuation: -log f(l)/f(0).
        alpha: tail index, above 1.
        noise: sigma/|m|.

    Returns:
        ``attenuation``, ``confounded``, ``log_needed`` and ``log_noise`` of
        `law_points`.

    Example:
        >>> columns = law_columns(np.zeros(1), np.full(1, 2.0), np.ones(1))
        >>> round(float(np.exp(columns["log_needed"])[0]), 2)  # 2 * 1.645**2
        5.41
    """
    kappa = alpha / (alpha - 1)
    quantile = law.quantile(1 - ERROR, alpha)
    return {
        "attenuation": attenuation,
        "confounded": kappa * attenuation,
        "log_needed": kappa * np.log(noise * quantile),
        "log_noise": np.log(noise),
    }


def regression(x: Points, y: Points) -> Any:
    """Regress y on x by least squares, or return None where that would say nothing.

    That is where there are fewer than 3 points, or either is the same at all of them: a
    constant y leaves no variance to explain.

    Args:
        x: what is given.
        y: what it is to explain.

    Returns:
        What `scipy.stats.linregress` does.

    Example:
        >>> line = regression(np.arange(4.0), 2 * np.arange(4.0) + 1)
        >>> np.round([line.slope, line.intercept, line.rvalue], 9)
        array([2., 1., 1.])
    """
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return stats.linregress(x, y)


def alphas(tree: xr.DataTree) -> pd.DataFrame:
    """Return alpha by lag and estimator, from the stored evidence.

    Args:
        tree: a diagnosis.

    Returns:
        One row per lag, a column per estimator; nan where the evidence has no law or a
        likelihood no maximum that can be found.
    """
    record = group(tree, "evidence")
    psi, lags = record["psi"].values, record["lag"].values
    columns = {
        name: [_alpha(estimate, row[~np.isnan(row)]) for row in psi]
        for name, estimate in ESTIMATORS.items()
    }
    return pd.DataFrame(columns, index=pd.Index(lags, name="lag"))


def _alpha(estimate: Callable, values: np.ndarray) -> float:
    if stable.no_law(values):
        return np.nan
    try:
        return float(estimate(values[None]).alpha[0])
    except ArithmeticError:  # a likelihood without a maximum is an outcome
        return np.nan


def law_lines(table: pd.DataFrame) -> tuple[Any, ...]:
    """Regress the confounded and the honest way, leaving out lower ends.

    Args:
        table: of `law_points`, of one seed or several.
    """
    sure = table.loc[~table["censored"].astype(bool), :]
    return tuple(
        regression(np.asarray(sure[x], float), np.asarray(sure[y], float))
        for x, y in PANELS
    )


def mean_alphas(trees: Trees) -> pd.DataFrame:
    """Return alpha over seeds by lag and estimator: its mean and its deviation.

    Args:
        trees: diagnoses of several seeds at the same lags.

    Returns:
        Over ``lag``, columns ``(estimator, "alpha")`` and ``(estimator, "deviation")``.
    """
    tables = [alphas(tree) for tree in trees]
    found = spread(np.stack([table.to_numpy(float) for table in tables]))
    columns = {
        (name, column): found[kind][:, place]
        for place, name in enumerate(ESTIMATORS)
        for column, kind in (("alpha", "mean"), ("deviation", "deviation"))
    }
    return pd.DataFrame(columns, index=tables[0].index)


def envelope_shares(trees: Trees) -> pd.DataFrame:
    """Return f(l)/f(0) of the gates alone, of the network, and with base rates.

    Args:
        trees: diagnoses of several seeds at the same lags.

    Returns:
        Over ``lag``: ``gates`` (order zero), ``network`` (exact) and ``trained``
        (exact, weighted by the optimizer's base rates; nan where a run has none):
        geometric means over seeds, 0 where a seed's envelope is 0 or below its numbers.
    """
    sources = {
        "gates": ("envelope", "zero"),
        "network": ("envelope", "exact"),
        "trained": ("effective", "exact"),
    }
    lags = group(trees[0], "envelope")["lag"].values
    columns = {}
    for name, (kind, order) in sources.items():
        if any(kind not in tree.children for tree in trees):
            columns[name] = np.full(len(lags), np.nan)
            continue
        found = [group(t, kind).sel(order=order)["normalised"].values for t in trees]
        with np.errstate(divide="ignore"):
            columns[name] = np.exp(np.log(np.nan_to_num(found)).mean(axis=0))
    return pd.DataFrame(columns, index=pd.Index(lags, name="lag"))


def noise_floor(trees: Trees, n_sequences: Iterable[float]) -> pd.DataFrame:
    """Return the signal of each lag and the least that N sequences detect.

    A dependency of strength c moves the mean gradient by ``c ||s_l||``; N sequences
    detect ``c ||s_l|| (N(l)/N)^(1/kappa)``, which is ``(z + z) sigma_l/sqrt(N)`` for
    kappa = 2.

    Args:
        trees: diagnoses of several seeds at the same lags.
        n_sequences: numbers of sequences N.

    Returns:
        Over ``lag``: ``signal``, and a column per N with its floor: geometric means
        over seeds; ``lower`` and ``upper``, the lowest and the highest end of the
        seeds' intervals, nan where a lag is not resolved; ``censored``: a seed has not
        resolved the lag, so that its signal is the upper end of its interval and the
        mean is at most this. The attribute ``n_sequences`` holds the names of the
        columns.
    """
    numbers = [float(n) for n in n_sequences]
    found = [_floor(tree, numbers) for tree in trees]
    with np.errstate(divide="ignore"):
        logs = [np.log(signal) for signal, _, _ in found]
        floors = [np.log(floor) for _, floor, _ in found]
    ends = np.stack([_signal_ends(tree) for tree in trees])
    columns: dict[Any, Any] = {"signal": np.exp(np.mean(logs, axis=0))}
    for number, floor in zip(numbers, np.exp(np.mean(floors, axis=0)), strict=True):
        columns[number] = floor
    columns["censored"] = np.any([censored for _, _, censored in found], axis=0)
    columns |= {"lower": ends[:, 0].min(axis=0), "upper": ends[:, 1].max(axis=0)}
    lags = group(trees[0], "detection")["lag"].values
    table = pd.DataFrame(columns, index=pd.Index(lags, name="lag"))
    table.attrs["n_sequences"] = numbers
    return table


def _floor(
    tree: xr.DataTree, n_sequences: list[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the signal, the floor of each N, and which lags are not resolved."""
    need = group(tree, "detection")
    resolved = need["resolved"].values.astype(bool)
    least = np.where(resolved, need["needed"].values, need["lower"].values)
    kappa, size = need["kappa"].values, np.sqrt(np.maximum(need["signal"].values, 0))
    signal, noise = float(need.attrs["effect_size"]) * size, need["noise"].values
    # z + z, which every resolved lag holds, gives the floor where nothing is resolved.
    z = _both_quantiles(tree)
    floor = np.stack([z * noise / n ** (1 / kappa) for n in n_sequences])
    heavy = kappa > 2
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.stack([signal * (least / n) ** (1 / kappa) for n in n_sequences])
        floor = np.where(heavy & resolved, exact, np.where(heavy, np.nan, floor))
        upper = z * noise / np.sqrt(least)
    at_most = np.where(resolved, signal, np.where(heavy, np.nan, upper))
    return at_most, floor, ~resolved


def _signal_ends(tree: xr.DataTree) -> np.ndarray:
    """Return the ends of the signal's interval: N(l) falls with its power -kappa."""
    need = group(tree, "detection")
    size = np.sqrt(np.maximum(need["signal"].values, 0)) * need.attrs["effect_size"]
    needed, kappa = need["needed"].values, need["kappa"].values
    resolved = need["resolved"].values.astype(bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = [needed / need[end].values for end in ("upper", "lower")]
        ends = np.stack([size * factor ** (1 / kappa) for factor in factors])
    return np.where(resolved, ends, np.nan)


def _both_quantiles(tree: xr.DataTree) -> float:
    """Return ``z_{1-a} + z_{1-b}`` of the run's error rates."""
    options = json.loads(tree.attrs["options"])
    quantiles = options["significance"], 1 - options["power"]
    return float(sum(stats.norm.isf(q) for q in quantiles))
