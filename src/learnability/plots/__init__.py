"""Figures: every one drawn once, for files and for pages.

`learnability.summaries.summed` makes the record that they draw; each file of this
package has functions ``draw(records, axes) -> axes`` of one kind of figure.
"""

from collections.abc import Iterator

import xarray as xr
from matplotlib.figure import Figure

from ..summaries import Summary
from .files import inline, rendered
from .legends import legend
from .monitor import envelopes_in_training, monitor_keys, windows_in_training
from .pictures import Picture, pictures
from .style import COLUMN, NARROWEST, PAGE, WIDEST, Theme, figure, theme


def draw_all(
    found: Summary, *, look: Theme = "light", width: float = PAGE
) -> Iterator[tuple[str, Figure]]:
    """Draw every figure whose results a summary holds.

    Args:
        found: of `summaries.summed`.
        look: light or dark.
        width: of the figures in inches.

    Yields:
        A figure's name and the figure, which pyplot does not know.

    Raises:
        ValueError: if there is no such look.
    """
    for picture in pictures(found):
        yield picture.name, _drawn(picture, look, width)


def draw(
    name: str, found: Summary, *, look: Theme = "light", width: float = PAGE
) -> Figure:
    """Draw one figure of a summary.

    Args:
        name: answer, samples, windows, envelope, learning, noise_floor, time_scales,
            tail_index, envelope_split, law or estimators.
        found: of `summaries.summed`.
        look: light or dark.
        width: of the figure in inches.

    Returns:
        The figure, which pyplot does not know.

    Raises:
        ValueError: if there is no such figure of these results, or no such look.
    """
    made = {picture.name: picture for picture in pictures(found)}
    if name not in made:
        raise ValueError(
            f"there is no figure {name!r} of these results; choose {', '.join(made)}"
        )
    return _drawn(made[name], look, width)


def _drawn(picture: Picture, look: Theme, width: float) -> Figure:
    with theme(look):
        return picture.draw(width=width)


def monitor_figure(
    record: xr.Dataset,
    *,
    budget: float | None = None,
    layer: str | None = None,
    width: float = PAGE,
) -> Figure:
    """Draw windows and envelopes over the training, a panel each.

    Args:
        record: of a `models.Monitor`.
        budget: N of the windows; the largest unless given.
        layer: of the envelopes; all unless given.
        width: of the figure in inches.

    Returns:
        The figure, which pyplot does not know.
    """
    made, panels = figure(2, width=width)
    wanted = float(record["budget"].max()) if budget is None else budget
    windows_in_training(record, panels[0], budgets=[wanted])
    panels[0].set_ylabel(f"window in steps, N = {wanted:g}")
    envelopes_in_training(record, panels[1], layer=layer)
    legend(made, monitor_keys(record, envelopes=True))
    return made


__all__ = [
    "COLUMN",
    "NARROWEST",
    "PAGE",
    "WIDEST",
    "Picture",
    "Theme",
    "draw",
    "draw_all",
    "envelopes_in_training",
    "figure",
    "inline",
    "legend",
    "monitor_figure",
    "monitor_keys",
    "pictures",
    "rendered",
    "theme",
    "windows_in_training",
]
