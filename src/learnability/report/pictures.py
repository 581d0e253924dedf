"""Figures inside a page: light and dark, wide and narrow, each as SVG."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from html import escape

from matplotlib.figure import Figure

from .. import plots
from ..diagnosis import Diagnosis
from ..plots.style import recoloured
from .across import Summed, drawn_across, drawn_apart, taken_apart
from .captions import ACROSS, ALONE, APART, CAPTIONS, LIVE, ON_SCREEN, Caption
from .limits import STILLS, Keep, Still, embedded, uri

DOTS = 150.0
"""Dots an inch of a still figure that would take too much as lines."""


def pictures_across(found: Summed, keep: Keep | None = None) -> list[str]:
    """Give every figure over seeds as an HTML figure that needs no other file.

    Where an interactive figure stands in on the screen, the still one is there for
    paper and for browsers without scripts: once, in light.

    Args:
        found: what the seeds have in common.
        keep: keeps the SVG of every still figure as a file of its own.

    Returns:
        An element a figure.
    """
    # One look a figure: with thousands of points four would make the page too large.
    elements = [
        _figure(ACROSS[name], name, list(found.groups), still)
        for name, still in _across(found, keep).items()
    ]
    elements.insert(1, _live_only("samples", CAPTIONS["samples"]))
    return elements


OVERLAID = ("windows_across", "envelope_across", "law", "estimators")


def pictures_overlaid(found: Summed, keep: Keep | None = None) -> list[str]:
    """Give the figures that show published runs over ours, as still ones.

    Args:
        found: what seeds have in common, the published runs among them.
        keep: as of `pictures_across`.

    Returns:
        An element a figure.
    """
    names = list(found.windows)
    kept = None if keep is None else lambda name, svg: keep(f"{name}_published", svg)
    return [
        _figure(
            Caption(
                f"{ACROSS[name].title}, with the published runs",
                f"{ACROSS[name].text} Published envelopes are first-order ones, "
                "divided by that of their shortest lag.",
            ),
            f"{name}_published",
            names,
            still,
        )
        for name, still in _across(found, kept, set(OVERLAID)).items()
    ]


def _across(
    found: Summed, keep: Keep | None, only: set[str] | None = None
) -> dict[str, Still]:
    """Give the figures over seeds, small enough for the page."""
    most = STILLS if only is None else STILLS // 4
    return _small(drawn_across(found, width=plots.PAGE, only=only), most, keep)


def _small(
    figures: Iterable[tuple[str, Figure]], most: int, keep: Keep | None
) -> dict[str, Still]:
    """Give figures as lines, or as pixels where lines take too much."""
    drawings, files = {}, {}
    for name, made in figures:
        svg = plots.rendered(made, "svg", outlined=True)
        if keep is not None:
            files[name] = keep(name, plots.rendered(made, "svg"))
        made.set_layout_engine("none")  # pixels have the same places as lines
        drawings[name] = (svg, partial(plots.rendered, made, dpi=DOTS))
    return embedded(drawings, most, files)


def _live_only(name: str, caption: Caption) -> str:
    return f"""<figure id="{name}" class="live-only">
<h3>{caption.title}</h3>
{_live_box(name, caption)}
<figcaption>{caption.text} Medians over seeds; this figure is on the screen
only.</figcaption>
</figure>"""


def pictures(
    runs: Mapping[str, Diagnosis], *, one_look: bool = False, keep: Keep | None = None
) -> list[str]:
    """Give every figure of the runs as an HTML figure that needs no other file.

    Args:
        runs: diagnoses by architecture.
        one_look: whether to leave out dark and narrow ones, and to draw the largest in
            pixels; for a page that would otherwise be too large, which says so first.
        keep: as of `pictures_across`.

    Returns:
        An element a figure.
    """
    if one_look:
        stills = _small(drawn_of(runs, plots.PAGE), STILLS, keep)
        return [ONE_LOOK] + [
            _figure((CAPTIONS | APART)[name], name, list(runs), still)
            for name, still in stills.items()
        ]
    wide, narrow = _drawn(runs, plots.PAGE, keep), _drawn(runs, plots.COLUMN)
    return [
        _figure((CAPTIONS | APART)[name], name, list(runs), Still(svg), narrow[name])
        for name, svg in wide.items()
    ]


ONE_LOOK = (
    '<p class="reduced">To keep this page small its still figures are there in one '
    "look, light and as wide as a page, on a phone and in the dark as well.</p>"
)


def _drawn(
    runs: Mapping[str, Diagnosis], width: float, keep: Keep | None = None
) -> dict[str, str]:
    """Give the figures of one width as light SVG; keep them with letters as text."""
    found = {}
    for name, made in drawn_of(runs, width):
        found[name] = plots.rendered(made, "svg", outlined=True).decode()
        if keep is not None:
            keep(name, plots.rendered(made, "svg"))
    return found


def drawn_of(
    runs: Mapping[str, Diagnosis],
    width: float = plots.PAGE,
    budgets: Sequence[float] = (10, 100, 1000),
) -> Iterator[tuple[str, Figure]]:
    """Draw every figure of single runs.

    Args:
        runs: diagnoses by architecture.
        width: of the figures in inches.
        budgets: numbers of sequences N, of which up to three get a noise floor.
    """
    yield from plots.draw_all(runs, width=width)
    parts = taken_apart({name: [run] for name, run in runs.items()}, budgets)
    yield from drawn_apart(parts, width=width)


def _uri(picture: str) -> str:
    is_address = picture.startswith("data:")
    return picture if is_address else uri("svg+xml", picture.encode())


def _figure(
    caption: Caption,
    name: str,
    cells: list[str],
    still: Still,
    narrow: str | None = None,
) -> str:
    described = f"{caption.title}, for {', '.join(cells)}. {caption.text}"
    live, (wide, said) = LIVE.get(name, name if name in CAPTIONS else None), still
    differs = ON_SCREEN.get(LIVE[name]) if name in LIVE else ALONE.get(name)
    if differs:
        said += f'<p class="reduced live-only">{differs}</p>'
    return figure_element(name, caption, described, wide, narrow, live=live, said=said)


def figure_element(
    name: str,
    caption: Caption,
    described: str,
    wide: str,
    narrow: str | None,
    *,
    live: str | None = None,
    said: str = "",
) -> str:
    """Give one figure as an HTML element that needs no other file.

    Args:
        name: its id on the page.
        caption: above and below it, HTML.
        described: what it shows, for who cannot see it.
        wide: light SVG at the width of a page; without a narrow one also the address
            of any picture.
        narrow: light SVG at the width of a column; without it there is one look only.
        live: the interactive figure that stands in on the screen, if there is one.
        said: HTML about what is missing of the picture, below it.
    """
    words = escape(described, quote=True)
    looks = {"wide light": wide}
    if narrow is not None:
        looks["wide dark"] = recoloured(wide)
        looks["narrow light"] = narrow
        looks["narrow dark"] = recoloured(narrow)
    # The style sheet shows one of them; on paper it is always the first, which a
    # choice among sources made for the screen would not grant.
    images = "\n".join(
        f'<img class="{look}" src="{_uri(svg)}" alt="{words}">'
        for look, svg in looks.items()
    )
    return f"""<figure id="{name}">
<h3>{caption.title}</h3>
{_live_box(live, caption) if live else ""}
{images}
{said}
<figcaption>{caption.text}</figcaption>
</figure>"""


def _live_box(live: str, caption: Caption) -> str:
    label = f"{caption.title}, interactive"
    return f'<div data-figure="{live}" role="group" aria-label="{label}"></div>'
