"""The tables of a study: plain values, and as people read them."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ..detection import decay
from ..detection.decay_fit import FEWEST_LAGS
from ..summaries.progress import COLUMNS, LATER, over_seeds, progress
from ..summaries.spread import ORDER, envelope, group, of_known, trained
from ..summaries.windows import window_table
from ..words import MISSING, number, reach, short
from .overview import HEADS, cell, fit_columns, fits, guessed, measure_of

Value = str | float | bool

# The other families of `decay` describe mixtures: better fits, but not one word.
NAMED = (
    decay.Exponential,
    decay.PowerLaw,
    decay.Logarithmic,
    decay.Stretched,
    decay.TruncatedPower,
)
# A fitted time scale this many times the last lag is none that the lags can show.
TOO_LONG = 10


def table(
    runs: Mapping[str, xr.DataTree], n_sequences: Iterable[float]
) -> pd.DataFrame:
    """Return the numbers of a study, one row per run.

    Args:
        runs: diagnoses by label.
        n_sequences: numbers of sequences N.

    Returns:
        ``cell``; ``seen``, ``kept`` and ``learnt``, see `summaries.progress`, seen with
        the sequences of the training; ``r2`` and ``ceiling``, or where tokens are named
        ``accuracy``, ``ceiling`` and ``chance``, that of a guess; ``tau_median``,
        ``tau_low`` and ``tau_high`` (time scales of the units, median and 10 to 90 %);
        ``decay``; ``alpha`` with ``alpha_lower``, ``alpha_upper`` at ``alpha_lag``, the
        lag where it is the median over all lags; per N N ``H_N``, ``H_N_lower``,
        ``H_N_upper``, ``H_N_censored`` and ``H_N_upper_censored`` (the last lag of the
        grid is reached); ``outcome``, a sentence where training diverged. What a
        diagnosis does not hold is nan.

    Raises:
        ValueError: if there are no runs.
    """
    if not runs:
        raise ValueError("there are no runs to put into a table; give at least one")
    numbers = tuple(n_sequences)
    rows = [_row(numbers, name, run) for name, run in runs.items()]
    return pd.DataFrame(rows)


def _row(
    n_sequences: tuple[float, ...], name: str, run: xr.DataTree
) -> dict[str, Value]:
    f = envelope(run)
    training = next((record.attrs for record in trained([run])), {})
    return {
        "cell": name,
        **progress(run).record(),
        **{n: float(training.get(n, np.nan)) for n in fit_columns(training)},
        **_time_scales(run),
        "decay": fitted_decay(f["lag"].values, f["normalised"].values),
        **_tail_index(run),
        **_windows(run, n_sequences),
        "outcome": str(training["outcome"]) if training.get("diverged") else "",
    }


def _time_scales(run: xr.DataTree) -> dict[str, Value]:
    """Return quantiles that are time scales of units, so that inf stays what it is."""
    names, shares = ("tau_median", "tau_low", "tau_high"), (0.5, 0.1, 0.9)
    known = np.array([])
    if of_known(run):
        tau = group(run, "time_scales")["tau"].sel(order=ORDER).values
        known = tau[~np.isnan(tau)]
    if not known.size:
        return dict.fromkeys(names, np.nan)
    found = np.quantile(known, shares, method="inverted_cdf")
    return dict(zip(names, map(float, found), strict=True))


def _tail_index(run: xr.DataTree) -> dict[str, Value]:
    """Return alpha at the lag where it is the median, with the interval of that lag."""
    names = ("alpha", "alpha_lower", "alpha_upper")
    row: dict[str, Value] = dict.fromkeys((*names, "alpha_lag"), np.nan)
    if of_known(run):
        law = group(run, "evidence")
        alpha = law["alpha"].values
        order = np.argsort(alpha)[: int(np.isfinite(alpha).sum())]
        if order.size:
            one = law.isel(lag=int(order[(order.size - 1) // 2]))
            row = {name: float(one[name]) for name in names}
            row["alpha_lag"] = float(one["lag"])
    return row


def _windows(run: xr.DataTree, n_sequences: tuple[float, ...]) -> dict[str, Value]:
    need = group(run, "detection")
    last = int(need["lag"].max())
    row: dict[str, Value] = {}
    found = window_table(need, n_sequences).to_dict("records")
    for budget, window in zip(n_sequences, found, strict=True):
        name = window_column(budget)
        for end, of in (("", "window"), ("_lower", "lower"), ("_upper", "upper")):
            row[f"{name}{end}"] = _whole(window[of])
        row[f"{name}_censored"] = bool(window["censored"] == 1)
        row[f"{name}_upper_censored"] = bool(window["upper"] == last)
    return row


def _whole(value: float) -> int | float:
    """Return a number of steps, nan where none is defined."""
    return value if np.isnan(value) else int(value)


def window_column(budget: float) -> str:
    """Return the column of the window of N.

    Args:
        budget: N.

    Example:
        >>> window_column(1e6)
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


