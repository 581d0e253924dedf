"""Figures as files, and as SVG that stands inside a page: the same drawing."""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Literal

import numpy as np
from markupsafe import Markup, escape
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ._parts import Group
from .style import theme, theme_of, variables

Format = Literal["png", "svg", "pdf"]

# What a writer would date; None leaves the date out.
UNDATED = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
# Numbers of 1 and more with more than two decimals: hundredths of a point do.
LONG = re.compile(r"(?<![\w#.])(-?[1-9]\d*\.\d\d)\d+")
# Of an SVG to an inch.
POINTS = 72


def rendered(figure: Figure, kind: Format = "png", *, dpi: float = 200) -> bytes:
    """Return a figure as the bytes of a file, without dates or versions in it.

    Of what belongs to numbers of sequences the largest is shown.

    Args:
        figure: what to render.
        kind: png, svg or pdf.
        dpi: dots an inch of a PNG.

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
    groups = _groups(figure)
    for artist, group in groups:
        if group.hit or group.budget not in (None, _largest(groups)):
            artist.set_visible(False)
    return _saved(figure, kind, dpi)


def _groups(figure: Figure) -> list[tuple[Artist, Group]]:
    """Return the artists of a figure that belong to lines or to a budget."""
    found = ((artist, Group.of(artist)) for artist in _artists(figure))
    return [(artist, group) for artist, group in found if group is not None]


def _artists(artist: Artist) -> Iterator[Artist]:
    """Yield an artist and all in it but ticks, which do not exist until it is drawn."""
    yield artist
    for part in artist.get_children():
        if not isinstance(part, Axis):
            yield from _artists(part)


def _largest(groups: list[tuple[Artist, Group]]) -> int:
    """Return the place of the largest number of sequences that something belongs to."""
    return max((group.budget or 0 for _, group in groups), default=0)


def _saved(figure: Figure, kind: Format, dpi: float) -> bytes:
    """Return a figure drawn once; `savefig` draws twice, first to lay it out."""
    place, canvas, before = BytesIO(), figure.canvas, figure.dpi
    # Ticks are made when a figure is rendered: the theme must still be in force.
    with theme(theme_of(figure)):
        figure.dpi = dpi
        match kind:
            case "png":
                FigureCanvasAgg(figure).print_png(place, metadata=UNDATED[kind])
            case "svg":
                FigureCanvasSVG(figure).print_svg(place, metadata=UNDATED[kind])
            case "pdf":
                FigureCanvasPdf(figure).print_pdf(place, metadata=UNDATED[kind])
    figure.set_canvas(canvas)
    figure.dpi = before
    content = place.getvalue()
    if kind != "svg":
        return content
    return LONG.sub(r"\1", content.decode()).encode()


def inline(figure: Figure, prefix: str, said: str) -> Markup:
    """Return a figure as SVG inside a page, whose script makes it live.

    Artists that belong to lines or to a number of sequences carry ``data-m`` and
    ``data-b``; points have circles with what is said of them; colours are the page's
    variables; names of parts begin with the prefix, so that none comes twice.

    Args:
        figure: drawn in the light theme.
        prefix: of all ids, different for every figure of a page.
        said: what the figure shows, for who cannot see it.
    """
    groups = _groups(figure)
    shown = _largest(groups)
    hits = [(artist, group) for artist, group in groups if group.hit]
    for hit, _ in hits:
        hit.set_visible(False)
    text = _saved(figure, "svg", 200).decode()
    marks = "".join(_marks(hit, group, shown) for hit, group in hits)
    body = text[text.index("<svg") : text.rindex("</svg>")]
    head, _, body = body.partition(">")
    box = re.search(r'viewBox="([^"]*)"', head)
    size = box[1] if box else "0 0 1 1"
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = _named(_coloured(body), prefix, shown)
    body = re.sub(r">\s+<", "><", body)
    return Markup(
        f'<svg class="plot" viewBox="{size}" role="img" '
        f'aria-label="{escape(said)}">{body.strip()}<g class="marks">{marks}</g></svg>'
    )


def _marks(hit: Any, group: Group, shown: int) -> str:
    """Return a circle per point of an invisible collection, with what is said of it."""
    figure = hit.get_figure(root=True)
    points = np.ma.filled(hit.get_offsets().astype(float), np.nan)
    places = hit.get_offset_transform().transform(points)
    scale, height = POINTS / figure.dpi, figure.get_figheight() * POINTS
    by_lag = hit.axes.get_xlabel().startswith("lag")
    circles = (
        f'<circle cx="{x * scale:.1f}" cy="{height - y * scale:.1f}" r="5"'
        + (f' data-l="{lag:g}"' if by_lag else "")
        + f' data-say="{escape(say)}"{_data(group, shown)}/>'
        for (x, y), (lag, _), say in zip(places, points, hit.get_urls(), strict=True)
        if np.isfinite([x, y]).all()
    )
    return "".join(circles)


def _data(group: Group, shown: int) -> str:
    """Return attributes that say what a part belongs to, and whether it is hidden."""
    found = f' data-m="{" ".join(map(str, group.members))}"' if group.members else ""
    if group.budget is not None:
        off = ' class="off"' if group.budget != shown else ""
        found += f' data-b="{group.budget}"{off}'
    return found


def _coloured(text: str) -> str:
    """Return an SVG whose colours are the page's variables, and whose letters too."""
    names = variables()
    colours = re.compile("|".join(names), re.IGNORECASE)
    text = colours.sub(lambda found: f"var(--{names[found[0].lower()]})", text)
    # Letters are those of the page around them.
    text = re.sub(r"font: (?:bold|700) ([\d.]+px)[^;\"]*", BOLD, text)
    text = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", text)
    return re.sub(r"font-family: [^;\"]*;? ?", "", text)


BOLD = r"font-size: \1; font-weight: 600"


def _named(text: str, prefix: str, shown: int) -> str:
    """Return an SVG whose ids are prefixed where something points at them, else gone.

    An id that says what an artist belongs to becomes data.
    """
    used = set(re.findall(r'(?:url\(#|xlink:href="#)([^)"]+)', text))

    def renamed(found: re.Match[str]) -> str:
        group = Group.read(found[1])
        if group is not None:
            return _data(group, shown)
        return f' id="{prefix}{found[1]}"' if found[1] in used else ""

    text = re.sub(r' id="([^"]*)"', renamed, text)
    return re.sub(r'(url\(#|xlink:href="#)', rf"\g<1>{prefix}", text)
