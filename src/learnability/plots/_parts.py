"""What figures share: lines with their intervals, axes, legends, notes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib import ticker
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import (
    ScaledTranslation,
    Transform,
    blended_transform_factory,
)

from .style import Style, ink, styles

Values = Float[np.ndarray, " value"]
Tables = Mapping[str, pd.DataFrame]
# Options of what matplotlib draws.
Look = dict[str, Any]

# Factor of room at the ends of a logarithmic axis.
ROOM = 1.25
# So many lags can each have a tick of their own.
FEW_LAGS = 6
# Inches beside a panel, of a tick's digit, and between two ticks.
MARGIN, DIGIT, GAP = 0.55, 0.067, 0.06
# Decades below which a logarithmic axis has room for ticks at 1, 2 and 5.
SHORT_AXIS = 2.6
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Group(NamedTuple):
    """What an artist belongs to, which switches of a page show and hide.

    Attributes:
        members: places of the lines among all names; empty for all of them.
        budget: place of the number of sequences among the budgets; None for all.
        hit: whether the artist only holds what is said of its points.
    """

    members: tuple[int, ...] = ()
    budget: int | None = None
    hit: bool = False

    def mark(self, artist: Artist) -> None:
        """Write the group into an artist, from where it goes into an SVG."""
        members = ",".join(map(str, self.members))
        budget = "" if self.budget is None else self.budget
        artist.set_gid(f"{'hit' if self.hit else 'of'}:{members}:{budget}")

    @classmethod
    def of(cls, artist: Artist) -> "Group | None":
        """Return the group of an artist, None if it has none."""
        return cls.read(artist.get_gid() or "")

    @classmethod
    def read(cls, written: str) -> "Group | None":
        """Return the group that `mark` has written, None if it is no such text.

        Example:
            >>> Group.read("of:0,2:1")
            Group(members=(0, 2), budget=1, hit=False)
        """
        kind, colon, rest = written.partition(":")
        if kind not in ("of", "hit") or not colon:
            return None
        members, _, budget = rest.partition(":")
        places = tuple(int(m) for m in members.split(",") if m)
        return cls(places, int(budget) if budget else None, kind == "hit")


def styled(tables: Mapping[str, Any], names: Sequence[str]) -> dict[str, Style]:
    """Return the styles of the lines of a figure.

    Args:
        tables: what the figure draws, by name of line.
        names: of all lines of a page, of which a figure may have some; those of the
            tables unless given.

    Raises:
        ValueError: if there is nothing to draw.
    """
    if not tables:
        raise ValueError("there are no runs to draw; give at least one diagnosis")
    found = styles(names or tables)
    return {name: found[name] for name in tables}


def series(
    ax: Axes,
    style: Style,
    x: Any,
    y: Any,
    *,
    ends: Sequence[Any] | None = None,
    band: bool = False,
    opened: Any = False,
    arrow: str = "^",
    says: Sequence[str] = (),
    budget: int | None = None,
    **look: Any,
) -> None:
    """Draw one line: its points, their intervals, and open marks where it is censored.

    Open marks are joined to nothing: what they stand for lies there or beyond.

    Args:
        ax: axes to draw into.
        style: of the line.
        x: places of the points.
        y: their values; what is not finite is left out.
        ends: lower and upper ends of intervals.
        band: whether intervals are a band, not bars.
        opened: which points are censored.
        arrow: the mark of those.
        says: what a page says of each point.
        budget: the number of sequences that the line belongs to, by its place.
        look: options of the line that joins the points.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    opened = np.broadcast_to(opened, y.shape).astype(bool)
    where = ax.transData if band else moved(ax, style)
    options: Look = {"color": style.colour, "marker": style.marker, **look}
    # Axes do not follow what is moved, even if by no more than points.
    ax.update_datalim(np.column_stack([x, y])[np.isfinite(y)])
    full = np.where(opened, np.nan, y)
    drawn: list[Artist] = list(ax.plot(x, full, transform=where, **options))
    if opened.any():
        mark: Look = {"ls": "", "mfc": ink().paper, "mec": style.colour}
        mark |= {"marker": arrow, "transform": where, "clip_on": False}
        drawn += ax.plot(x[opened], y[opened], **mark)
    if ends is not None:
        low, high = (np.asarray(end, float) for end in ends)
        seen = np.isfinite(y) & np.isfinite(low) & np.isfinite(high)
        of: Look = {"color": style.colour}
        if band:
            of |= {"where": seen, "alpha": 0.15, "lw": 0}
            drawn.append(ax.fill_between(x, low, high, **of))
        else:
            of |= {"lw": 1.0, "alpha": 0.55, "transform": where, "zorder": 1.9}
            drawn.append(ax.vlines(x[seen], low[seen], high[seen], **of))
    own(drawn, style, budget)
    if len(says):
        hits(ax, style, x, y, says, budget, where)


