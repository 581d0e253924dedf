"""Result folders of the published programme, read for comparison only.

A folder holds ``seed_*`` folders, each with ``H_N_summary.csv`` (``N`` and a column
``H_N_<model>`` with or without a method's name behind) and, anywhere below,
``<model>_summary.csv`` (a row a lag ``ell``).
"""

import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from ..checked import names_of
from ..summaries import Published

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
    "mbar_scalar": "signal",
    "N_required_ecf": "needed_koutrouvelis",
    "N_required_mcc": "needed_mcculloch",
    "N_required": "needed",
}


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
    for folder in map(Path, filled(folders)):
        seeds = sorted(p for p in folder.glob("seed_*") if p.is_dir())
        before = len(windows) + len(lags)
        for seed in seeds:
            windows += [_windows(p) for p in sorted(seed.rglob("H_N_summary.csv"))]
            lags += [
                _lags(path, seed, cell)
                for model, cell in MODELS.items()
                for path in sorted(seed.rglob(f"{model}_summary.csv"))
            ]
        if len(windows) + len(lags) == before:
            raise ValueError(
                f"{folder} holds no results of the published programme (no seed_*/ "
                "with H_N_summary.csv or MODEL_summary.csv)"
            )
    return Published(
        _joined(windows, ["architecture", "seed", "method", "budget"]),
        _joined(lags, ["architecture", "seed", "lag"]),
    )


def filled(names: str | Path | Iterable[str | Path]) -> list[str | Path]:
    """Give names of folders; an empty one would stand for the current folder.

    Raises:
        ValueError: if one is empty.
    """
    found = names_of(names)
    if "" in map(str, found):
        raise ValueError("an empty path names no folder; leave it out or name one")
    return found


def _joined(parts: list[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """Give all rows; what stands in two files must be the same in both."""
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


def _numbers(
    path: Path, rows: pd.DataFrame, column: str, *, signed: bool = False
) -> np.ndarray:
    """Give a column as numbers; an empty place is nan, as the programme writes it."""
    written = rows[column].to_numpy(object)
    found = np.asarray(pd.to_numeric(written, errors="coerce"), float)
    wrong = np.isnan(found) & np.asarray(pd.notna(written))
    for bad, what in (
        (wrong, "is no number"),
        ((found < 0) & (not signed), "is negative"),
    ):
        if bad.any():
            raise ValueError(
                f"{path} has {written[bad][0]!r} in column {column!r}, which {what}; "
                "mend the file or leave it out"
            )
    return found


def _keys(path: Path, rows: pd.DataFrame, column: str, *, whole: bool) -> np.ndarray:
    """Give a column that says what a row is about: positive, and each number once."""
    found = _numbers(path, rows, column)
    bad = ~((found > 0) & (found <= LARGEST_KEY))
    kind = "whole number from 1 on" if whole else "positive number"
    if whole:
        bad |= np.floor(found) != found
    twice = np.asarray(pd.Series(found).duplicated())
    for wrong, what in ((bad, f"is no {kind}"), (twice, "appears twice")):
        if wrong.any():
            raise ValueError(
                f"{path} has {found[wrong][0]:g} in column {column!r}, which {what}; "
                "mend the file or leave it out"
            )
    return found


def _seed(path: Path) -> int:
    """Give the seed that a folder is named by."""
    number = path.name.removeprefix("seed_")
    if not number.isdecimal():
        raise ValueError(f"{path} names no seed; folders are called seed_212")
    return int(number)


def _windows(path: Path) -> pd.DataFrame:
    rows, found = _read(path, "N"), []
    budgets = _keys(path, rows, "N", whole=False)
    seed = next(p for p in path.parents if p.name.startswith("seed_"))
    for model, cell in MODELS.items():
        for method in ("", *METHODS):
            column = f"H_N_{model}" + (f"_{method}" if method else "")
            if column not in rows:
                continue
            found.append(
                pd.DataFrame(
                    {
                        "architecture": cell,
                        "seed": _seed(seed),
                        "method": METHODS.get(method, ""),
                        "budget": budgets,
                        "window": _numbers(path, rows, column),
                    }
                )
            )
    if not found:
        raise ValueError(
            f"{path} has no column H_N_MODEL, such as H_N_gru; it is no file of the "
            "published programme"
        )
    return pd.concat(found, ignore_index=True)


def _lags(path: Path, seed: Path, cell: str) -> pd.DataFrame:
    rows = _read(path, "ell")
    columns: dict[str, object] = {
        "architecture": cell,
        "seed": _seed(seed),
        "lag": _keys(path, rows, "ell", whole=True).astype(int),
    }
    for theirs, ours in LAG_COLUMNS.items():
        if theirs in rows:
            columns[ours] = _numbers(path, rows, theirs, signed=ours == "signal")
    return pd.DataFrame(columns)
