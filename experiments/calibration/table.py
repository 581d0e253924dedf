"""Records of runs as one table, a row a band, and the windows that they mean."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from .published import SETTINGS
from .run import Record
from .settings import RunSettings

LEARNT = 0.5
"""A dependency counts as learnt from this share on."""

SMALLEST = 1e-12
"""Stands for 0 inside a logarithm: where nothing was resolved, nothing is predicted."""


def bands_table(records: Sequence[Record]) -> pd.DataFrame:
    """Give a row a (run, band).

    Args:
        records: what `run.run_one` gave.

    Returns:
        ``run`` (number), ``family``, ``cell``, ``samples``, ``seed``, ``band``,
        ``lag``; ``share`` and ``learnt`` at the end; ``limited``, ``diverged``; and
        what was known after the warm-up, as logarithms: ``f`` and ``s`` (S of MATH 7 B,
        ``c f sqrt(N (T - l))/noise``), ``detection`` (N/N(l)), ``log_lag``, ``log_n``;
        ``now`` (learnt share), ``memory``, ``gain`` (change of the share in the second
        half of the warm-up), ``log_count`` (log of the effective number of
        dependencies, ``(sum c^2)^2/sum c^4``); with ``_start`` the same before
        training; ``end`` and the published settings by name, log N/N(l) at the end.

    Raises:
        ValueError: if there are no records.
    """
    if not records:
        raise ValueError(
            "there are no runs yet; let `python -m experiments calibrate` make some"
        )
    parts = [_rows(number, record) for number, record in enumerate(records)]
    return pd.concat(parts, ignore_index=True)


def _rows(number: int, record: Record) -> pd.DataFrame:
    run = RunSettings.model_validate(record["settings"])
    task, n, share = run.family.task, run.samples, np.array(record["end"]["share"])
    c, lag = np.array(record["coefficient"]), np.array(record["centre"])
    scale = c * np.sqrt(n * task.steps * task.moments) / task.noise
    columns = {
        "lag": lag,
        "share": share,
        "learnt": share >= LEARNT,
        "log_lag": np.log(lag),
        "log_n": np.full(len(lag), np.log(n)),
        "log_count": np.full(len(lag), np.log((c**2).sum() ** 2 / (c**4).sum())),
        "gain": np.array(record["warm"]["share"]) - np.array(record["half"]),
        "end": _log(n * np.array(record["end"]["rate"])),
    }
    for suffix, stage in (("", "warm"), ("_start", "start")):
        seen = {k: np.array(v) for k, v in record[stage].items()}
        columns[f"f{suffix}"] = _log(scale * seen["f"])
        columns[f"s{suffix}"] = _log(scale * seen["s"])
        columns[f"detection{suffix}"] = _log(n * seen["rate"])
        columns[f"now{suffix}"] = seen["share"]
        columns[f"memory{suffix}"] = seen["memory"]
    for name in SETTINGS:
        columns[name] = _log(n * np.array(record["end"]["published"][name]))
    rows = pd.DataFrame(columns)
    facts = {
        "run": number,
        "family": run.family.name,
        "cell": run.label,
        "samples": n,
        "seed": run.seed,
        "limited": record["limited"],
        "diverged": record["diverged"],
    }
    return rows.assign(**facts, band=np.arange(len(lag)))


def _log(values: Float[np.ndarray, "band"]) -> Float[np.ndarray, "band"]:
    return np.log(np.maximum(values, SMALLEST))


def contiguous(reached: Bool[np.ndarray, "run band"]) -> Int[np.ndarray, "run"]:
    """Give the number of bands up to the first that is not reached.

    Args:
        reached: which bands are, shortest lags first.

    Example:
        >>> contiguous(np.array([[True, True, False, True]])).tolist()
        [2]
    """
    return np.logical_and.accumulate(reached, axis=1).sum(axis=1)


def longest(reached: Bool[np.ndarray, "run band"]) -> Int[np.ndarray, "run"]:
    """Give the number of the longest band reached, 0 where none is.

    Args:
        reached: which bands are, shortest lags first.
    """
    return np.where(reached, np.arange(1, reached.shape[1] + 1), 0).max(axis=1)


def by_run(rows: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Give values of the table's rows as (run, band).

    Args:
        rows: of one family, so that all runs have as many bands.
        values: one a row.
    """
    return values.reshape(len(np.unique(rows["run"])), -1)


def windows(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the realised window of every run, with its conditions.

    Args:
        rows: a `bands_table`.

    Returns:
        A row a run: ``family``, ``cell``, ``samples``, ``seed``, ``limited``,
        ``diverged``; ``window`` in bands and ``window_lag`` in steps (0 where nothing
        was learnt), both contiguous from the shortest band, and ``learnt_set``.
    """
    found = []
    for _, own in rows.groupby("run", sort=False):
        reached = own["learnt"].to_numpy()
        count = int(contiguous(reached[None])[0])
        first = own.iloc[0]
        names = ("family", "cell", "samples", "seed", "limited", "diverged")
        found.append(
            {
                **{name: first[name] for name in names},
                "window": count,
                "window_lag": float(own["lag"].iloc[count - 1]) if count else 0.0,
                "learnt_set": " ".join(f"{lag:g}" for lag in own["lag"][reached]),
            }
        )
    return pd.DataFrame(found)