def own(artists: Iterable[Artist], style: Style, budget: int | None = None) -> None:
    """Say which line, and which number of sequences, artists belong to."""
    for artist in artists:
        Group((style.member,), budget).mark(artist)


def hits(
    ax: Axes,
    style: Style,
    x: Values,
    y: Values,
    says: Sequence[str],
    budget: int | None = None,
    where: Transform | None = None,
) -> None:
    """Lay invisible points over a line, which a page's read-out points to.

    Args:
        ax: axes to draw into.
        style: of the line.
        x: places of the points.
        y: their values.
        says: what is said of each; it stands in place of a link.
        budget: the number of sequences that they belong to, by its place.
        where: transform of the points; the data's unless given.
    """
    look: Look = {"s": 0, "facecolors": "none", "edgecolors": "none"}
    place = {"urls": list(says), "transform": where or ax.transData}
    found = ax.scatter(np.asarray(x, float), np.asarray(y, float), **look, **place)
    Group((style.member,), budget, hit=True).mark(found)
    found.set_in_layout(False)


def moved(ax: Axes, style: Style) -> Transform:
    """Return the data's transform, moved sideways by a few points.

    The data stay what the record says; only the ink moves.
    """
    return ax.transData + _aside(ax, style)


def beside(ax: Axes, style: Style) -> Transform:
    """Return a transform whose y runs from 0 to 1 over the axes, moved apart by run."""
    return blended_transform_factory(ax.transData, ax.transAxes) + _aside(ax, style)


def _aside(ax: Axes, style: Style) -> Transform:
    return ScaledTranslation(style.aside / 72, 0, whole_figure(ax).dpi_scale_trans)


def whole_figure(where: Axes | Figure) -> Figure:
    """Return the figure that axes belong to.

    Raises:
        ValueError: if the axes were removed from their figure.
    """
    made = where.get_figure(root=True)
    if made is None:
        raise ValueError("the axes belong to no figure; make new ones")
    return made


def plain_number(value: float, _: object = None) -> str:
    """Return a tick's number, as a power of ten where that is shorter.

    Example:
        >>> plain_number(0.01), plain_number(1e-12)
        ('0.01', '10⁻¹²')
    """
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:,.6g}"
    return f"10{str(round(np.log10(abs(value)))).translate(RAISED)}"


def lag_axis(ax: Axes, lags: Any) -> None:
    """Lay out the axis of lags, from the first to the last with a little room.

    Args:
        ax: axes to lay out.
        lags: in steps, or tables over them.
    """
    grid = lags_of(lags) if isinstance(lags, Mapping) else np.fromiter(lags, float)
    ax.set_xlabel("lag in steps")
    ax.set_xscale("log")
    ax.set_xlim(grid.min() / ROOM, grid.max() * ROOM)
    number_axis(ax.xaxis)
    marked, low, high = ax.xaxis.get_majorticklocs(), *ax.xaxis.get_view_interval()
    nearest = np.log10(high / low) / max(_room(ax.xaxis), 2)
    if grid.size <= FEW_LAGS:
        kept = _apart(grid, nearest)
        ax.xaxis.set_minor_locator(ticker.FixedLocator(grid.tolist()))
        ax.xaxis.set_minor_formatter(ticker.NullFormatter())
    else:
        kept = [t for t in marked if low <= t <= high]
        kept = [t for t in kept if abs(np.log10(grid.max() / t)) > nearest]
        kept.append(grid.max())
    ax.xaxis.set_major_locator(ticker.FixedLocator(kept))


