"""What N sequences show: windows H_N, what is seen, N(l), of a seed and of several."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from ..detection.window import window
from .spread import Row, Trees, group, medians, spread

OWN = {"own": "needed", "own_lower": "lower", "own_upper": "upper"}
"""N(l) and its ends: of a dependency that was found, and of one strength for all."""
ALL_LEARNT = "the error that is left shows nothing that the targets ask for"
NONE_FOUND = "no dependency was found at these lags"
SHORT = {ALL_LEARNT: "all is learnt", NONE_FOUND: "none found"}


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


def samples_needed(need: xr.Dataset) -> xr.Dataset:
    """Return N(l): of a dependency that was found at its strength, else at one for all.

    Args:
        need: the group ``detection`` of a diagnosis.

    Returns:
        ``needed``, and the ends of its interval, ``lower`` and ``upper``.
    """
    return need[[*OWN]].rename(OWN).fillna(need[[*OWN.values()]])


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


def unseen(reached: pd.DataFrame) -> str:
    """Return in a few words why nothing can be said of what is seen; "" where it can.

    Args:
        reached: of `seen_spread`.
    """
    return SHORT[reached.attrs["why"]] if "why" in reached.attrs else ""


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
    of_all = medians(needs, ("needed", "lower", "upper"))
    return of_all.join(medians(needs, (*OWN,), known=True))


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
