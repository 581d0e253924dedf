"""Sections and tables of the page, from figures and frames."""

import math
from html import escape
from typing import Any, NamedTuple

import pandas as pd
from scipy.stats import binomtest

from learnability.plots.files import rendered
from learnability.report.captions import Caption
from learnability.report.pictures import figure_element
from learnability.report.tables import html_table
from learnability.report.words import short


def share(count: int, whole: int) -> str:
    """Give a share with its exact 95 % interval.

    Source: Clopper and Pearson 1934.
    """
    low, high = binomtest(int(count), int(whole)).proportion_ci(0.95)
    return f"{count / whole:.3g} ({low:.3g} to {high:.3g})"


def anchor(title: str) -> str:
    """Give the name by which a section is pointed to."""
    return "-".join(title.lower().replace(",", "").split())


class Section(NamedTuple):
    """A part of the page.

    Attributes:
        title: its head.
        html: all of it.
    """

    title: str
    html: str


def section(title: str, text: str, figure: Any, *tables: str) -> Section:
    """Give a section with its figure, if any, and its tables.

    Args:
        title: its head.
        text: what it shows.
        figure: a `matplotlib` figure, or None.
        tables: what `frame` gave.
    """
    said = f"<p>{escape(text)}</p>"
    if figure is not None:
        svg = rendered(figure, "svg", outlined=True).decode()
        # One width for all screens: names of methods leave no room at a column's.
        caption = Caption("", escape(text))
        said = figure_element(
            f"figure-{anchor(title)}", caption, f"{title}. {text}", svg, svg
        )
    body = "\n".join(tables)
    head = f'<h2 id="{anchor(title)}">{escape(title)}</h2>'
    return Section(title, f"<section>{head}{said}{body}</section>")


LONG = 40
"""Rows beyond which a table is folded."""


def frame(rows: pd.DataFrame, heads: list[str]) -> str:
    """Give a table whose first columns name its rows; a long one is folded."""
    columns = [*heads, *(c for c in rows.columns if c not in heads)]
    text: Any = rows[columns].map(_word)
    table = html_table(text, "numbers", heads=len(heads))
    if len(rows) <= LONG:
        return table
    return f"<details><summary>all {len(rows)} rows</summary>{table}</details>"


def ended(row: dict[str, Any], name: str) -> str:
    """Give a number with its interval, ``NAME_lower`` to ``NAME_upper``, if it has one.

    Example:
        >>> ended({"a": 1.0, "a_lower": 0.5, "a_upper": 1.25}, "a")
        '1.00 (0.50 to 1.25)'
    """
    if math.isnan(row[name]):
        return "none"
    low, high = row[f"{name}_lower"], row[f"{name}_upper"]
    return f"{row[name]:.2f} ({low:.2f} to {high:.2f})"


def _word(value: object) -> str:
    if isinstance(value, bool) or str(value) in ("True", "False"):
        return "yes" if str(value) == "True" else "no"
    return value if isinstance(value, str) else short(float(value))  # pyright: ignore[reportArgumentType]