def formatted(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the table of a study as text, for a page or a terminal.

    Args:
        rows: as `table` returns it.

    Returns:
        Columns as people read them: architecture; what is seen, kept and learnt; R² of
        its ceiling, or what is named right; time scale with its spread; decay; alpha
        with its interval; a column per N; the outcome, if a training diverged.

    Example:
        >>> rows = pd.DataFrame([{"cell": "GRU", "r2": 0.5, "ceiling": 0.69}])
        >>> formatted(rows).iloc[0].tolist()
        ['GRU', '0.500 of 0.690']
    """
    records = rows.to_dict("records")
    columns: dict[str, list[str]] = {"architecture": [str(r["cell"]) for r in records]}
    for name in COLUMNS:
        if name in rows:
            columns[name] = [_shown(row[name]) for row in records]
    for name, head in HEADS.items():
        if name in rows:
            columns[head] = [_fit(row, name) for row in records]
    if "tau_median" in rows:
        columns["time scale (10 to 90\u202f%)"] = [_time_scale(row) for row in records]
    if "decay" in rows:
        thin = [str(row["decay"]).replace(" %", "\u202f%") for row in records]
        columns["decay of f"] = thin
    if "alpha" in rows:
        columns["alpha"] = [_alpha(row) for row in records]
    for budget in n_sequences_of(rows):
        name = f"H at N = {number(budget)}"
        columns[name] = [window(row, budget) for row in records]
    if any(row.get("outcome") for row in records):
        columns["outcome"] = [str(row["outcome"]) for row in records]
    return pd.DataFrame(columns)


def n_sequences_of(rows: pd.DataFrame) -> list[float]:
    """Return the numbers of sequences whose windows a table holds, in its order."""
    names = [str(c) for c in rows.columns if str(c).startswith("H_")]
    return [float(name[2:]) for name in names if name.count("_") == 1]


def window(row: Mapping, budget: float) -> str:
    """Return a window with its interval; at the last lag it is there or beyond.

    Args:
        row: a row of the table.
        budget: N.
    """
    name = window_column(budget)
    if np.isnan(row[name]):
        return MISSING
    middle = reach(row[name], row[f"{name}_censored"])
    high = reach(row[f"{name}_upper"], row[f"{name}_upper_censored"])
    return f"{middle} ({row[f'{name}_lower']:.0f} to {high})"


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else short(value)


def _fit(row: Mapping, name: str) -> str:
    if np.isnan(row[name]):
        return "not trained here"
    return f"{row[name]:.3f} of {row['ceiling']:.3f}{guessed(row)}"


def _time_scale(row: Mapping) -> str:
    low, high = short(row["tau_low"]), short(row["tau_high"])
    middle = short(row["tau_median"])
    return middle if middle == MISSING else f"{middle} ({low} to {high})"


def _alpha(row: Mapping) -> str:
    if np.isnan(row["alpha"]):
        return MISSING
    ends = f"{row['alpha_lower']:.2f} to {row['alpha_upper']:.2f}"
    return f"{row['alpha']:.2f} ({ends})"


def summary(
    lines: Mapping[str, Sequence[xr.DataTree]], reached: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Return one row per network and optimizer as text: what is seen with N, the fit.

    What is seen is a mean over seeds with its deviation, and in brackets the lowest and
    the highest end of their intervals; what is kept is a mean, too, and what is learnt
    was learnt by all.

    Args:
        lines: diagnoses of all seeds, by network and optimizer.
        reached: of `summaries.seen_spread`, in the same way.
    """
    rows = []
    for name, trees in lines.items():
        own = reached[name]
        seen = {f"sees, N = {number(n)}": cell(own, n) for n in own.index}
        found = over_seeds([progress(tree) for tree in trees]).cells()
        later = {column: found[column] for column in LATER}
        head = HEADS[measure_of(trees)]
        rows.append({"network": name, **seen, **later, head: fits(trees)})
    return pd.DataFrame(rows)


def comparison_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how far the networks of two studies see, side by side as text.

    Args:
        rows: numbers side by side, one row per network and number of sequences:
            ``mean``, ``deviation``, ``kept`` and ``learnt`` of each, the
            ``difference`` of the means with its ``error``.
    """
    found = [
        {
            "network": row["group"],
            "N": number(row["n_sequences"]),
            "A sees": _with_error(row["mean_first"], row["deviation_first"]),
            "B sees": _with_error(row["mean_second"], row["deviation_second"]),
            "B less A": _with_error(row["difference"], row["error"]),
            **{f"{name} (A; B)": _both(row, name) for name in LATER},
        }
        for row in rows.to_dict("records")
    ]
    return pd.DataFrame(found)


def _both(row: Mapping, name: str) -> str:
    return "; ".join(_shown(row[f"{name}_{side}"]) for side in ("first", "second"))


def _with_error(mean: float, error: float) -> str:
    return short(mean) if np.isnan(error) else f"{short(mean)} ± {short(error, 2)}"
