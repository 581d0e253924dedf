"""One self-contained page with every window beside the realised ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from learnability.plots.style import theme
from learnability.report import Table, render

from . import plots as draw
from .cells import cell_effects
from .detected import Rows, detection
from .findings import MEASURED, PREDICTORS, Findings
from .html import LONG, Section, ended, frame, section, share
from .in_short import NO_END, in_short
from .settings import Calibration

SHOWN = (
    "output sensitivity",
    "probe strength",
    "lag and N",
    "learnt share at that step",
    *MEASURED,
)
LAWS = ("output sensitivity", "probe strength", "learnt share at that step")


def page(
    calibration: Calibration,
    found: Findings,
    trials: Rows,
    second: pd.DataFrame | None = None,
) -> str:
    """Give the page of a calibration; it holds no time, so it can be made again.

    Args:
        calibration: its settings.
        found: the comparison with the realised windows.
        trials: rows of `brute.try_cell` and `diagnosed.diagnose_cell` by name.
        second: what `second.second_round` gave, if other seeds' laws are tried.

    Returns:
        The page.
    """
    with theme("light"):
        sections = [
            *detection(trials, calibration.trial),
            *_learning(found),
            *_second(second),
        ]
    return render(
        "calibration.html",
        source=Path(__file__).with_suffix(".html").read_text("utf-8"),
        title=f"How far to trust each window: {calibration.name}",
        kicker="learnability calibration",
        navigation={"answer": "In short"} | {s.anchor: s.title for s in sections},
        lead=_lead(calibration, found),
        short=_short(found, trials),
        sections=sections,
        long=LONG,
    )


def _lead(calibration: Calibration, found: Findings) -> str:
    made, wanted = len(found.realised), len(calibration.runs())
    limited, diverged = (
        int(np.sum(found.realised[name])) for name in ("limited", "diverged")
    )
    begun = (
        f"Partial: this page rests on {made} of {wanted} trainings ({_spread(found)}). "
        "The whole is "
    )
    some = f"{wanted} trainings: " if made == wanted else begun
    return (
        f"{some}"
        f"{len(calibration.architectures)} networks, "
        f"{len(calibration.families)} families of tasks, N of "
        f"{', '.join(map(str, calibration.samples))}, {len(calibration.seeds)} seeds, "
        f"{calibration.updates} updates each. In {limited} of those made steps and not "
        f"samples were the limit (best epoch in the last tenth); {diverged} diverged. "
        "Intervals are 95 % ones of a bootstrap over cells; a band counts as "
        "learnt from a share of 1/2 on."
    )


def _spread(found: Findings) -> str:
    """Say how many networks, families, N and seeds a page rests on."""
    columns = {
        "cell": "networks",
        "family": "families",
        "samples": "N",
        "seed": "seeds",
    }
    realised = found.realised
    counts = [f"{realised[c].nunique()} {word}" for c, word in columns.items()]
    each = realised.groupby(["family", "samples"]).size().to_numpy()
    return (
        f"{', '.join(counts)}; {each.min()} to {each.max()} for each family and N that "
        "has any"
    )


def _short(found: Findings, trials: Rows) -> Section:
    return section(
        "In short",
        "A row a statement that is made of windows; the sections below have the whole.",
        None,
        frame(in_short(found, trials).rename(columns={"behind": "behind it"}), ["row"]),
    )


def _second(second: pd.DataFrame | None) -> list[Section]:
    if second is None:
        return []
    rows: Any = second.rename(columns={"auc": "area", "error": "error in bands"})
    words = {"area": "auc", "error in bands": "error"}
    for shown, name in words.items():
        rows[shown] = [ended(row, name) for row in second.to_dict("records")]
    rows = rows[["method", "family", *words, "runs"]]
    average = rows["family"] == "average"
    return [
        section(
            "A family and seeds that no constant was fitted to",
            "Laws fitted to five families at other seeds, used on the sixth at these; "
            "stated before these seeds were trained "
            "(docs/evidence/preregistered.md). The twin is the realised window of "
            "the same training at the other seeds. The bar is an area of 0.95 and a "
            "mean error of 0.5 bands.",
            draw.scores_figure(second),
            frame(rows[average], ["method", "family"]),
            frame(rows[~average], ["method", "family"]),
        )
    ]


def _learning(found: Findings) -> list[Section]:
    """Give the sections about learning, within families and from one to another."""
    return _within(found) + _beyond(found)


def _within(found: Findings) -> list[Section]:
    scores = found.scores
    return [
        section(
            "Predicted against realised windows",
            "A panel a method; the size of a mark is the number of runs. Laws are "
            "fitted to the other cells of the family; detection and the published "
            "windows have no constants.",
            draw.predicted_figure(found.predicted, SHOWN),
        ),
        section(
            "How good every method is",
            "Area under the curve of learnt against not learnt, and the mean distance "
            "of the predicted from the realised window.",
            draw.scores_figure(scores),
            _scores(scores),
        ),
        section(
            "Reliability",
            "Of bands that a law gives a probability, the share that was learnt; on "
            "cells it was not fitted to; 95 % intervals by drawing cells.",
            draw.reliability_figure(found.reliability, LAWS),
            _reliability(found),
        ),
        section(
            "Realised windows",
            "Learnt share of at least 1/2 on fresh data, contiguous from the shortest "
            "band, in steps: mean over seeds, bars from the smallest to the largest. "
            "Crosses: steps and not samples were the limit of every seed.",
            draw.realised_figure(found.realised),
            _realised(found.realised),
        ),
        section(
            "Cells beside each other",
            "How many bands farther than the mean of all a cell learns, held against "
            "those with the same family and N (least squares; intervals by drawing "
            "families and N together).",
            None,
            _effects(found.realised),
        ),
    ]


def _beyond(found: Findings) -> list[Section]:
    sections: list[Section] = []
    if len(found.transfer):
        sections.append(
            section(
                "From one family to another",
                "Per cent of bands called right by a law fitted to one family and used "
                "on another without refitting.",
                draw.transfer_figure(found.transfer, LAWS),
                _tested(found.transfer, ["method", "fitted", "family"]),
            )
        )
    if len(found.unseen):
        sections.append(
            section(
                "A family that no constant was fitted to",
                "Laws fitted to all other families. A to E were stated before they "
                "were tried (docs/evidence/preregistered.md); the bar was an "
                "area of 0.95 and a mean error of 0.5 bands.",
                draw.scores_figure(found.unseen),
                _scores(found.unseen),
            )
        )
    if len(found.beyond):
        sections.append(
            section(
                "Beyond the data",
                "Laws fitted to smaller N and other cells, at the largest N.",
                None,
                _tested(found.beyond, ["method", "family"]),
            )
        )
    if len(found.needs):
        sections.append(
            section(
                "Samples of learning against samples of detection",
                "A mark a (cell, band): the smallest N of the grid with which most "
                "seeds learnt it, and N(l) of the network trained on most. Open: the "
                "smallest N of the grid sufficed, so that fewer may do.",
                draw.needs_figure(found.needs),
                *_needs(found.needs),
            )
        )
    return sections


def _scores(scores: pd.DataFrame) -> Table:
    rows = pd.DataFrame(
        {
            "family": scores["family"],
            "method": [
                f"{m} (baseline)" if m in PREDICTORS and PREDICTORS[m].baseline else m
                for m in scores["method"]
            ],
            "area": [ended(row, "auc") for row in scores.to_dict("records")],
            "error in bands": [
                ended(row, "error") for row in scores.to_dict("records")
            ],
            "exact windows": scores["exact"],
            "cells": scores["cells"],
            "runs": scores["runs"],
        }
    )
    return frame(rows, ["family", "method"])


def _tested(rows: pd.DataFrame, heads: list[str]) -> Table:
    """Give a table of what `findings._tested` says, with intervals."""
    shown: Any = rows[heads].copy()
    records = rows.to_dict("records")
    if "auc" in rows:
        shown["area"] = rows["auc"]
    shown["bands called right"] = [ended(row, "right") for row in records]
    shown["error in bands"] = [ended(row, "error") for row in records]
    return frame(shown.assign(runs=rows["runs"]), heads)


def _realised(realised: pd.DataFrame) -> Table:
    groups: Any = realised.groupby(["family", "cell", "samples"])["window_lag"]
    table = groups.agg(lambda lags: _range(lags.to_numpy())).unstack("samples")
    table.columns = [f"N = {n}" for n in table.columns]
    limited = realised.groupby(["family", "cell"])["limited"].sum()
    counted = realised.groupby(["family", "cell"]).size()
    table = table.fillna("").assign(**{"limited by steps": limited, "runs": counted})
    return frame(table.reset_index(), ["family", "cell"])


def _effects(realised: pd.DataFrame) -> Table:
    rows: Any = cell_effects(realised)
    rows["bands farther"] = [ended(row, "effect") for row in rows.to_dict("records")]
    return frame(rows[["cell", "bands farther", "runs"]], ["cell"])


def _range(lags: np.ndarray) -> str:
    """Give a mean with the smallest and the largest where they differ."""
    low, high = lags.min(), lags.max()
    return f"{lags.mean():.3g}" + (f" ({low:.3g} to {high:.3g})" if low < high else "")


def _reliability(found: Findings) -> Table:
    rows = [
        {
            "method": method,
            "family": family,
            "predicted": f"{b.predicted:.2f}",
            "learnt": f"{b.observed:.2f} ({b.lower:.2f} to {b.upper:.2f})",
            "bands": b.count,
        }
        for method in LAWS
        for family in found.realised["family"].unique()
        for b in found.reliability[family, method]
    ]
    return frame(pd.DataFrame(rows), ["method", "family"])


def _needs(needs: pd.DataFrame) -> Sequence[Table]:
    """Give learning over detection, family by family, where both are in the grid."""
    inside: Any = needs[
        (needs["detection"] < NO_END) & ~needs["at_smallest"].astype(bool)
    ]
    rows = [
        {
            "family": family,
            "learning over detection, median": np.median(ratio),
            "smallest": ratio.min(),
            "largest": ratio.max(),
            "more than detection": share(int((ratio > 1).sum()), len(ratio)),
            "bands": len(ratio),
            "cells": own["cell"].nunique(),
        }
        for family, own in inside.groupby("family", sort=False)
        for ratio in ((own["learning"] / own["detection"]).to_numpy(),)
    ]
    return [frame(pd.DataFrame(rows), ["family"])] if rows else []