def _apart(ticks: Iterable[float], nearest: float) -> list[float]:
    """Return the last tick and those before that have room for their numbers.

    Args:
        ticks: in any order.
        nearest: decades between two of them at the least.
    """
    kept: list[float] = []
    for tick in sorted(ticks, reverse=True):
        if not kept or np.log10(kept[-1] / tick) > nearest:
            kept.append(tick)
    return kept[::-1]


def number_axis(axis: Axis) -> None:
    """Mark a logarithmic axis with plain numbers, more of them where it is short."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    choices = [(1.0, 2.0, 5.0), (1.0, 3.0)] if decades < SHORT_AXIS else []
    fitting = (subs for subs in choices if decades * len(subs) < _room(axis))
    axis.set_major_locator(ticker.LogLocator(subs=next(fitting, (1.0,)), numticks=9))
    axis.set_major_formatter(ticker.FuncFormatter(plain_number))
    axis.set_minor_formatter(ticker.NullFormatter())


def _room(axis: Axis) -> float:
    """Return how many labels fit side by side; upright all do."""
    if axis is axis.axes.yaxis:
        return np.inf
    place = axis.axes.get_subplotspec()
    columns = 1 if place is None else place.get_gridspec().ncols
    room = whole_figure(axis.axes).get_figwidth() / columns - MARGIN
    longest = len(plain_number(axis.get_view_interval()[1]).split(".")[0])
    return room / (DIGIT * longest + GAP)


def epoch_axis(ax: Axes, last: int) -> None:
    """Mark whole epochs only; a single one keeps its place in the middle."""
    ax.set_xlim(0 if last < 2 else 1 - 0.03 * last, 2 if last < 2 else 1.03 * last)
    ax.xaxis.set_major_locator(ticker.MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.set_xlabel("epoch")


def lags_of(tables: Tables) -> Values:
    """Return the lags of tables over lags, sorted, each once."""
    grids = [np.asarray(table.index, float) for table in tables.values()]
    return np.unique(np.concatenate(grids))


def values(table: pd.DataFrame, column: str) -> list[tuple[Any, float]]:
    """Return a column of a table with its index, as plain values."""
    return list(zip(table.index.tolist(), table[column].tolist(), strict=True))


def columns(table: pd.DataFrame, *names: str) -> list[Values]:
    """Return the index of a table, and columns of it, as arrays of floats."""
    return [np.asarray(one, float) for one in (table.index, *(table[n] for n in names))]


def every(tables: Tables, *names: str) -> Values:
    """Return all values of tables, or of columns of theirs, in a row."""
    parts = (table[list(names)] if names else table for table in tables.values())
    return np.concatenate([part.to_numpy(float).ravel() for part in parts])


def task_lags(ax: Axes, lags: Iterable[float]) -> list[Line2D]:
    """Mark the lags that the task really has; return the legend's entry."""
    found = list(lags)
    look: Look = {"color": ink().quiet, "lw": 0.8, "ls": ":"}
    for lag in found:
        ax.axvline(lag, alpha=0.7, zorder=0.6, **look)
    return [Line2D([], [], label="lag with a dependency", **look)] if found else []


def level(ax: Axes, y: float, dash: str = ":") -> None:
    """Draw a level that lines are compared to."""
    ax.axhline(y, color=ink().quiet, lw=0.8, ls=dash, zorder=0.6)


def note(ax: Axes, text: str) -> None:
    """Say in a panel why nothing or little is to be seen there."""
    box = {"fc": ink().paper, "ec": "none", "alpha": 0.85, "pad": 2}
    place: Look = {"ha": "center", "va": "center", "linespacing": 1.4}
    ax.text(0.5, 0.5, text, transform=ax.transAxes, bbox=box, zorder=5, **place)


def remark(ax: Axes, text: str) -> None:
    """Say in a lower corner of a panel what it leaves out."""
    place: Look = {"ha": "right", "va": "bottom", "transform": ax.transAxes}
    ax.text(0.99, 0.015, text, fontsize=7, color=ink().quiet, **place)
