"""Result folders of the published programme, read for comparison only.

A folder holds ``seed_*`` folders, each with ``H_N_summary.csv`` (``N`` and a column
``H_N_<model>`` with or without a method's name behind) and, anywhere below,
``<model>_summary.csv`` (a row a lag ``ell``).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

MODELS = {
    "const": "ConstGate",
    "shared": "SharedGate",
    "diag": "DiagGate",
    "gru": "GRU",
    "lstm": "LSTM",
}
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


@dataclass(frozen=True)
class Published:
    """What the published programme wrote.

    Attributes:
        windows: a row a model, seed, method and budget: ``architecture``, ``seed``,
            ``method`` (of alpha; empty where the column names none), ``budget``,
            ``window`` in steps.
        lags: a row a model, seed and lag: ``architecture``, ``seed``, ``lag``,
            ``envelope`` (first order, not divided by f(0)), and whatever of alpha,
            sigma, signal and samples needed there is.
    """

    windows: pd.DataFrame
    lags: pd.DataFrame


def read_published(folders: Iterable[str | Path]) -> Published:
    """Read result folders of the published programme, of all seeds and models.

    Args:
        folders: such as ``results/T1024/baselines/adamw_lagmax256``.

    Raises:
        ValueError: if a folder holds no ``seed_*`` folder with results, or a file lacks
            a column.

    Source: L. Livi, programme of arXiv 2512.05790.
    """
    windows, lags = [], []
    for folder in map(Path, folders):
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
    return Published(_joined(windows), _joined(lags))


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _read(path: Path, column: str) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"{path} cannot be read as CSV ({error})") from error
    if column not in rows:
        raise ValueError(f"{path} has no column {column!r}; it is no such file")
    return rows


def _seed(path: Path) -> int:
    """Give the seed that a folder is named by."""
    number = path.name.removeprefix("seed_")
    if not number.isdecimal():
        raise ValueError(f"{path} names no seed; folders are called seed_212")
    return int(number)


def _windows(path: Path) -> pd.DataFrame:
    rows, found = _read(path, "N"), []
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
                        "budget": rows["N"].astype(float),
                        "window": pd.to_numeric(rows[column], errors="coerce"),
                    }
                )
            )
    if not found:
        raise ValueError(f"{path} has no column H_N_MODEL; it is no such file")
    return pd.concat(found, ignore_index=True)


def _lags(path: Path, seed: Path, cell: str) -> pd.DataFrame:
    rows = _read(path, "ell")
    columns: dict[str, object] = {
        "architecture": cell,
        "seed": _seed(seed),
        "lag": rows["ell"].astype(int),
    }
    for theirs, ours in LAG_COLUMNS.items():
        if theirs in rows:
            columns[ours] = pd.to_numeric(rows[theirs], errors="coerce")
    return pd.DataFrame(columns)


def grid(rows: pd.DataFrame, index: str, values: str) -> pd.DataFrame:
    """Give one quantity as a table: a row an index, a column a seed.

    Args:
        rows: of one architecture.
        index: ``lag`` or ``budget``.
        values: the quantity.
    """
    table = rows.pivot_table(index=index, columns="seed", values=values, dropna=False)
    return table.replace([np.inf, -np.inf], np.nan)
