"""One skeleton for all pages: templates, tables, figures, and what a page may run."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from ..plots import Picture, inline, theme
from ..plots.style import style_sheet
from ..words import number

# Width in inches of a panel on a page: legible on a phone, two abreast on a desk.
PANEL = 3.9
# Letters from which a cell of a table holds words rather than numbers.
LONG_CELL = 26

NAVIGATION = {
    "answer": "Answer",
    "figures": "By {by}",
    "lags": "Numbers",
    "meaning": "What the numbers mean",
    "again": "Run it again",
    "methods": "Methods",
}


@dataclass(frozen=True)
class Table:
    """Cells of a table on a page, the first columns of which name the rows.

    Attributes:
        columns: heads of the columns.
        rows: cells; what is no markup is escaped.
        caption: what it shows, for who cannot see it.
        heads: how many columns name a row.
        members: the line that each row belongs to, which a switch may hide.
        budgets: the number of sequences that each row belongs to, by its place.
        explained: whether heads of columns say what stands below them.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str
    heads: int = 1
    members: Sequence[int | None] = ()
    budgets: Sequence[int] = ()
    explained: bool = False

    @classmethod
    def of(cls, text: pd.DataFrame, caption: str, *, heads: int = 1) -> "Table":
        """Return a data frame as a table."""
        rows = text.astype(object).to_numpy().tolist()
        return cls(list(map(str, text.columns)), rows, caption, heads)

    def belongs(self, row: int) -> Markup:
        """Return attributes that say what a row belongs to, for switches."""
        found = Markup("")
        if len(self.members) and self.members[row] is not None:
            found += Markup(' data-m="{}"').format(self.members[row])
        if len(self.budgets):
            hidden = self.budgets[row] != max(self.budgets)
            found += in_budget(self.budgets[row], hidden)
        return found


def in_budget(place: int, hidden: bool) -> Markup:
    """Return attributes of what belongs to a number of sequences, by its place."""
    off = Markup(' class="off"' if hidden else "")
    return Markup(' data-b="{}"{}').format(place, off)


@dataclass(frozen=True)
class Shown:
    """A figure on a page.

    Attributes:
        name: its id.
        title: what it found, as markup.
        panels: SVG of every panel.
        caption: what it shows, and how to read it; the template's words of that name
            unless given.
        special: whether it is for specialists.
        further: what the caption says beside, by names among the template's words.
    """

    name: str
    title: Markup
    panels: Sequence[Markup]
    caption: str = ""
    special: bool = False
    further: Sequence[str] = ()


def shown(picture: Picture) -> Shown:
    """Return a figure as it stands in a page: every panel as SVG.

    Args:
        picture: of `plots.pictures`.
    """
    panels = []
    with theme("light"):
        for place, made in enumerate(picture.draw_panels(PANEL)):
            panels.append(inline(made, f"{picture.name}-{place}-", _axes(made)))
    name, title, further = picture.name, by_budget(picture.title), picture.further
    return Shown(name, title, panels, special=picture.special, further=further)


def _axes(made: Figure) -> str:
    """Say what a panel draws against what, for who cannot see it."""
    (ax,) = made.axes
    up = ax.get_ylabel() or "bars"
    return f"{ax.get_title(loc='left') or 'chart'}: {up} against {ax.get_xlabel()}"


def switches(
    names: Sequence[str], facets: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, list[int]]]:
    """Return the lines of every value that lines can be switched by.

    Args:
        names: of all lines.
        facets: values by name of facet, by name of line.

    Returns:
        Places of lines by value by facet; a facet of one value switches nothing.
    """
    found: dict[str, dict[str, list[int]]] = {}
    for member, name in enumerate(names):
        for facet, value in facets.get(name, {}).items():
            found.setdefault(facet, {}).setdefault(value, []).append(member)
    return {facet: values for facet, values in found.items() if len(values) > 1}


def by_budget(texts: Sequence[object]) -> Markup:
    """Return what holds for one number of sequences each, of which one is shown.

    Example:
        >>> by_budget(["a", "<b>"])
        Markup('<span data-b="0" class="off">a</span><span data-b="1">&lt;b&gt;</span>')
        >>> by_budget(["always"])
        Markup('always')
    """
    if len(set(texts)) == 1:
        return escape(texts[0])
    last = len(texts) - 1
    spans = (
        Markup("<span{}>{}</span>").format(in_budget(place, place < last), text)
        for place, text in enumerate(texts)
    )
    return Markup("").join(spans)


def page(
    *,
    budgets: Sequence[float],
    pictures: Iterable[Picture],
    by: str = "lag",
    named: bool = False,
    made: Sequence[object] = (),
    numbers: Table | None = None,
    more: Sequence[str] = (),
    **parts: Any,
) -> str:
    """Return the one form of page: of a study, a model, a comparison or a history.

    Args:
        budgets: numbers of sequences N, ascending.
        pictures: its figures; the first stands beside the answer.
        by: what its tables are over: lag or step.
        named: whether networks name things.
        made: what it takes to make it again.
        numbers: a table for specialists.
        more: sentences for specialists.
        parts: what else the template takes.
    """
    sections = {anchor: said.format(by=by) for anchor, said in NAVIGATION.items()}
    return render(
        "study.html",
        kicker="learnability report",
        navigation={k: v for k, v in sections.items() if made or k != "again"},
        budgets=[number(budget) for budget in budgets],
        figures=[shown(picture) for picture in pictures],
        by=by,
        named=named,
        made=made,
        numbers=numbers,
        more=more,
        **parts,
    )


def render(template: str, *, source: str | None = None, **parts: object) -> str:
    """Return a self-contained page; it loads nothing, and runs no script but its own.

    Args:
        template: name of a template beside this module, or of the source.
        source: text of a template that extends ``base.html``; the one of that name
            unless given.
        parts: what the template takes. ``title``, ``kicker`` and ``navigation`` (words
            by the id that they point to) at least.
    """
    made = _environment()
    found = made.get_template(template) if source is None else made.from_string(source)
    script = resource("page.js")
    raw = sha256(script.encode()).digest()
    fixed = {
        "colours": Markup(style_sheet()),
        "style": Markup(resource("page.css")),
        "script": Markup(script),
        "hash": f"'sha256-{b64encode(raw).decode()}'",
        "long_cell": LONG_CELL,
    }
    return found.render(**fixed, **parts) + "\n"


@cache
def _environment() -> Environment:
    return Environment(
        autoescape=True,
        loader=PackageLoader("learnability.report", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def resource(name: str) -> str:
    """Return the text of a file among the templates."""
    place = resources.files("learnability.report") / "templates" / name
    return place.read_text(encoding="utf-8")
