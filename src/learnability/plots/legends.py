"""Legends that fit above a figure, and names that fit into legends."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

from ._parts import Group, Look, whole_figure
from .style import Style, ink

# What a legend calls the runs beside which others are laid.
OWN = "this study"
# Letters of a name in a legend; at column width more do not fit beside another.
LONGEST_LABEL = 28
# Size of a legend's letters in points.
LETTERS = 7.5
# Letters of a title to an inch.
TITLE_LETTERS = 12.0
# Inches of a legend's row, of a letter in it and of a handle with its gaps.
LEGEND_ROW, LETTER, HANDLE = 0.165, 0.064, 0.42


def open_mark(marker: str, text: str) -> Line2D:
    """Return the legend's entry of a mark for censored values."""
    quiet = ink().quiet
    return Line2D([], [], ls="", marker=marker, mfc="none", mec=quiet, label=text)


def stroke(text: str, **look: Any) -> Line2D:
    """Return the legend's entry of a line in no colour's ink."""
    options: Look = {"color": ink().quiet, "lw": 0.9, "ls": "--", **look}
    return Line2D([], [], label=text, **options)


def keys(
    found: Mapping[str, Style], *, marked: bool = True, dashed: bool = False
) -> list[Line2D]:
    """Return a legend's entries: a line each, or colours and marks apart.

    Of 5 cells with 3 optimizers 8 entries say as much as 15.

    Args:
        found: styles by name.
        marked: whether the lines carry marks.
        dashed: whether the lines are dashed.
    """
    every, quiet = list(found.values()), ink().quiet
    cells = {s.cell: s.colour for s in every}
    rests = {s.rest: s for s in every}
    entries = []
    if len(cells) + len(rests) < len(found):
        for cell, colour in cells.items():
            entries.append(Line2D([], [], color=colour, label=label(cell)))
            Group(tuple(s.member for s in every if s.cell == cell)).mark(entries[-1])
        shown = [(rest or OWN, style, quiet) for rest, style in rests.items()]
    else:
        shown = [(name, style, style.colour) for name, style in found.items()]
    for name, style, colour in shown:
        mark, dash = style.marker if marked else "", style.dash if dashed else "-"
        look: Look = {"color": colour, "marker": mark, "ls": dash}
        entries.append(Line2D([], [], label=label(name), **look))
        same = style.rest if colour == quiet else None
        members = [s.member for s in every if s is style or s.rest == same]
        Group(tuple(members)).mark(entries[-1])
    return entries


def label(name: str) -> str:
    """Return a name as a legend shows it: short, and free of matplotlib's markup.

    Args:
        name: any text.

    Example:
        >>> label("a" * 40)
        'aaaaaaaaaaaaaa…aaaaaaaaaaaaa'
        >>> label("cost $5")
        'cost \\\\$5'
    """
    plain = " ".join(name.split())
    if len(plain) > LONGEST_LABEL:
        half = LONGEST_LABEL // 2
        plain = f"{plain[:half]}…{plain[-(LONGEST_LABEL - half - 1) :]}"
    # A legend leaves out labels that begin with an underscore.
    return ("\u2009" + plain if plain.startswith("_") else plain).replace("$", r"\$")


def explain(
    ax: Axes,
    found: Mapping[str, Style],
    *more: Line2D,
    marked: bool = True,
    dashed: bool = False,
) -> Axes:
    """Give axes what their legend says: an entry per line, and others.

    Entries are lines without points, which `matplotlib.axes.Axes.legend` finds.

    Args:
        ax: axes to explain.
        found: styles by name of line.
        more: further entries.
        marked: whether the lines carry marks.
        dashed: whether the lines are dashed.

    Returns:
        The axes.
    """
    for entry in (*keys(found, marked=marked, dashed=dashed), *more):
        ax.add_line(entry)
    return ax


def explained(*panels: Axes) -> list[Line2D]:
    """Return the entries that `explain` gave to axes, each label once."""
    entries = {}
    for ax in panels:
        entries |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    return list(entries.values())


def legend(
    where: Axes | Figure, handles: Sequence[Line2D], title: str | None = None
) -> None:
    """Put a legend above the axes, or above all panels of a figure.

    Args:
        where: axes or figure.
        handles: the entries, with their labels.
        title: above the entries of a figure, bold and in as many rows as it takes.
    """
    labels = [str(handle.get_label()) for handle in handles]
    columns = _columns(labels, _width(where))
    # Letters and gaps are those that the columns were counted with, whatever the
    # caller's own are.
    look: Look = {
        "handles": handles,
        "ncols": columns,
        "fontsize": LETTERS,
        "frameon": False,
        "handlelength": 1.6,
        "columnspacing": 1.4,
        "labelcolor": ink().text,
        "borderpad": 0.1,
    }
    if title is not None:
        text = fill(title.replace("$", r"\$"), int(TITLE_LETTERS * _width(where)))
        bold = FontProperties(size=9, weight="bold")
        look |= {"title": text, "title_fontproperties": bold, "alignment": "left"}
    if isinstance(where, Figure):
        # Further rows must not squeeze the panels.
        rows = -(-len(handles) // columns) + str(look.get("title", "")).count("\n")
        rows += title is not None
        where.set_figheight(where.get_figheight() + rows * LEGEND_ROW)
        made = where.legend(loc="outside upper left", **look)
    else:
        anchor = {"bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2}
        made = where.legend(loc="lower left", **anchor, **look)
    for entry, text, shown in zip(
        handles, made.get_texts(), made.legend_handles, strict=True
    ):
        text.set_gid(entry.get_gid())
        if shown is not None:
            shown.set_gid(entry.get_gid())


def _width(where: Axes | Figure) -> float:
    """Return the inches across which a legend may spread."""
    made = whole_figure(where)
    if isinstance(where, Figure):
        return made.get_figwidth()
    return where.get_position().width * made.get_figwidth()


def _columns(labels: list[str], width: float) -> int:
    """Return the most columns of a legend that fit into a width in inches."""
    for columns in range(len(labels), 1, -1):
        # matplotlib deals a legend's entries to its columns in the same way.
        parts = np.array_split(labels, columns)
        needed = sum(LETTER * max(map(len, part)) + HANDLE for part in parts)
        if needed < width:
            return columns
    return 1
