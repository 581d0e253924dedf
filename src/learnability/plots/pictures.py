"""Every figure of a summary: what it found, what it shows, its panels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..summaries import ESTIMATORS, Summary
from . import envelope, findings, law, learning, samples, tail_index, time_scales
from . import windows as seen
from ._parts import styled
from .legends import keys, legend
from .style import PAGE, figure

Panel = tuple[Callable[[Axes], Axes], Callable[[], list[Line2D]]]

# What each figure shows, and how to read it.
CAPTIONS = {
    "answer": (
        "A bar reaches as far back as the gradient of so many sequences shows a "
        "dependency, the dark line is its interval. Dotted lines are the task's own "
        "lags; full circles were learnt, open ones not."
    ),
    "windows": (
        "How far back N sequences let a network see: the longest lag up to which "
        "every measured lag is detected, with its interval. Open arrows: the window "
        "reaches the longest lag measured, and lies there or beyond. The dotted line "
        "is the number of sequences chosen above."
    ),
    "samples": (
        "The number of sequences in whose mean gradient a dependency at a lag shows, "
        "with its interval; what lies below the dotted line is seen with the number "
        "chosen above. One sequence is the least there is: what would need less "
        "stands at 1. Open arrows: not resolved, at least this many."
    ),
    "envelope": (
        "The mean size of what a perturbation of the state l steps ago still does, "
        "with its interval (over several seeds a deviation). On these axes a power "
        "law is a straight line, an exponential bends down. The dashed line is the "
        "likeliest decay of four kinds."
    ),
    "noise_floor": (
        "What a dependency at a lag adds to the mean gradient, and dashed the least "
        "that so many sequences detect. Open arrows: not resolved, at most this."
    ),
    "learning": (
        "The share of each lag of the task in the prediction: 1 is all of it, from "
        "1/2 on, in every seed, it counts as learnt. Beside it the errors by epoch, "
        "and as a dashed line the noise that no network can predict."
    ),
    "time_scales": (
        "How long a single unit keeps what it holds, left to itself: the share of the "
        "units with at least that time scale, and their density in the logarithm."
    ),
    "tail_index": (
        "alpha of the stable law fitted to the lag's part of the gradient, with its "
        "interval (medians over seeds). 2 is Gaussian; the lower, the heavier the "
        "tails."
    ),
    "envelope_split": (
        "f(l)/f(0) as the gates alone let it through, as the whole network does, and "
        "weighted by the step sizes of the optimizer. Lines are missing in the last "
        "where the initial weights were the best of a training, so that its optimizer "
        "had made no step."
    ),
    "law": (
        "Only log σ/|m| against −log f can confirm that the envelope decides. log N "
        "against −κ̂ log f, as it is often shown, holds the same estimate on both "
        "axes, so that independent numbers make a line as well. Open arrows are lower "
        "ends."
    ),
    "estimators": (
        "alpha by three estimators, means over seeds with a deviation, and their "
        "largest difference: where they disagree trust no alpha."
    ),
}
# What the answer's figure shows where nothing is known of what was learnt.
UNLEARNT = CAPTIONS["answer"].partition(" Dotted")[0]


@dataclass(frozen=True)
class Picture:
    """One figure, drawn the same for a file and for a page.

    Attributes:
        name: of files and of its place on a page.
        title: what it found; a sentence per number of sequences where that decides.
        caption: what it shows, and how to read it.
        panels: what draws into axes, one per panel, each with its legend's entries.
        special: whether it is for specialists.
        rows: lines that stand one below the other, which make it higher.
    """

    name: str
    title: tuple[str, ...]
    caption: str
    panels: Sequence[Panel]
    special: bool = False
    rows: int = 0

    def draw(self, *, width: float = PAGE) -> Figure:
        """Draw all panels under one legend, titled by what was found.

        Args:
            width: of the figure in inches.

        Returns:
            The figure, which pyplot does not know.
        """
        made, panels = figure(len(self.panels), width=width, height=self._height())
        for ax, (draw, _) in zip(panels, self.panels, strict=True):
            draw(ax)
        entries = {str(k.get_label()): k for _, of in self.panels for k in of()}
        legend(made, list(entries.values()), self.title[-1])
        return made

    def draw_panels(self, width: float) -> Iterator[Figure]:
        """Draw every panel as a figure of its own, for a page that lays them out.

        Args:
            width: of each in inches.
        """
        for draw, of in self.panels:
            made, (ax,) = figure(1, width=width, height=self._height())
            draw(ax)
            legend(made, of())
            yield made

    def _height(self) -> float | None:
        return 0.5 + 0.36 * self.rows if self.rows else None


def pictures(found: Summary) -> list[Picture]:
    """Return every figure whose results a summary holds.

    Args:
        found: of `summaries.summed`.
    """
    special = {name for name, *_ in _special(found)}
    order, rows = list(CAPTIONS), max(len(found.reached), seen.FEWEST_ROWS)
    made = [
        Picture(
            name,
            (title,) if isinstance(title, str) else title,
            UNLEARNT if name == "answer" and not found.shares else CAPTIONS[name],
            panels,
            special=name in special,
            rows=rows if name == "answer" else 0,
        )
        for name, title, panels in _all(found)
    ]
    return sorted(made, key=lambda picture: order.index(picture.name))


Found = tuple[str, str | tuple[str, ...], list[Panel]]


def _all(found: Summary) -> Iterator[Found]:
    """Return name, title and panels of every figure that has a record."""
    asked, n = found.task_lags, found.budgets
    told = findings

    def answer(ax: Axes) -> Axes:
        options = {"shares": found.shares, "asked": asked, "names": found.names}
        return seen.answer(found.reached, ax, **options)

    entries = partial(seen.answer_keys, found.reached, found.shares, asked)
    yield "answer", told.reached(found), [(answer, entries)]
    of = partial(_panel, found)
    need = of(found.samples, samples.samples, asked, budgets=n, asked=asked)
    yield "samples", told.needed(found), [need]
    grown = of(found.windows, seen.windows, budgets=n)
    yield "windows", told.grown(found), [grown]
    f = of(found.envelopes, envelope.envelope, "mean")
    yield "envelope", told.left(found), [f]
    if found.floors:
        floors = of(found.floors, samples.noise_floor, asked=asked)
        yield "noise_floor", told.detected(found), [floors]
    if found.shares:
        noise = found.noise
        curves = of(found.curves, learning.curves, noise, noise=noise)
        shares = of(found.shares, learning.shares)
        yield "learning", told.learnt(found), [shares, *[curves] * bool(found.curves)]
    yield from _special(found)


def _special(found: Summary) -> Iterator[Found]:
    """Return name, title and panels of the figures for specialists."""
    of, told = partial(_panel, found), findings
    if not found.tails:  # of no module is the equation known
        return
    units = [of(found.scales, d) for d in (time_scales.beyond, time_scales.density)]
    yield "time_scales", told.kept(found), units
    alpha = tail_index.tail_index
    yield "tail_index", told.tails(found), [of(found.tails, alpha, None)]
    split = [of(found.split, envelope.split, c, column=c) for c in envelope.SHARES]
    yield "envelope_split", told.split(found), split
    if any(len(table) for table in found.laws.values()):
        both = [of(found.laws, law.law, panel=side) for side in (1, 0)]
        yield "law", told.explained(found), both
    if found.estimators:
        every = [of(found.estimators, alpha, e, estimator=e) for e in ESTIMATORS]
        gaps = of(found.estimators, tail_index.disagreement)
        yield "estimators", told.disagreed(found), [*every, gaps]


def _panel(
    found: Summary, tables: Any, draw: Any, *marks: Any, **options: Any
) -> Panel:
    """Return what draws tables, and what returns their legend's entries."""
    names, entries = found.names, ENTRIES.get(draw, _plain)
    return (
        lambda ax: draw(tables, ax, names=names, **options),
        lambda: entries(tables, *marks, names=names),
    )


def _plain(tables: Any, names: Sequence[str]) -> list[Line2D]:
    """Return the legend's entries of lines alone."""
    return keys(styled(tables, names))


# What returns the legend's entries of each kind of panel, where there is more to say
# than the names of its lines.
ENTRIES: dict[Any, Any] = {
    samples.samples: samples.sample_keys,
    seen.windows: seen.window_keys,
    envelope.envelope: envelope.envelope_keys,
    envelope.split: envelope.envelope_keys,
    samples.noise_floor: samples.floor_keys,
    learning.curves: learning.curve_keys,
    time_scales.beyond: time_scales.scale_keys,
    time_scales.density: time_scales.scale_keys,
    tail_index.tail_index: tail_index.tail_keys,
    law.law: law.law_keys,
}
