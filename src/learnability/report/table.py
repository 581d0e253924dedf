"""The table of a study: a row an architecture, plain values."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..detection import decay
from ..detection.decay_fit import FEWEST_LAGS
from ..diagnosis import Diagnosis
from ..plots.time_scales import ORDER
from ..study.settings import Settings

Value = str | float | bool
Decay = Callable[[ArrayLike, ArrayLike], str]

# The other families of `decay` describe mixtures: better fits, but not one word.
NAMED = (
    decay.Exponential,
    decay.PowerLaw,
    decay.Logarithmic,
    decay.Stretched,
    decay.TruncatedPower,
)
TOO_LONG = 10
"""A fitted time scale this many times the last lag is none that the lags can show."""


def table(
    settings: Settings, runs: Mapping[str, Diagnosis], *, fitted: Decay | None = None
) -> pd.DataFrame:
    """Give the numbers of a study, a row an architecture.

    Args:
        settings: the study, for its budgets.
        runs: diagnoses by architecture.
        fitted: gives the decay of an envelope as words, from lags and f(l)/f(0);
            `fitted_decay` unless given.

    Returns:
        ``cell``; ``r2`` and ``ceiling``; ``tau_median``, ``tau_low`` and ``tau_high``
        (time scales of the units, median and 10 to 90 %); ``decay``; ``alpha`` with
        ``alpha_lower``, ``alpha_upper`` at ``alpha_lag``, the lag where it is the
        median over all lags; per budget N ``H_N``, ``H_N_lower``, ``H_N_upper``,
        ``H_N_censored`` and ``H_N_upper_censored`` (the last lag of the grid is
        reached); ``outcome``, a sentence where training diverged. What a diagnosis
        does not hold is nan.

    Raises:
        ValueError: if there are no runs.
    """
    if not runs:
        raise ValueError("there are no runs to put into a table; give at least one")
    words = fitted_decay if fitted is None else fitted
    rows = [_row(settings, name, run, words) for name, run in runs.items()]
    return pd.DataFrame(rows)


def _row(
    settings: Settings, name: str, run: Diagnosis, words: Decay
) -> dict[str, Value]:
    f = run.group("envelope").sel(order="exact")
    training = _training(run)
    return {
        "cell": name,
        "r2": float(training.get("r2", np.nan)),
        "ceiling": float(training.get("ceiling", np.nan)),
        **_time_scales(run),
        "decay": words(f["lag"].values, f["normalised"].values),
        **_tail_index(run),
        **_windows(run, settings.budgets),
        "outcome": str(training["outcome"]) if training.get("diverged") else "",
    }


def _training(run: Diagnosis) -> dict:
    if "training" not in run.tree.children:
        return {}
    return dict(run.group("training").attrs)


def _time_scales(run: Diagnosis) -> dict[str, Value]:
    """Give quantiles that are time scales of units, so that inf stays what it is."""
    tau = run.group("time_scales")["tau"].sel(order=ORDER).values
    known = tau[~np.isnan(tau)]
    names, shares = ("tau_median", "tau_low", "tau_high"), (0.5, 0.1, 0.9)
    if not known.size:
        return dict.fromkeys(names, np.nan)
    found = np.quantile(known, shares, method="inverted_cdf")
    return dict(zip(names, map(float, found), strict=True))


def _tail_index(run: Diagnosis) -> dict[str, Value]:
    """Give alpha at the lag where it is the median, with the interval of that lag."""
    law = run.group("evidence")
    names = ("alpha", "alpha_lower", "alpha_upper")
    alpha = law["alpha"].values
    order = np.argsort(alpha)[: int(np.isfinite(alpha).sum())]
    if not order.size:
        return dict.fromkeys((*names, "alpha_lag"), np.nan)
    place = int(order[(order.size - 1) // 2])
    row: dict[str, Value] = {name: float(law[name][place]) for name in names}
    return {**row, "alpha_lag": float(law["lag"][place])}


def _windows(run: Diagnosis, budgets: tuple[float, ...]) -> dict[str, Value]:
    last = int(run.group("detection")["lag"].max())
    row: dict[str, Value] = {}
    found = run.window(budgets).to_dict("records")
    for budget, window in zip(budgets, found, strict=True):
        name = budget_column(budget)
        row[name] = int(window["window"])
        row[f"{name}_lower"] = int(window["lower"])
        row[f"{name}_upper"] = int(window["upper"])
        row[f"{name}_censored"] = bool(window["censored"])
        row[f"{name}_upper_censored"] = bool(window["upper"] == last)
    return row


def budget_column(budget: float) -> str:
    """Give the column of a budget's window.

    Args:
        budget: N.

    Example:
        >>> budget_column(1e6)
        'H_1000000'
    """
    return f"H_{budget:.12g}"


def fitted_decay(lags: ArrayLike, envelope: ArrayLike) -> str:
    """Say which decay an envelope follows, with its parameters and its evidence.

    Lags where the envelope has gone to 0, or below its numbers, are left out.

    Args:
        lags: lags in steps.
        envelope: f(l)/f(0).

    Returns:
        A few words; why there is no fit where there is none.

    Example:
        >>> import numpy as np
        >>> lags = np.arange(1.0, 30.0)
        >>> fitted_decay(lags, np.exp(-lags / 5))
        'exponential, τ = 5 (42 %)'
    """
    grid, f = np.asarray(lags, float), np.asarray(envelope, float)
    there = np.isfinite(f) & (f > 0) & (grid >= 1)
    if there.sum() < FEWEST_LAGS:  # an outcome here, not a wrong call
        return f"no fit: {there.sum()} lags, fewer than {FEWEST_LAGS}"
    found = decay.fit(grid[there], f[there], families=NAMED)
    share = f"{found.evidence[0].weight:.0%}".replace("%", " %")
    return f"{_words(found.best, grid)} ({share})"


def _words(best: decay.Envelope, grid: NDArray[np.float64]) -> str:
    def time(tau: float) -> str:
        longest = TOO_LONG * grid.max()
        return f"τ > {longest:.3g}" if tau > longest else f"τ = {tau:.3g}"

    match best:
        case decay.Exponential():
            return f"exponential, {time(best.tau)}"
        case decay.PowerLaw():
            return f"power law, β = {best.beta:.3g}"
        case decay.Stretched():
            return f"stretched exponential, g = {best.g:.2g}, {time(best.tau)}"
        case decay.TruncatedPower():
            return f"power law β = {best.beta:.2g}, cut at {time(best.tau)}"
        case _:
            return "logarithmic, 1/log(1 + l)"
