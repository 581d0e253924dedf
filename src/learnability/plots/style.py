"""How every figure looks: colours, markers, letters, sizes, in light and dark."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, final
from zlib import crc32

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

Theme = Literal["light", "dark"]

# Width in inches of a column of a two-column page.
COLUMN = 3.4
# Width in inches of a page's text.
PAGE = 7.0
# Widths in inches between which figures are drawn.
NARROWEST, WIDEST = 2.5, 12.0


class Ink(NamedTuple):
    """The colours of a theme that carry no data."""

    paper: str
    text: str
    quiet: str
    grid: str


@cache
def _sheet(name: str, *, whole: bool = False) -> dict[Any, Any]:
    """Return what a style sheet beside this module says, or all from defaults on."""
    file = Path(__file__).with_name(f"{name}.mplstyle")
    return dict(mpl.rc_params_from_file(file, True, whole))


LOOKS: tuple[Theme, ...] = ("light", "dark")
_SHEETS: dict[Theme, dict[Any, Any]] = {look: _sheet(look) for look in LOOKS}
_ROLES = ("figure.facecolor", "text.color", "axes.edgecolor", "grid.color")
INKS: dict[Theme, Ink] = {
    look: Ink(*(rc[role] for role in _ROLES)) for look, rc in _SHEETS.items()
}
PALETTE: dict[Theme, list[str]] = {
    look: rc["axes.prop_cycle"].by_key()["color"] for look, rc in _SHEETS.items()
}
MARKERS = ("o", "s", "D", "v", "P", "X", "p", "h")
Dash = str | tuple[float, tuple[float, ...]]
# Strokes of lines without marks; in grey print nothing else tells them apart.
DASHES: tuple[Dash, ...] = (
    "-",
    (0, (4.0, 1.6)),
    (0, (1.0, 1.2)),
    (0, (6.0, 1.4, 1.0, 1.4)),
    (0, (2.4, 1.0, 2.4, 3.0)),
)
# Points between the marks of neighbours, and at most between the first and last.
APART, FARTHEST = 1.6, 8.0
# Architectures with a place in the palette of their own, first places first.
KNOWN = ("ConstGate", "SharedGate", "DiagGate", "GRU", "LSTM")
# Those of this package that take a free place, as any other name does.
FURTHER = ("MinGRU", "MinLSTM", "DiagRNN", "RGLRU", "LRU", "S6", "SLSTM", "MLSTM")
FURTHER += ("GatedDeltaNet",)


@dataclass(frozen=True)
class Style:
    """How one architecture is drawn.

    Attributes:
        colour: a hexadecimal colour.
        marker: a matplotlib marker.
        member: place among the names given, by which a page switches it.
        aside: points by which its marks are moved, so that none hides another.
        cell: what gives the colour.
        rest: what tells it from others of its colour, such as an optimizer.
        dash: stroke of a line without marks, or with others of its colour.
    """

    colour: str
    marker: str
    member: int
    aside: float
    cell: str = ""
    rest: str = ""
    dash: Dash = "-"


def current_theme() -> Theme:
    """Return the theme in force: the caller's figures have light paper or dark."""
    return _theme_of(mpl.rcParams["figure.facecolor"])


def theme_of(made: Figure) -> Theme:
    """Return the theme that a figure was made in.

    Args:
        made: the figure.
    """
    return _theme_of(made.get_facecolor())


def _theme_of(paper: ColorType) -> Theme:
    *rgb, opacity = to_rgba(paper)
    # Paper that is seen through is most likely laid on white.
    return "dark" if opacity > 0 and sum(rgb) < 1.5 else "light"


def ink() -> Ink:
    """Return the colours of the theme in force that carry no data."""
    return INKS[current_theme()]


def styles(names: Iterable[str]) -> dict[str, Style]:
    """Return every architecture its colour and marker.

    They depend on the names, not on their order: the cells of this package have places
    of their own, others take free ones by a hash of their names. Of one cell with
    several optimizers, seeds or studies, ``GRU, sgd`` or ``A: GRU``, the colour is the
    cell's, marker and dash tell the rest.

    Args:
        names: of the architectures in a figure.

    Returns:
        A style a name.

    Example:
        >>> one, other = styles(["GRU", "LSTM"]), styles(["LSTM", "GRU"])
        >>> one["GRU"].colour == other["GRU"].colour
        True
    """
    shown = list(dict.fromkeys(names))
    palette = PALETTE[current_theme()]
    parted = {name: _parted(name) for name in shown}
    slots = _slots(list(dict.fromkeys(cell for cell, _ in parted.values())))
    order = sorted(shown, key=lambda name: (slots[parted[name][0]], name))
    rests = sorted({rest for _, rest in parted.values()})
    gap = min(APART, FARTHEST / max(len(shown), 1))
    found = {}
    for name, (cell, rest) in parted.items():
        slot = slots[cell]
        # Beyond the palette's end a colour comes again with another marker.
        marker = slot + slot // len(palette) if len(rests) == 1 else rests.index(rest)
        found[name] = Style(
            palette[slot % len(palette)],
            MARKERS[marker % len(MARKERS)],
            shown.index(name),
            (order.index(name) - (len(shown) - 1) / 2) * gap,
            cell,
            rest,
            DASHES[marker % len(DASHES)],
        )
    return found


