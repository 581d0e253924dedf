"""Figures of diagnoses: a function a figure, and all of them by name."""

from collections.abc import Callable, Iterator

from matplotlib.figure import Figure

from ._parts import Runs
from .envelope import envelope, envelope_figure
from .files import rendered
from .learning import learning, learning_figure, learnt_shares
from .monitor import envelopes_in_training, monitor_figure, windows_in_training
from .samples import sample_figure, samples
from .style import COLUMN, NARROWEST, PAGE, WIDEST, Theme, theme
from .tail_index import tail_figure, tail_index
from .time_scales import time_scale_figure, time_scales
from .windows import window_figure, windows

FIGURES: dict[str, Callable[..., Figure]] = {
    "windows": window_figure,
    "samples": sample_figure,
    "envelope": envelope_figure,
    "time_scales": time_scale_figure,
    "tail_index": tail_figure,
    "learning": learning_figure,
}
"""What every study draws, by name: ``function(runs, width=...) -> Figure``."""

GROUPS = {
    "windows": "detection",
    "samples": "detection",
    "envelope": "envelope",
    "time_scales": "time_scales",
    "tail_index": "evidence",
    "learning": "training",
}
"""The group of results that each figure draws."""


def draw_all(
    runs: Runs, *, look: Theme = "light", width: float = PAGE
) -> Iterator[tuple[str, Figure]]:
    """Draw every figure whose results the runs hold.

    Args:
        runs: diagnoses by architecture.
        look: light or dark.
        width: of the figures in inches.

    Yields:
        A figure's name and the figure, which pyplot does not know.

    Raises:
        ValueError: if there are no runs, or no such look.
    """
    if not runs:
        raise ValueError("there are no runs to draw; give at least one diagnosis")
    for name, draw in FIGURES.items():
        if any(GROUPS[name] in run.tree.children for run in runs.values()):
            with theme(look):
                made = draw(runs, width=width)
            yield name, made


__all__ = [
    "COLUMN",
    "FIGURES",
    "GROUPS",
    "NARROWEST",
    "PAGE",
    "WIDEST",
    "draw_all",
    "envelope",
    "envelope_figure",
    "envelopes_in_training",
    "learning",
    "learning_figure",
    "learnt_shares",
    "monitor_figure",
    "rendered",
    "sample_figure",
    "samples",
    "tail_figure",
    "tail_index",
    "theme",
    "time_scale_figure",
    "time_scales",
    "window_figure",
    "windows",
    "windows_in_training",
]
