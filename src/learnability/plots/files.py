"""Figures as bytes: the same figure gives the same bytes."""

import re
from io import BytesIO
from typing import Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from .style import rc_parameters, theme, theme_of

Format = Literal["png", "svg", "pdf"]

# What a writer would date; None leaves the date out.
UNDATED = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


LONG = re.compile(rb"(?<![\w#.])(-?[1-9]\d*\.\d\d)\d+")
"""Numbers of 1 and more with more than two decimals: hundredths of a point do."""


def rendered(
    figure: Figure,
    kind: Format = "png",
    *,
    dpi: float | None = None,
    outlined: bool = False,
) -> bytes:
    """Give a figure as the bytes of a file, without dates or versions in it.

    Args:
        figure: what to render.
        kind: png, svg or pdf.
        dpi: dots an inch of a PNG; 200 unless given.
        outlined: whether an SVG's letters are lines, the same wherever it is shown;
            else they are text that can be searched and edited.

    Returns:
        The file's content, the same for the same figure.

    Raises:
        ValueError: if there is no such kind.

    Example:
        >>> from learnability.plots.style import figure
        >>> rendered(figure(1)[0])[1:4]
        b'PNG'
    """
    if kind not in UNDATED:
        raise ValueError(f"there is no kind {kind!r}; choose {', '.join(UNDATED)}")
    place = BytesIO()
    dots = rc_parameters("light")["savefig.dpi"] if dpi is None else dpi
    # Ticks are made when a figure is rendered: the theme must still be in force.
    letters = "path" if outlined else "none"
    with theme(theme_of(figure)), mpl.rc_context({"svg.fonttype": letters}):
        figure.savefig(
            place,
            format=kind,
            metadata=UNDATED[kind],
            dpi=dots,
            facecolor=figure.get_facecolor(),
        )
    content = place.getvalue()
    return LONG.sub(rb"\1", content) if kind == "svg" else content
