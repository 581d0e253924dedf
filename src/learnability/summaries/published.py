"""The published programme's runs: read from its folders, and laid over ours.

A folder holds ``seed_*`` folders, each with ``H_N_summary.csv`` (``N`` and a column
``H_N_<model>`` with or without a method's name behind) and, anywhere below,
``<model>_summary.csv`` (a row a lag ``ell``).
"""

import itertools
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pandas as pd

from ..checked import names_of
from ..words import listed
from .law import ESTIMATORS, law_columns
from .spread import log_band, spread
from .summary import Summary

MODELS = {
    "const": "ConstGate",
    "shared": "SharedGate",
    "diag": "DiagGate",
    "gru": "GRU",
    "lstm": "LSTM",
}
LARGEST_KEY = 2**53  # the whole numbers up to it are floats
METHODS = {"ecf": "koutrouvelis", "mcc": "mcculloch"}
LAG_COLUMNS = {
    "mu_l1_mean": "envelope",
    "alpha_ecf": "alpha_koutrouvelis",
    "alpha_mcc": "alpha_mcculloch",
    "alpha_hat": "alpha",
    "sigma_hat": "sigma",
    "sigma_alpha_hat": "sigma",
    "mbar_scalar": "signal",
    "N_required_ecf": "needed_koutrouvelis",
    "N_required_mcc": "needed_mcculloch",
    "N_required": "needed",
    "N_required_at_eps": "needed",
}
NEVER = -1.0  # what the programme writes where no number of samples was enough
POINTS = "n_samples"  # a column of the files whose N counts time points
COUNTED = "N of the published runs counts time points, N of this study sequences."


class Published(NamedTuple):
    """What the published programme wrote.

    Attributes:
        windows: one row per model, seed, method and N: ``architecture``, ``seed``,
            ``method`` (of alpha; empty where the column names none), ``n_sequences``,
            ``window`` in steps.
        lags: one row per model, seed and lag: ``architecture``, ``seed``, ``lag``,
            ``envelope`` (first order, not divided by f(0)), and whatever of alpha,
            sigma, signal and samples needed there is.
        notes: what to bear in mind, and which columns were left out.
    """

    windows: pd.DataFrame
    lags: pd.DataFrame
    notes: tuple[str, ...] = ()


def read_published(folders: str | Path | Iterable[str | Path]) -> Published:
    """Read result folders of the published programme, of all seeds and models.

    Args:
        folders: one or several, such as ``results/T1024/baselines/adamw_lagmax256``.

    Raises:
        ValueError: if a folder holds no ``seed_*`` folder with results, a file lacks a
            column or holds what is no number, or two files contradict one another.

    Source: L. Livi, programme of arXiv 2512.05790.
    """
    windows, lags = [], []
    heads: dict[str, None] = {}
    for folder in map(Path, filled(folders)):
        seeds = sorted(p for p in folder.glob("seed_*") if p.is_dir())
        before = len(windows) + len(lags)
        for seed in seeds:
            windows += [_window_rows(p) for p in sorted(seed.rglob("H_N_summary.csv"))]
            lags += [
                _lag_rows(path, seed, cell)
                for model, cell in MODELS.items()
                for path in sorted(seed.rglob(f"{model}_summary.csv"))
            ]
        heads |= dict.fromkeys(name for rows in lags for name in rows.attrs["head"])
        if len(windows) + len(lags) == before:
            raise ValueError(
                f"{folder} holds no results of the published programme (no seed_*/ "
                "with H_N_summary.csv or MODEL_summary.csv)"
            )
    return Published(
        _joined(windows, ["architecture", "seed", "method", "n_sequences"]),
        _joined(lags, ["architecture", "seed", "lag"]),
        _notes([*heads]),
    )


def _notes(head: list[str]) -> tuple[str, ...]:
    """Return what to bear in mind of files with some columns."""
    left = [name for name in head if name not in (*LAG_COLUMNS, "ell", POINTS)]
    said = f"Columns of the published runs that were left out: {listed(left)}."
    return (*[COUNTED] * (POINTS in head), *[said] * bool(left))


def filled(names: str | Path | Iterable[str | Path]) -> list[str | Path]:
    """Return names of folders; an empty one would stand for the current folder.

    Raises:
        ValueError: if one is empty.
    """
    found = names_of(names)
    if "" in map(str, found):
        raise ValueError("an empty path names no folder; leave it out or name one")
    return found


