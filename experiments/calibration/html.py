"""Sections and tables of the page, from figures and frames."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from scipy.stats import binomtest

from learnability.plots import inline
from learnability.report import Shown, Table
from learnability.words import short


def share(count: int, whole: int) -> str:
    """Return a share with its exact 95 % interval.

    Source: Clopper and Pearson 1934.
    """
    low, high = binomtest(int(count), int(whole)).proportion_ci(0.95)
    return f"{count / whole:.3g} ({low:.3g} to {high:.3g})"


def anchor(title: str) -> str:
    """Return the name by which a section is pointed to."""
    return "-".join(title.lower().replace(",", "").split())


LONG = 40
"""Rows beyond which a table is folded."""


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: its head.
        text: what it shows.
        figure: that shows it, if one does.
        tables: its numbers.
    """

    title: str
    text: str
    figure: Shown | None
    tables: Sequence[Table]

    @property
    def anchor(self) -> str:
        """Return the name by which the section is pointed to."""
        return anchor(self.title)


def section(title: str, text: str, figure: Figure | None, *tables: Table) -> Section:
    """Return a section with its figure, if any, and its tables.

    Args:
        title: its head.
        text: what it shows.
        figure: drawn in the light theme, or None.
        tables: what `frame` returned.
    """
    if figure is None:
        return Section(title, text, None, tables)
    name = anchor(title)
    panel = inline(figure, f"{name}-", f"{title}. {text}")
    return Section(title, "", Shown(name, Markup(""), [panel], text), tables)


def frame(rows: pd.DataFrame, heads: list[str]) -> Table:
    """Return a table whose first columns name its rows."""
    columns = [*heads, *(c for c in rows.columns if c not in heads)]
    text: Any = rows[columns].map(_word)
    return Table.of(text, "numbers", heads=len(heads))


def ended(row: dict[str, Any], name: str) -> str:
    """Return a number with its interval, ``NAME_lower`` to ``NAME_upper``.

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
