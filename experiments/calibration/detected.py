"""The page's sections about detection and the published windows."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from . import plots as draw
from .html import Section, frame, section, share
from .settings import Trial

Rows = Mapping[str, list[dict[str, Any]]]


def detection(trials: Rows, trial: Trial) -> list[Section]:
    """Give the sections of what there is.

    Args:
        trials: rows of `brute.try_cell` and `diagnosed.diagnose_cell` by name.
        trial: how finely detection was tried.
    """
    if "errors" not in trials or "coverage" not in trials:
        return []
    tables = {name: pd.DataFrame(rows) for name, rows in trials.items()}
    return [
        section(
            "Detection against brute force",
            "Left: error of the one-gradient test at every N, predicted from N(l) and "
            f"seen in {trial.repetitions:,} repetitions, two standard errors. Right: "
            f"share of {trial.diagnoses:,} intervals of N(l) that hold it, likewise; "
            "the bar is 92 to 98 %.",
            draw.trial_figure(tables["errors"], tables["coverage"]),
            frame(tables["errors"], ["cell", "lag", "samples"]),
        ),
        section(
            "Intervals that cover",
            "Diagnoses whose interval of N(l) holds the N(l) of 40,000 sequences, with "
            "the exact 95 % interval of that share. Spread of log N(l) between "
            "diagnoses, and what their intervals tell of it (root of the mean square).",
            None,
            frame(_coverage(tables["coverage"]), ["cell", "lag", "seed"]),
        ),
        section(
            "Detection in noise",
            "Targets permuted across sequences, whatever the budget. All cells see the "
            "same sequences.",
            None,
            frame(_null(tables["null"]), ["cell", "seed"]),
        ),
        section(
            "What more sequences resolve",
            "Far lags diagnosed with a few sequences, and with more that begin with "
            "the same; of those that the fewest left open, how many are found.",
            None,
            frame(_resolution(tables["resolution"]), ["cell", "sequences"]),
        ),
        section(
            "Which formula",
            "Diagnosed lags at which projections fail a test against a stable law of "
            "alpha < 2, so that the Gaussian formula holds.",
            None,
            frame(_formula(tables["formula"]), ["cell"]),
        ),
        section(
            "The published windows, and what they find in noise",
            "Share of studies with a window above 0 and the mean window in steps: of "
            "targets permuted across sequences (null), and of the real ones.",
            None,
            frame(_published(tables["published"]), ["cell", "setting", "samples"]),
        ),
    ]


def _shares(rows: Any, part: str, whole: str) -> list[str]:
    pairs = zip(rows[part].tolist(), rows[whole].tolist(), strict=True)
    return [share(k, n) for k, n in pairs]


def _coverage(rows: Any) -> pd.DataFrame:
    shown = rows[["cell", "lag", "seed", "diagnoses"]].copy()
    shown["intervals that hold it"] = _shares(rows, "covered", "diagnoses")
    shown["spread seen"], shown["spread told"] = rows["spread"], rows["told"]
    shown["N(l) of 40,000"] = rows["truth"]
    return shown


def _null(rows: Any) -> pd.DataFrame:
    zero = rows.assign(zero=rows["studies"] - rows["false"])
    return zero[["cell", "seed", "studies"]].assign(
        **{"share of windows 0": _shares(zero, "zero", "studies")}
    )


def _resolution(rows: Any) -> pd.DataFrame:
    added = rows.groupby(["cell", "sequences"], sort=False).sum().reset_index()
    return added[["cell", "sequences", "lags"]].assign(
        resolved=_shares(added, "resolved", "lags"),
        **{
            "left open by the fewest": added["open"],
            "of these found": _shares(added, "found", "open"),
        },
    )


def _formula(rows: Any) -> pd.DataFrame:
    added = rows.groupby("cell", sort=False).sum().reset_index()
    return added[["cell", "lags"]].assign(gaussian=_shares(added, "gaussian", "lags"))


def _published(rows: Any) -> pd.DataFrame:
    shown = rows.copy()
    for word in ("null", "real"):
        pairs = zip(rows[f"{word}_share"], rows["studies"].tolist(), strict=True)
        shown[f"{word}_share"] = [share(round(s * n), n) for s, n in pairs]
    return shown