def _joined(parts: list[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """Return all rows; what stands in two files must be the same in both."""
    if not parts:
        return pd.DataFrame()
    rows = pd.concat(parts, ignore_index=True).drop_duplicates(ignore_index=True)
    twice = rows.duplicated(keys)
    if twice.any():
        first = rows[twice].iloc[0]
        raise ValueError(
            f"seed {first['seed']} of {first['architecture']} stands in two files with "
            "different numbers; name the folders of one published study"
        )
    return rows


def _read(path: Path, column: str) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            # Of rows longer than the head pandas would drop or move columns.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            rows = pd.read_csv(path, dtype=str, index_col=False)
    # The parser's errors are ValueErrors.
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise ValueError(
            f"{path} cannot be read as CSV ({error}); copy it again or leave it out"
        ) from error
    if column not in rows:
        raise ValueError(
            f"{path} has no column {column!r}; it is no file of the published programme"
        )
    if rows.empty:
        raise ValueError(f"{path} holds no rows; copy it again or leave it out")
    return rows


def _refuse(
    path: Path, column: str, values: np.ndarray, wrong: Mapping[str, np.ndarray]
) -> None:
    """Raise where a value of a column is wrong, by what is wrong with it."""
    for what, bad in wrong.items():
        if bad.any():
            value = values[bad][0]
            shown = f"{value:g}" if isinstance(value, float) else repr(value)
            raise ValueError(
                f"{path} has {shown} in column {column!r}, which {what}; mend the file "
                "or leave it out"
            )


def _numbers(
    path: Path, rows: pd.DataFrame, column: str, *, signed: bool = False
) -> np.ndarray:
    """Return a column as numbers; an empty place is nan, as the programme writes it."""
    written = rows[column].to_numpy(object)
    found = np.asarray(pd.to_numeric(written, errors="coerce"), float)
    wrong = {"is no number": np.isnan(found) & np.asarray(pd.notna(written))}
    _refuse(path, column, written, wrong | {"is negative": (found < 0) & (not signed)})
    return found


def _keys(path: Path, rows: pd.DataFrame, column: str, *, whole: bool) -> np.ndarray:
    """Return a column that says what a row is about: positive, and each number once."""
    found = _numbers(path, rows, column)
    bad = ~((found > 0) & (found <= LARGEST_KEY))
    kind = "whole number from 1 on" if whole else "positive number"
    if whole:
        bad |= np.floor(found) != found
    twice = np.asarray(pd.Series(found).duplicated())
    _refuse(path, column, found, {f"is no {kind}": bad, "appears twice": twice})
    return found


def _seed(path: Path) -> int:
    """Return the seed that a folder is named by."""
    number = path.name.removeprefix("seed_")
    if not number.isdecimal():
        raise ValueError(f"{path} names no seed; folders are called seed_212")
    return int(number)


def _window_rows(path: Path) -> pd.DataFrame:
    rows = _read(path, "N")
    n_sequences = _keys(path, rows, "N", whole=False)
    seed = _seed(next(p for p in path.parents if p.name.startswith("seed_")))
    columns = {
        "_".join(filter(None, ["H_N", model, method])): (cell, METHODS.get(method, ""))
        for model, cell in MODELS.items()
        for method in ("", *METHODS)
    }
    found = []
    for column in filter(columns.__contains__, rows):
        cell, method = columns[column]
        about = {"architecture": cell, "seed": seed, "method": method}
        window = _numbers(path, rows, column)
        found.append(
            pd.DataFrame({**about, "n_sequences": n_sequences, "window": window})
        )
    if not found:
        raise ValueError(
            f"{path} has no column H_N_MODEL, such as H_N_gru; it is no file of the "
            "published programme"
        )
    return pd.concat(found, ignore_index=True)


def _lag_rows(path: Path, seed: Path, cell: str) -> pd.DataFrame:
    rows = _read(path, "ell")
    columns: dict[str, object] = {
        "architecture": cell,
        "seed": _seed(seed),
        "lag": _keys(path, rows, "ell", whole=True).astype(int),
    }
    for theirs, ours in LAG_COLUMNS.items():
        if theirs in rows:
            signed = ours in ("signal", "needed")
            columns[ours] = _numbers(path, rows, theirs, signed=signed)
    if "needed" in columns:
        needed = np.asarray(columns["needed"])
        wrong = (needed < 0) & (needed != NEVER)
        _refuse(path, "N_required", needed, {"is negative": wrong})
        columns["needed"] = np.where(needed == NEVER, np.inf, needed)
    found = pd.DataFrame(columns)
    found.attrs["head"] = [*rows]
    return found


MARK = "published"


def laid_over(found: Summary, published: Published) -> Summary:
    """Lay published runs over ours.

    They join windows, envelopes (divided by their shortest lag's, as there is no f(0)),
    the law's two panels and the estimators; each under its architecture's name and
    "published". What they do not hold is left out.

    Args:
        found: ours.
        published: theirs.
    """
    kinds = ("windows", "envelopes", "laws", "estimators")
    more = {kind: dict(getattr(found, kind)) for kind in kinds}
    if len(published.windows):
        theirs = published.windows.groupby(["architecture", "method"])
        for kind, rows in theirs:
            cell, method = cast("tuple[str, str]", kind)
            name = f"{cell}, {MARK}" + (f" ({method})" if method else "")
            if len(table := _known(rows, "n_sequences", "window")):
                more["windows"][name] = _windows(table)
    if len(published.lags):
        for cell, rows in published.lags.groupby("architecture", sort=False):
            name = f"{cell}, {MARK}"
            if "envelope" in rows and len(table := _known(rows, "lag", "envelope")):
                more["envelopes"][name] = _envelope(table)
            if {"envelope", "alpha", "sigma", "signal"} <= set(rows):
                more["laws"][name] = _law(rows)
            if {"alpha_koutrouvelis", "alpha_mcculloch"} <= set(rows):
                more["estimators"][name] = _estimators(rows)
    names = dict.fromkeys(itertools.chain(found.names, *more.values()))
    return replace(found, names=tuple(names), **more)


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
        index: ``lag`` or ``n_sequences``.
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
