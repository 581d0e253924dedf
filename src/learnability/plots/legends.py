"""Legends that fit above a figure, and names that fit into legends."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .style import Style, ink

LONGEST_LABEL = 28
"""Letters of a name in a legend; at column width more do not fit beside another."""
LETTERS = 7.5
"""Size of a legend's letters in points."""
LEGEND_ROW = 0.165
LETTER = 0.064
HANDLE = 0.42
"""Inches of a legend's row, of a letter in it and of a handle with its gaps."""


def whole_figure(where: Axes | Figure) -> Figure:
    """Give the figure that axes belong to.

    Args:
        where: axes, or the figure itself.

    Raises:
        ValueError: if the axes were removed from their figure.
    """
    made = where.get_figure(root=True)
    if made is None:
        raise ValueError("the axes belong to no figure; make new ones")
    return made


def label(name: str) -> str:
    """Give a name as a legend shows it: short, and free of matplotlib's markup.

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


def key(style: Style, text: str, **changes: Any) -> Line2D:
    """Make a legend's entry of an architecture."""
    options: dict[str, Any] = {"color": style.colour, "marker": style.marker}
    return Line2D([], [], label=text, **(options | changes))


def legend(where: Axes | Figure, handles: list[Line2D]) -> None:
    """Put a legend above the axes, or above all panels of a figure.

    Args:
        where: axes or figure.
        handles: the entries, with their labels.
    """
    labels = [str(handle.get_label()) for handle in handles]
    columns = _columns(labels, _width(where))
    # Letters and gaps are those that the columns were counted with, whatever the
    # caller's own are.
    look: dict[str, Any] = {
        "handles": handles,
        "ncols": columns,
        "fontsize": LETTERS,
        "frameon": False,
        "handlelength": 1.6,
        "columnspacing": 1.4,
        "labelcolor": ink().text,
    }
    if isinstance(where, Figure):
        # Further rows must not squeeze the panels.
        rows = -(-len(handles) // columns)
        where.set_figheight(where.get_figheight() + (rows - 1) * LEGEND_ROW)
        where.legend(loc="outside upper left", **look)
    else:
        anchor = {"bbox_to_anchor": (0, 1.0), "borderaxespad": 0.2}
        where.legend(loc="lower left", **anchor, **look)


def _width(where: Axes | Figure) -> float:
    """Give the inches across which a legend may spread."""
    made = whole_figure(where)
    if isinstance(where, Figure):
        return made.get_figwidth()
    return where.get_position().width * made.get_figwidth()


def _columns(labels: list[str], width: float) -> int:
    """Give the most columns of a legend that fit into a width in inches."""
    for columns in range(len(labels), 1, -1):
        # matplotlib deals a legend's entries to its columns in the same way.
        parts = np.array_split(labels, columns)
        needed = sum(LETTER * max(map(len, part)) + HANDLE for part in parts)
        if needed < width:
            return columns
    return 1
