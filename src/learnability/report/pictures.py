"""Figures inside a page: light and dark, wide and narrow, each as SVG."""

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from typing import NamedTuple

from .. import plots
from ..diagnosis import Diagnosis
from ..plots.style import recoloured


class Caption(NamedTuple):
    """What a figure shows, and how to read it."""

    title: str
    text: str


CAPTIONS = {
    "windows": Caption(
        "Window against number of sequences",
        "How far back N sequences let a network see: the longest lag up to which every "
        "measured lag is detected. Bands are intervals. Lines end at the longest lag "
        "measured; open arrows say that the window lies there or beyond.",
    ),
    "samples": Caption(
        "Sequences needed at each lag",
        "N(l), the number of sequences in whose gradient a dependency at lag l shows, "
        "with its interval. An open arrow stands where a lag is not resolved: the "
        "diagnosis saw no signal there and can only say that N(l) is at least this.",
    ),
    "envelope": Caption(
        "What of a perturbation arrives",
        "f(l)/f(0), the mean size of what a perturbation l steps ago still does, with "
        "its standard error, in three scalings: the one in which it is a straight line "
        "names the kind of decay.",
    ),
    "time_scales": Caption(
        "Time scales of the units",
        "Which share of the units decays at least as slowly as tau, each unit by "
        "itself. Broad spectra and few slow units make long tails.",
    ),
    "tail_index": Caption(
        "Tail index of the gradient",
        "alpha of the stable law fitted to the lag's part of the gradient, with its "
        "interval. 2 is Gaussian; the lower, the heavier the tails.",
    ),
    "learning": Caption(
        "Training, and what was learnt",
        "Mean square error by epoch (validation strong, training thin, noise that no "
        "network can predict dashed) and the share of each lag of the task in the "
        "prediction: 1 is all of it, from 1/2 on it counts as learnt.",
    ),
}


def pictures(runs: Mapping[str, Diagnosis]) -> list[str]:
    """Give every figure of the runs as an HTML figure that needs no other file.

    Args:
        runs: diagnoses by architecture.

    Returns:
        An element a figure.
    """
    wide, narrow = _drawn(runs, plots.PAGE), _drawn(runs, plots.COLUMN)
    return [_figure(name, list(runs), wide[name], narrow[name]) for name in wide]


def _drawn(runs: Mapping[str, Diagnosis], width: float) -> dict[str, str]:
    """Give the figures of one width as light SVG."""
    return {
        name: plots.rendered(made, "svg").decode()
        for name, made in plots.draw_all(runs, width=width)
    }


def _uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()


def _figure(name: str, cells: list[str], wide: str, narrow: str) -> str:
    title, text = CAPTIONS[name]
    described = f"{title}, for {', '.join(cells)}. {text}"
    return figure_element(name, Caption(title, text), described, wide, narrow)


def figure_element(
    name: str, caption: Caption, described: str, wide: str, narrow: str
) -> str:
    """Give one figure in four looks as an HTML element that needs no other file.

    Args:
        name: its id on the page.
        caption: above and below it, HTML.
        described: what it shows, for who cannot see it.
        wide: light SVG at the width of a page.
        narrow: light SVG at the width of a column.
    """
    words = escape(described, quote=True)
    looks = {
        "wide light": wide,
        "wide dark": recoloured(wide),
        "narrow light": narrow,
        "narrow dark": recoloured(narrow),
    }
    # The style sheet shows one of the four; on paper it is always the first, which a
    # choice among sources made for the screen would not grant.
    images = "\n".join(
        f'<img class="{look}" src="{_uri(svg)}" alt="{words}">'
        for look, svg in looks.items()
    )
    return f"""<figure id="{name}">
<h3>{caption.title}</h3>
{images}
<figcaption>{caption.text}</figcaption>
</figure>"""
