"""Diagnoses of several seeds summed up, and the law of the window put to the test."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import stats

from . import stable
from .detection import decay
from .detection.decay_fit import FEWEST_LAGS
from .diagnosis import Diagnosis
from .fitting import Measures
from .stable import law

LEVELS = {"p10": 10, "p25": 25, "median": 50, "p75": 75, "p90": 90}
ERROR = 0.05
"""Error probability of the sign of a mean, at which the law counts sequences."""
ESTIMATORS: dict[str, Callable] = {
    "koutrouvelis": stable.koutrouvelis,
    "mcculloch": stable.mcculloch,
    "likelihood": stable.maximum_likelihood,
}
FAMILIES = (decay.Exponential, decay.PowerLaw, decay.Logarithmic, decay.Stretched)

Points = Float[np.ndarray, " point"]


@dataclass(frozen=True)
class Line:
    """A regression of y on x.

    Attributes:
        slope: of the line.
        error: standard error of the slope.
        intercept: y at x = 0.
        r2: share of the variance of y that the line explains.
        points: how many.
    """

    slope: float
    error: float
    intercept: float
    r2: float
    points: int


def spread(values: Float[np.ndarray, "seed *rest"]) -> dict[str, np.ndarray]:
    """Give mean, deviation (nan for one seed) and percentiles over seeds.

    Args:
        values: a row a seed.

    Example:
        >>> spread(np.array([[1.0], [3.0]]))["mean"]
        array([2.])
    """
    several = len(values) > 1
    mean = values.mean(axis=0)
    deviation = values.std(axis=0, ddof=1) if several else np.full(mean.shape, np.nan)
    levels = np.percentile(values, list(LEVELS.values()), axis=0)
    return {
        "mean": mean,
        "deviation": deviation,
        **dict(zip(LEVELS, levels, strict=True)),
    }


def window_spread(runs: Sequence[Diagnosis], budgets: Iterable[float]) -> pd.DataFrame:
    """Give the windows of several seeds summed up, a row a budget.

    A window that reaches its last lag is at least that: mean and percentiles of a
    budget with such windows are lower ends.

    Args:
        runs: diagnoses of several seeds.
        budgets: numbers of sequences N.

    Returns:
        Over ``budget``: ``mean``, ``deviation``, percentiles, ``censored`` (how many
        windows reach the last lag) and ``seeds``.
    """
    numbers = list(budgets)
    found = [run.window(numbers) for run in runs]
    reach = np.stack([rows["window"].to_numpy(float) for rows in found])
    censored = np.stack([rows["censored"].to_numpy(bool) for rows in found])
    columns = {**spread(reach), "censored": censored.sum(axis=0), "seeds": len(runs)}
    return pd.DataFrame(columns, index=pd.Index(numbers, name="budget"))


def envelope_spread(runs: Sequence[Diagnosis], order: str = "exact") -> pd.DataFrame:
    """Give f(l)/f(0) of several seeds, in the logarithm, with the decay that fits best.

    Args:
        runs: diagnoses of several seeds at the same lags.
        order: of transport.

    Returns:
        What `envelope_band` gives, and ``fitted`` (nan where nothing was fitted); the
        family's name is the attribute ``family``.
    """
    rows = envelope_band(runs, order)
    lags, mean = np.asarray(rows.index, int), rows["mean"].to_numpy()
    family, fitted = _fitted(lags, mean, (mean > 0) & (lags >= 1))
    rows["fitted"] = fitted
    rows.attrs["family"] = family
    return rows


def envelope_band(runs: Sequence[Diagnosis], order: str = "exact") -> pd.DataFrame:
    """Give f(l)/f(0) of several seeds, in the logarithm, and how far they differ.

    Args:
        runs: diagnoses of several seeds at the same lags.
        order: of transport.

    Returns:
        Over ``lag``: ``mean`` (geometric; 0 where a seed's is or is below its numbers),
        ``lower`` and ``upper`` (a deviation of the logarithm away).
    """
    tables = [r.group("envelope").sel(order=order)["normalised"] for r in runs]
    lags = np.asarray(tables[0]["lag"].values, int)
    with np.errstate(divide="ignore"):
        logs = np.log(np.stack([np.asarray(t.values, float) for t in tables]))
    finite = np.isfinite(logs).all(axis=0)
    mean = np.where(finite, np.where(finite, logs, 0.0).mean(axis=0), -np.inf)
    away = np.where(finite, np.where(finite, logs, 0.0).std(axis=0), 0.0)
    columns = {
        "mean": np.exp(mean),
        "lower": np.exp(mean - away),
        "upper": np.exp(mean + away),
    }
    return pd.DataFrame(columns, index=pd.Index(lags, name="lag"))


def _fitted(
    lags: np.ndarray, f: np.ndarray, there: Bool[np.ndarray, "lag"]
) -> tuple[str, np.ndarray]:
    """Give the family with the most evidence and its envelope at the lags."""
    if there.sum() < FEWEST_LAGS:
        return "", np.full(f.shape, np.nan)
    best = decay.fit(lags[there], f[there], families=FAMILIES).best
    return type(best).__name__, np.asarray(best.value(lags.astype(float)), float)


def law_points(run: Diagnosis, order: str = "exact") -> pd.DataFrame:
    """Give what the law ``N(l) ~ f(l)^-kappa`` relates, a row a lag.

    ``kappa = alpha/(alpha - 1)``, ``N = (sigma q/|m|)^kappa`` with q the quantile of
    the standard law at an error of 5 %. Both axes of log N against ``-kappa log f``
    hold the same estimated kappa, which makes a line of independent numbers; log
    sigma/|m| against -log f does not.

    Args:
        run: a diagnosis.
        order: of transport.

    Returns:
        Over ``lag``: ``attenuation`` (-log f(l)/f(0)), ``confounded`` (kappa times
        that), ``log_needed``, ``log_noise`` (log sigma/|m|), ``censored``: the interval
        of m holds 0, so that both logarithms are lower ends.
    """
    group = run.group("evidence")
    f = run.group("envelope").sel(order=order)["normalised"].values
    alpha, sigma = group["alpha"].values, group["sigma"].values
    low, high = group["location_lower"].values, group["location_upper"].values
    censored = ~((low > 0) | (high < 0))
    farthest = np.maximum(abs(low), abs(high))
    size = np.where(censored, farthest, abs(group["location"].values))
    known = np.isfinite(alpha) & (alpha > 1) & (size > 0) & (f > 0)
    kappa = np.where(known, alpha, 2.0) / (np.where(known, alpha, 2.0) - 1)
    q = law.quantile(1 - ERROR, np.where(known, alpha, 2.0))
    noise = np.log(np.where(known, sigma, 1) / np.where(known, size, 1))
    attenuation = -np.log(np.where(known, f, 1.0))
    columns = {
        "attenuation": attenuation,
        "confounded": kappa * attenuation,
        "log_needed": kappa * (noise + np.log(q)),
        "log_noise": noise,
        "censored": censored,
    }
    index = pd.Index(group["lag"].values, name="lag")
    return pd.DataFrame(columns, index=index).loc[known, :]


def regression(x: Points, y: Points) -> Line | None:
    """Regress y on x by least squares, or give None where that would say nothing.

    That is where there are fewer than 3 points, or either is the same at all of them: a
    constant y leaves no variance to explain.

    Args:
        x: what is given.
        y: what it is to explain.

    Example:
        >>> line = regression(np.arange(4.0), 2 * np.arange(4.0) + 1)
        >>> round(line.slope, 9), round(line.intercept, 9), round(line.r2, 9)
        (2.0, 1.0, 1.0)
    """
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    found: Any = stats.linregress(x, y)
    return Line(
        slope=float(found.slope),
        error=float(found.stderr),
        intercept=float(found.intercept),
        r2=float(found.rvalue**2),
        points=len(x),
    )


def alphas(run: Diagnosis) -> pd.DataFrame:
    """Give alpha by lag and estimator, from the stored evidence.

    Args:
        run: a diagnosis.

    Returns:
        A row a lag, a column an estimator; nan where the evidence has no law or a
        likelihood no maximum that can be found.
    """
    group = run.group("evidence")
    psi, lags = group["psi"].values, group["lag"].values
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


def envelope_shares(runs: Sequence[Diagnosis]) -> pd.DataFrame:
    """Give f(l)/f(0) of the gates alone, of the network, and with base rates.

    Args:
        runs: diagnoses of several seeds at the same lags.

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
    lags = runs[0].group("envelope")["lag"].values
    columns = {}
    for name, (group, order) in sources.items():
        if any(group not in run.tree.children for run in runs):
            columns[name] = np.full(len(lags), np.nan)
            continue
        found = [run.group(group).sel(order=order)["normalised"].values for run in runs]
        with np.errstate(divide="ignore"):
            columns[name] = np.exp(np.log(np.nan_to_num(found)).mean(axis=0))
    return pd.DataFrame(columns, index=pd.Index(lags, name="lag"))


def noise_floor(runs: Sequence[Diagnosis], budgets: Iterable[float]) -> pd.DataFrame:
    """Give the signal of each lag and the least that N sequences detect.

    A dependency of strength c moves the mean gradient by ``c ||s_l||``; N sequences
    detect ``c ||s_l|| (N(l)/N)^(1/kappa)``, which is ``(z + z) sigma_l/sqrt(N)`` for
    kappa = 2.

    Args:
        runs: diagnoses of several seeds at the same lags.
        budgets: numbers of sequences N.

    Returns:
        Over ``lag``: ``signal``, and a column a budget with its floor: geometric means
        over seeds; ``censored``: a seed has not resolved the lag, so that its signal is
        the upper end of its interval and the mean is at most this. The attribute
        ``budgets`` holds the names of the columns.
    """
    numbers = [float(n) for n in budgets]
    found = [_floor(run, numbers) for run in runs]
    with np.errstate(divide="ignore"):
        logs = [np.log(signal) for signal, _, _ in found]
        floors = [np.log(floor) for _, floor, _ in found]
    columns: dict[Any, Any] = {"signal": np.exp(np.mean(logs, axis=0))}
    for number, floor in zip(numbers, np.exp(np.mean(floors, axis=0)), strict=True):
        columns[number] = floor
    columns["censored"] = np.any([censored for _, _, censored in found], axis=0)
    lags = runs[0].group("detection")["lag"].values
    table = pd.DataFrame(columns, index=pd.Index(lags, name="lag"))
    table.attrs["budgets"] = numbers
    return table


def _floor(
    run: Diagnosis, budgets: list[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the signal, the floor of each budget, and which lags are not resolved."""
    need = run.group("detection")
    resolved = need["resolved"].values.astype(bool)
    least = np.where(resolved, need["needed"].values, need["lower"].values)
    kappa, size = need["kappa"].values, np.sqrt(np.maximum(need["signal"].values, 0))
    signal, noise = float(need.attrs["strength"]) * size, need["noise"].values
    # z + z, which every resolved lag holds, gives the floor where nothing is resolved.
    z = _both_quantiles(run)
    floor = np.stack([z * noise / n ** (1 / kappa) for n in budgets])
    heavy = kappa > 2
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.stack([signal * (least / n) ** (1 / kappa) for n in budgets])
        floor = np.where(heavy & resolved, exact, np.where(heavy, np.nan, floor))
        upper = z * noise / np.sqrt(least)
    at_most = np.where(resolved, signal, np.where(heavy, np.nan, upper))
    return at_most, floor, ~resolved


def _both_quantiles(run: Diagnosis) -> float:
    """Give ``z_{1-a} + z_{1-b}`` of the run's error rates."""
    measures = Measures.model_validate_json(run.tree.attrs["measures"])
    return float(stats.norm.isf(measures.error) + stats.norm.isf(measures.miss))