def _parted(name: str) -> tuple[str, str]:
    """Part ``GRU, sgd`` or ``A: GRU`` into a cell of this package and the rest."""
    before, colon, after = name.partition(": ")
    study, whole = ([before], after) if colon else ([], name)
    cell, comma, rest = whole.partition(", ")
    if cell not in KNOWN + FURTHER:
        return name, ""
    return cell, ", ".join(study + [rest] * bool(comma))


def _slots(names: list[str]) -> dict[str, int]:
    """Return every name a slot of its own: colour and marker follow from it."""
    slots = {name: KNOWN.index(name) for name in names if name in KNOWN}
    strangers = sorted(set(names) - set(KNOWN))
    free = max(len(PALETTE["light"]), len(KNOWN) + len(strangers)) - len(KNOWN)
    for name in strangers:
        step = crc32(name.encode()) % free
        taken = set(slots.values())
        while len(KNOWN) + step in taken:
            step = (step + 1) % free
        slots[name] = len(KNOWN) + step
    return slots


@contextmanager
def theme(name: Theme) -> Iterator[None]:
    """Put a theme in force while figures are made and saved.

    Args:
        name: light or dark.

    Raises:
        ValueError: if there is no such theme.

    Example:
        >>> with theme("dark"):
        ...     current_theme()
        'dark'
    """
    if name not in INKS:
        raise ValueError(f"there is no theme {name!r}; choose {' or '.join(INKS)}")
    with mpl.rc_context(rc_parameters(name)):
        yield


def variables() -> dict[str, str]:
    """Return the name of the CSS variable of every colour of the light theme.

    Example:
        >>> variables()["#ffffff"]
        'paper'
    """
    light, _ = _colours().values()
    names = [*Ink._fields, *(f"c{place}" for place in range(len(PALETTE["light"])))]
    return dict(zip(light, names, strict=True))


def style_sheet() -> str:
    """Return the CSS that gives these variables their values, in light and dark."""
    names = variables().values()
    light, dark = (
        " ".join(f"--{n}: {c};" for n, c in zip(names, colours, strict=True))
        for colours in _colours().values()
    )
    screen = "@media screen and (prefers-color-scheme: dark)"
    return f":root {{ {light} }}\n{screen} {{ :root {{ {dark} }} }}\n"


def _colours() -> dict[Theme, list[str]]:
    """Return every colour of both themes, in the order of `variables`."""
    return {
        look: [colour.lower() for colour in (*INKS[look], *PALETTE[look])]
        for look in INKS
    }


def rc_parameters(name: Theme) -> dict[Any, Any]:
    """Return matplotlib's parameters of a theme, from matplotlib's defaults on.

    The caller's backend stays what it is.
    """
    kept = {"backend", "backend_fallback", "interactive", "toolbar", "webagg.port"}
    both = {k: v for k, v in _sheet("figures", whole=True).items() if k not in kept}
    return both | _SHEETS[name]


@final
class Shown(Figure):
    """A figure that a notebook shows by itself, though pyplot does not know it."""

    def _repr_png_(self) -> tuple[bytes, dict[str, float]]:
        from .files import rendered  # it takes this module's themes

        return rendered(self), {"width": self.get_figwidth() * self.get_dpi()}


def figure(
    panels: int, *, width: float = PAGE, height: float | None = None
) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels side by side, or stacked where it is narrow.

    Args:
        panels: how many.
        width: of the figure, in inches.
        height: of a panel, in inches; what suits its width unless given.

    Returns:
        The figure, which pyplot does not know, and its axes.

    Raises:
        ValueError: if there are no panels or the width is not above 0.
    """
    if panels < 1 or not width > 0:
        raise ValueError(
            f"{panels} panels in {width} inches make no figure; give at least one "
            "panel and a width above 0"
        )
    fit = max(1, round(width / 2.3))
    abreast = 2 if panels == 4 and fit > 1 else min(panels, fit)
    rows = -(-panels // abreast)
    single = height or (min(width, 5.0) * 0.64 if panels == 1 else 2.35)
    made = Shown(figsize=(width, single * rows + 0.3), layout="constrained")
    grid = made.subplots(rows, abreast, squeeze=False)
    every = list(grid.flat)
    for spare in every[panels:]:
        spare.remove()
    for ax in every[:panels]:
        _hold_ticks(ax)
    return made, every[:panels]


def _hold_ticks(ax: Axes) -> None:
    """Fix the look of ticks that are made when the figure is saved, maybe elsewhere."""
    _, text, quiet, grid = ink()
    ax.tick_params(
        which="both",
        color=quiet,
        labelcolor=text,
        labelsize=mpl.rcParams["xtick.labelsize"],
        grid_color=grid,
        grid_linewidth=mpl.rcParams["grid.linewidth"],
    )
