"""Every figure of a summary: what it found, and its panels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..summaries import Summary
from ..summaries.law import ESTIMATORS
from . import answer as answers
from . import envelope, findings, learning, tails
from . import windows as seen
from .legends import explained, legend
from .style import PAGE, Theme, figure, theme

Panel = Callable[[Axes], Axes]
SPECIAL = {"time_scales", "tail_index", "envelope_split", "law", "estimators"}


@dataclass(frozen=True)
class Picture:
    """One figure, drawn the same for a file and for a page.

    Attributes:
        name: of files and of its place on a page.
        title: what it found; a sentence per number of sequences where that decides.
        panels: what draws into axes, one per panel.
        special: whether it is for specialists.
        rows: lines that stand one below the other, which make it higher.
        further: marks that it has beside those that it always has, by name.
    """

    name: str
    title: tuple[str, ...]
    panels: Sequence[Panel]
    special: bool = False
    rows: int = 0
    further: Sequence[str] = ()

    def draw(self, *, width: float = PAGE) -> Figure:
        """Draw all panels under one legend, titled by what was found.

        Args:
            width: of the figure in inches.

        Returns:
            The figure, which pyplot does not know.
        """
        made, axes = figure(len(self.panels), width=width, height=self._height())
        for draw, ax in zip(self.panels, axes, strict=True):
            draw(ax)
        legend(made, explained(*axes), self.title[-1])
        return made

    def draw_panels(self, width: float) -> Iterator[Figure]:
        """Draw every panel as a figure of its own, for a page that lays them out.

        Args:
            width: of each in inches.
        """
        for draw in self.panels:
            made, (ax,) = figure(1, width=width, height=self._height())
            legend(made, explained(draw(ax)))
            yield made

    def _height(self) -> float | None:
        return 0.5 + 0.36 * self.rows if self.rows else None


def pictures(found: Summary) -> list[Picture]:
    """Return every figure whose results a summary holds.

    Args:
        found: of `summaries.summed`.
    """
    rows = max(len(found.reached), answers.FEWEST_ROWS)
    marks = {
        "asked": found.task_lags,
        "learnt": found.shares,
        "kept": answers.kept(found.progress),
    }
    further = {
        "answer": [name for name, there in marks.items() if there],
        "samples": ["asked"] * bool(found.task_lags),
        "noise_floor": ["asked"] * bool(found.task_lags),
        "learning": ["named"] * found.named + ["curves"] * bool(found.curves),
    }
    return [
        Picture(
            name,
            (title,) if isinstance(title, str) else title,
            panels,
            special=name in SPECIAL,
            rows=rows if name == "answer" else 0,
            further=further.get(name, ()),
        )
        for name, title, panels in _all(found)
    ]


Found = tuple[str, str | tuple[str, ...], list[Panel]]


def _all(found: Summary) -> Iterator[Found]:
    """Return name, title and panels of every figure that has a record."""
    n, told = found.n_sequences, findings
    asked = {"asked": found.task_lags}

    def of(draw: Any, tables: Any, **options: Any) -> Panel:
        return partial(draw, tables, names=found.names, **options)

    shares = found.shares
    yield (
        "answer",
        told.reached(found),
        [
            of(
                answers.answer,
                found.reached,
                shares=shares,
                progress=found.progress,
                **asked,
            )
        ],
    )
    yield "windows", told.grown(found), [of(seen.windows, found.windows, n_sequences=n)]
    need = of(seen.samples, found.samples, n_sequences=n, **asked)
    yield "samples", told.needed(found), [need]
    yield "envelope", told.left(found), [of(envelope.envelope, found.envelopes)]
    if found.floors:
        floors = of(seen.noise_floor, found.floors, **asked)
        yield "noise_floor", told.detected(found), [floors]
    if shares:
        errors = {"noise": found.noise, "named": found.named}
        curves = of(learning.curves, found.curves, **errors)
        panels = [of(learning.shares, shares), *[curves] * bool(found.curves)]
        yield "learning", told.learnt(found), panels
    if not found.tails:  # of no module is the equation known
        return
    units = [of(d, found.scales) for d in (envelope.beyond, envelope.density)]
    yield "time_scales", told.kept(found), units
    yield "tail_index", told.tails(found), [of(tails.tail_index, found.tails)]
    split = [of(envelope.split, found.split, column=c) for c in envelope.SHARES]
    yield "envelope_split", told.split(found), split
    if any(len(table) for table in found.laws.values()):
        both = [of(tails.law, found.laws, panel=side) for side in (1, 0)]
        yield "law", told.explained(found), both
    if every := found.estimators:
        apart = [of(tails.tail_index, every, estimator=e) for e in ESTIMATORS]
        gaps = of(tails.disagreement, every)
        yield "estimators", told.disagreed(found), [*apart, gaps]


def draw_all(found: Summary, *, width: float = PAGE) -> Iterator[tuple[str, Figure]]:
    """Draw every figure whose results a summary holds.

    Args:
        found: of `summaries.summed`.
        width: of the figures in inches.

    Yields:
        A figure's name and the figure, which pyplot does not know.
    """
    for picture in pictures(found):
        with theme("light"):
            made = picture.draw(width=width)
        yield picture.name, made


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
    with theme(look):
        return made[name].draw(width=width)


def monitor_figure(
    record: xr.Dataset,
    *,
    n_sequences: float | None = None,
    layer: str | None = None,
    width: float = PAGE,
) -> Figure:
    """Draw windows and envelopes over the training, a panel each.

    Args:
        record: of a `models.Monitor`.
        n_sequences: N of the windows; the largest unless given.
        layer: of the envelopes; all unless given.
        width: of the figure in inches.

    Returns:
        The figure, which pyplot does not know.
    """
    made, panels = figure(2, width=width)
    every = float(record["n_sequences"].max())
    wanted = every if n_sequences is None else n_sequences
    learning.windows_in_training(record, panels[0], n_sequences=[wanted])
    panels[0].set_ylabel(f"window in steps, N = {wanted:g}")
    learning.envelopes_in_training(record, panels[1], layer=layer)
    legend(made, explained(*panels), findings.moved(record, wanted))
    return made


def monitor_pictures(record: xr.Dataset) -> list[Picture]:
    """Return the figures of a training's history.

    Args:
        record: of a `Monitor`.
    """
    n_sequences = sorted(record["n_sequences"].values.tolist())
    windows = partial(learning.windows_in_training, record)
    envelopes = partial(learning.envelopes_in_training, record)
    titles = tuple(findings.moved(record, n) for n in n_sequences)
    return [
        Picture("history", titles, [windows]),
        Picture("fading", (findings.faded(record),), [envelopes]),
    ]
