"""Figures: every one drawn once, for files and for pages.

`learnability.summaries.summed` makes the record that they draw. Each file of this
package has functions ``draw(records, axes) -> axes`` of one kind of figure, whose axes
know what their legend says; ``names`` are those of all lines of a page, of which a
figure may have some.
"""

from .files import inline, rendered
from .learning import envelopes_in_training, windows_in_training
from .legends import legend
from .pictures import (
    Picture,
    draw,
    draw_all,
    monitor_figure,
    monitor_pictures,
    pictures,
)
from .starts import starts
from .style import COLUMN, NARROWEST, PAGE, WIDEST, Theme, figure, theme

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
    "monitor_pictures",
    "pictures",
    "rendered",
    "starts",
    "theme",
    "windows_in_training",
]
