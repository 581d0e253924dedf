"""Every figure of a summary: what it found, what it shows, its panels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..summaries import ESTIMATORS, Summary
from . import envelope, findings, law, learning, samples, tail_index, time_scales
from . import windows as seen
from ._parts import keys, legend, styled
from .style import PAGE, figure

Panel = tuple[Callable[[Axes], Axes], Callable[[], list[Line2D]]]

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
"""What each figure shows, and how to read it."""
UNLEARNT = CAPTIONS["answer"].partition(" Dotted")[0]
"""What the answer's figure shows where nothing is known of what was learnt."""


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
    shown = {
        name: (title, panels)
        for name, title, panels in _all(found)
        if panels and title is not None
    }
    special = list(CAPTIONS)[list(CAPTIONS).index("learning") + 1 :]
    return [
        Picture(
            name,
            (title,) if isinstance(title, str) else tuple(title),
            caption if name != "answer" or found.shares else UNLEARNT,
            shown[name][1],
            special=name in special,
            rows=max(len(found.reached), seen.FEWEST_ROWS) if name == "answer" else 0,
        )
        for name, caption in CAPTIONS.items()
        if name in shown
        for title in [shown[name][0]]
    ]


def _all(found: Summary) -> Iterator[tuple[str, Any, list[Panel]]]:
    """Return name, title and panels of every figure that has a record."""

    def panel(draw: Any, entries: Any, tables: Any, *marks: Any, **options: Any) -> Any:
        """Return what draws tables, and what returns their legend's entries."""
        names = found.names
        return (
            lambda ax: draw(tables, ax, names=names, **options),
            lambda: entries(tables, *marks, names=names),
        )

    asked, budgets = found.task_lags, found.budgets
    yield (
        "answer",
        findings.reached(found),
        [
            (
                lambda ax: seen.answer(
                    found.reached,
                    ax,
                    shares=found.shares,
                    asked=asked,
                    names=found.names,
                ),
                lambda: seen.answer_keys(found.reached, found.shares, asked),
            )
        ],
    )
    yield (
        "samples",
        findings.needed(found),
        [
            panel(
                samples.samples,
                samples.sample_keys,
                found.samples,
                asked,
                budgets=budgets,
                asked=asked,
            )
        ],
    )
    yield (
        "windows",
        findings.grown(found),
        [panel(seen.windows, seen.window_keys, found.windows, budgets=budgets)],
    )
    f = panel(envelope.envelope, envelope.envelope_keys, found.envelopes, "mean")
    yield "envelope", findings.left(found), [f]
    if found.floors:
        floors = panel(
            samples.noise_floor, samples.floor_keys, found.floors, asked=asked
        )
        yield "noise_floor", findings.detected(found), [floors]
    if found.shares:
        learnt = [panel(learning.shares, _plain, found.shares)]
        if found.curves:
            draw, entries = learning.curves, learning.curve_keys
            noise = found.noise
            learnt += [panel(draw, entries, found.curves, noise, noise=noise)]
        yield "learning", findings.learnt(found), learnt
    units = [
        panel(draw, time_scales.scale_keys, found.scales)
        for draw in (time_scales.beyond, time_scales.density)
    ]
    yield "time_scales", findings.kept(found), units
    tails = panel(tail_index.tail_index, tail_index.tail_keys, found.tails, None)
    yield "tail_index", findings.tails(found), [tails]
    split = [
        panel(envelope.split, envelope.envelope_keys, found.split, name, column=name)
        for name in envelope.SHARES
    ]
    yield "envelope_split", findings.split(found), split
    if any(len(table) for table in found.laws.values()):
        both = [panel(law.law, law.law_keys, found.laws, panel=side) for side in (1, 0)]
        yield "law", findings.explained(found), both
    if found.estimators:
        every = [
            panel(
                tail_index.tail_index,
                tail_index.tail_keys,
                found.estimators,
                name,
                estimator=name,
            )
            for name in ESTIMATORS
        ]
        every.append(panel(tail_index.disagreement, _plain, found.estimators))
        yield "estimators", findings.disagreed(found), every


def _plain(tables: Any, names: Sequence[str]) -> list[Line2D]:
    """Return the legend's entries of lines alone."""
    return keys(styled(tables, names))
