"""One self-contained page with every window beside the realised ones."""

from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ..plots import calibration as draw
from ..plots.files import rendered
from ..plots.style import theme
from ..report.pictures import Caption, figure_element
from ..report.words import short
from .findings import MEASURED, PREDICTORS, Findings
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
    trials: Sequence[dict[str, Any]],
    second: pd.DataFrame | None = None,
) -> str:
    """Give the page of a calibration; it holds no time, so it can be made again.

    Args:
        calibration: its settings.
        found: the comparison with the realised windows.
        trials: what `brute.try_cell` gave, a record a cell.
        second: what `second.second_round` gave, if other seeds' laws are tried.

    Returns:
        The page.
    """
    parts = {
        "title": escape(calibration.name),
        "style": (resources.files("learnability.report") / "page.css").read_text(),
        "lead": escape(_lead(calibration, found)),
    }
    with theme("light"):
        parts["sections"] = "\n".join(
            [*_detection(trials), *_learning(found), *_second(second)]
        )
    text = (resources.files("learnability.calibration") / "page.html").read_text()
    return Template(text).substitute(parts)


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


def _second(second: pd.DataFrame | None) -> list[str]:
    if second is None:
        return []
    rows: Any = second.rename(columns={"auc": "area", "error": "error in bands"})
    words = {"area": "auc", "error in bands": "error"}
    for shown, name in words.items():
        rows[shown] = [_ends(row, name) for row in second.to_dict("records")]
    rows = rows[["method", "family", *words, "runs"]]
    average = rows["family"] == "average"
    return [
        _section(
            "A family and seeds that no constant was fitted to",
            "Laws fitted to five families at other seeds, used on the sixth at these; "
            "stated before these seeds were trained (docs/preregistered.md). The twin "
            "is the realised window of the same training at the other seeds. The bar "
            "is an area of 0.95 and a mean error of 0.5 bands.",
            draw.scores_figure(second),
            _frame(rows[average], ["method", "family"]),
            _frame(rows[~average], ["method", "family"]),
        )
    ]


def _learning(found: Findings) -> list[str]:
    """Give the sections about learning."""
    scores = found.scores
    sections = [
        _section(
            "Predicted against realised windows",
            "A panel a method; the size of a mark is the number of runs. Laws are "
            "fitted to the other cells of the family; detection and the published "
            "windows have no constants.",
            draw.predicted_figure(found.predicted, SHOWN),
        ),
        _section(
            "How good every method is",
            "Area under the curve of learnt against not learnt, and the mean distance "
            "of the predicted from the realised window.",
            draw.scores_figure(scores),
            _scores(scores),
        ),
        _section(
            "Reliability",
            "Of bands that a law gives a probability, the share that was learnt; on "
            "cells it was not fitted to.",
            draw.reliability_figure(found.reliability, LAWS),
        ),
        _section(
            "Realised windows",
            "Learnt share of at least 1/2 on fresh data, contiguous from the shortest "
            "band, in steps: mean over seeds, bars from the smallest to the largest. "
            "Crosses: steps and not samples were the limit of every seed.",
            draw.realised_figure(found.realised),
            _realised(found.realised),
        ),
    ]
    if len(found.transfer):
        sections.append(
            _section(
                "From one family to another",
                "Per cent of bands called right by a law fitted to one family and used "
                "on another without refitting.",
                draw.transfer_figure(found.transfer, LAWS),
                _frame(found.transfer, ["method", "fitted", "family"]),
            )
        )
    if len(found.unseen):
        sections.append(
            _section(
                "A family that no constant was fitted to",
                "Laws fitted to all other families. A to E were stated before they "
                "were tried (docs/preregistered.md); the bar was an area of 0.95 and a "
                "mean error of 0.5 bands.",
                draw.scores_figure(found.unseen),
                _scores(found.unseen),
            )
        )
    if len(found.beyond):
        sections.append(
            _section(
                "Beyond the data",
                "Laws fitted to smaller N and other cells, at the largest N.",
                None,
                _frame(found.beyond, ["method", "family"]),
            )
        )
    if len(found.needs):
        sections.append(
            _section(
                "Samples of learning against samples of detection",
                "A mark a (cell, band): the smallest N of the grid with which most "
                "seeds learnt it, and N(l) of the network trained on most. Open: the "
                "smallest N of the grid sufficed, so that fewer may do.",
                draw.needs_figure(found.needs),
            )
        )
    return sections


