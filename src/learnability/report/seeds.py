"""What several seeds say together: a table and sentences."""

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd

from ..diagnosis import Diagnosis
from ..study.settings import Settings
from ..study.tables import compared
from .answer import Groups, learnt, spread_of
from .reach import reached, summed_cell
from .words import number, short

Runs = Mapping[str, Diagnosis]


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


def summary(groups: Groups, budgets: Sequence[float]) -> pd.DataFrame:
    """Give a row a network and optimizer as text: R², and a window a budget.

    Windows are means over seeds with their deviation, and in brackets the lowest and
    the highest end of the seeds' intervals; a mean that holds a window which reaches
    the last lag is at least what it says.

    Args:
        groups: diagnoses of all seeds, by network and optimizer.
        budgets: numbers of sequences N.
    """
    rows = []
    for name, runs in groups.items():
        trained = [run for run in runs if "training" in run.tree.children]
        r2 = [run.group("training").attrs["r2"] for run in trained]
        reaches = {n: reached(name, runs, n) for n in budgets}
        cells = {f"H at N = {number(n)}": summed_cell(r) for n, r in reaches.items()}
        fit = spread_of(np.array(r2, float)) if r2 else "not trained here"
        rows.append({"network": name, "R²": fit, **cells})
    return pd.DataFrame(rows)


def spoken(groups: Groups, budgets: Sequence[float]) -> list[str]:
    """Give a list item a network and optimizer: how far it sees, what it learnt.

    Args:
        groups: diagnoses of all seeds, by network and optimizer.
        budgets: numbers of sequences N.
    """
    items = []
    for group, runs in groups.items():
        found = reached(group, runs, max(budgets))
        said = f"with {number(max(budgets))} sequences {found.said}"
        if found.censored > 0 and found.seeds > 1:
            count = f"{found.censored} of {found.seeds}"
            said += f"; {count} seeds reach the longest lag measured"
        name = f"<strong><bdi>{escape(group)}</bdi></strong>"
        items.append(f"<li>{name}: {escape(said + '.' + learnt(runs))}</li>")
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
