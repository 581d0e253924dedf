"""What several seeds say together: a table and sentences."""

import math
from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd

from ..diagnosis import Diagnosis
from ..study.collected import across_seeds, compared, grouped
from ..study.settings import Settings
from .words import number, short

Runs = Mapping[str, Diagnosis]


def summary(settings: Settings, runs: Runs) -> pd.DataFrame:
    """Give a row a network and optimizer as text: R², and a window a budget.

    Windows are means over seeds with their deviation; a mean that holds a window which
    reaches the last lag is at least what it says.

    Args:
        settings: the study.
        runs: diagnoses by label.
    """
    windows = across_seeds(settings, runs)
    rows = []
    for group, found in grouped(settings, runs).items():
        own = windows.loc[windows["group"] == group, :].to_dict("records")
        r2 = np.array([run.group("training").attrs["r2"] for run in found], float)
        cells = {f"H at N = {number(r['budget'])}": mean_window(r) for r in own}
        rows.append({"network": group, "R²": _mean(r2), **cells})
    return pd.DataFrame(rows)


def mean_window(row: Mapping) -> str:
    """Give the mean of a window over seeds with its deviation.

    Args:
        row: of `across_seeds`.

    Example:
        >>> mean_window({"mean": 24.0, "deviation": 4.0, "censored": 1})
        '≥24 ± 4'
    """
    least = "≥" if row["censored"] else ""
    middle = f"{least}{short(row['mean'])}"
    if math.isnan(row["deviation"]):
        return middle
    return f"{middle} ± {short(row['deviation'], 2)}"


def spoken(settings: Settings, runs: Runs) -> list[str]:
    """Give a list item a network and optimizer: how far it sees with the most data.

    Args:
        settings: the study.
        runs: diagnoses by label.
    """
    most = max(settings.budgets)
    rows = across_seeds(settings, runs)
    items = []
    for row in rows.loc[rows["budget"] == most, :].to_dict("records"):
        name = f"<strong><bdi>{escape(str(row['group']))}</bdi></strong>"
        seeds = f"{row['seeds']} seed{'s' if row['seeds'] > 1 else ''}"
        said = f"with {number(most)} sequences {mean_window(row)} steps back ({seeds})"
        if row["censored"]:
            said += f"; {row['censored']} of them reach the last lag measured"
        items.append(f"<li>{name}: {said}.</li>")
    return items


def comparison_table(
    first: tuple[Settings, Runs], second: tuple[Settings, Runs]
) -> pd.DataFrame:
    """Give the windows of two studies side by side as text.

    Args:
        first: settings and diagnoses of one study.
        second: those of another.

    Raises:
        ValueError: if they have no network, optimizer and budget in common.
    """
    rows = []
    for row in compared(first, second).to_dict("records"):
        one, two, difference = (
            {"mean": row[m], "deviation": row[d], "censored": row.get(c, 0)}
            for m, d, c in (
                ("mean_first", "deviation_first", "censored_first"),
                ("mean_second", "deviation_second", "censored_second"),
                ("difference", "error", "none"),
            )
        )
        rows.append(
            {
                "network": row["group"],
                "N": number(row["budget"]),
                "A": mean_window(one),
                "B": mean_window(two),
                "B less A": mean_window(difference),
                "windows at the last lag": str(row["censored"]),
            }
        )
    return pd.DataFrame(rows)


def _mean(values: np.ndarray) -> str:
    middle = short(float(values.mean()))
    if values.size == 1:
        return middle
    return f"{middle} ± {short(float(values.std(ddof=1)), 2)}"