def _detection(trials: Sequence[dict[str, Any]]) -> list[str]:
    """Give the sections about detection and the published windows."""
    if not trials:
        return []
    tables = {
        name: pd.DataFrame([row for t in trials for row in t[name]])
        for name in ("errors", "coverage", "published")
    }
    null = pd.DataFrame([t["null"] for t in trials])
    null["share of windows 0"] = [
        _share(n - k, n) for k, n in zip(null["false"], null["studies"], strict=True)
    ]
    seen = tables["coverage"]
    seen["share"] = [
        _share(k, n) for k, n in zip(seen["covered"], seen["studies"], strict=True)
    ]
    for word in ("null", "real"):
        told = tables["published"]
        pairs = zip(told[f"{word}_share"], told["studies"], strict=True)
        told[f"{word}_share"] = [_share(round(s * n), n) for s, n in pairs]
    return [
        _section(
            "Detection against brute force",
            "Left: error of the one-gradient test at every N, predicted from N(l) and "
            "seen, two standard errors. Right: intervals of N(l) that hold what many "
            "sequences give; the bar is 92 to 98 %.",
            draw.trial_figure(tables["errors"], tables["coverage"]),
            _frame(tables["errors"], ["cell", "lag", "samples"]),
        ),
        _section(
            "Detection in noise",
            "Targets permuted across sequences, whatever the budget.",
            None,
            _frame(null, ["cell"]),
            _frame(tables["coverage"], ["cell", "lag"]),
        ),
        _section(
            "The published windows, and what they find in noise",
            "Share of studies with a window above 0 and the mean window in steps: of "
            "targets permuted across sequences (null), and of the real ones.",
            None,
            _frame(tables["published"], ["cell", "setting", "samples"]),
        ),
    ]


def _share(count: int, whole: int) -> str:
    """Give a share with its exact 95 % interval.

    Source: Clopper and Pearson 1934.
    """
    low, high = binomtest(int(count), int(whole)).proportion_ci(0.95)
    return f"{count / whole:.3g} ({low:.2f} to {high:.2f})"


def _section(title: str, text: str, figure: Any, *tables: str) -> str:
    said = f"<p>{escape(text)}</p>"
    if figure is not None:
        svg = rendered(figure, "svg").decode()
        name = "-".join(title.lower().replace(",", "").split())
        # One width for all screens: names of methods leave no room at a column's.
        caption = Caption("", escape(text))
        said = figure_element(name, caption, f"{title}. {text}", svg, svg)
    body = "\n".join(tables)
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"


def _scores(scores: pd.DataFrame) -> str:
    rows = pd.DataFrame(
        {
            "family": scores["family"],
            "method": [
                f"{m} (baseline)" if m in PREDICTORS and PREDICTORS[m].baseline else m
                for m in scores["method"]
            ],
            "area": [_ends(row, "auc") for row in scores.to_dict("records")],
            "error in bands": [
                _ends(row, "error") for row in scores.to_dict("records")
            ],
            "exact windows": scores["exact"],
            "cells": scores["cells"],
            "runs": scores["runs"],
        }
    )
    return _frame(rows, ["family", "method"])


def _ends(row: dict, name: str) -> str:
    low, high = row[f"{name}_lower"], row[f"{name}_upper"]
    return f"{row[name]:.2f} ({low:.2f} to {high:.2f})"


def _realised(realised: pd.DataFrame) -> str:
    table = realised.pivot_table(
        index=["family", "cell"], columns="samples", values="window_lag", aggfunc="mean"
    )
    table.columns = [f"N = {n}" for n in table.columns]
    limited = realised.groupby(["family", "cell"])["limited"].sum()
    counted = realised.groupby(["family", "cell"]).size()
    table = table.assign(**{"limited by steps": limited, "runs": counted})
    return _frame(table.reset_index(), ["family", "cell"])


def _frame(rows: pd.DataFrame, heads: list[str]) -> str:
    """Give a table whose first columns name its rows."""
    columns = [*heads, *(c for c in rows.columns if c not in heads)]
    top = "".join(f'<th scope="col">{escape(str(c))}</th>' for c in columns)
    body = []
    for row in rows[columns].itertuples(index=False):
        named = "".join(
            f'<th scope="row">{escape(_word(v))}</th>' for v in row[: len(heads)]
        )
        rest = "".join(f"<td>{escape(_word(v))}</td>" for v in row[len(heads) :])
        body.append(f"<tr>{named}{rest}</tr>")
    return (
        '<div class="scroll" role="region" aria-label="numbers" tabindex="0"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _word(value: object) -> str:
    if isinstance(value, bool) or str(value) in ("True", "False"):
        return "yes" if str(value) == "True" else "no"
    return value if isinstance(value, str) else short(float(value))  # pyright: ignore[reportArgumentType]
