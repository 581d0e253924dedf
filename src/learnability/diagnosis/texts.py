"""A diagnosis as a text of a few lines, and as a card."""

import re
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..summaries.progress import progress
from ..words import steps
from .advice import answer
from .verdicts import stops

if TYPE_CHECKING:
    from .layer import LayerDiagnosis

LINES = 8  # of a text, at most

Layers = Mapping[str, "LayerDiagnosis"]


def text_of(layers: Layers, refused: Mapping[str, str] | None = None) -> str:
    """Return a diagnosis in at most eight lines: the answer for each layer.

    Args:
        layers: by name.
        refused: why others have none.
    """
    rows = [f"{name}: {answer(one)}" for name, one in layers.items()]
    rows += list((refused or {}).values())
    return "\n".join([_headline(layers), *shortened(rows, LINES - 1)])


def shortened(rows: list[str], most: int) -> list[str]:
    """Return at most so many rows, the last of which says how many are left out.

    Example:
        >>> shortened(["a", "b", "c"], 2)
        ['a', 'and 2 more']
    """
    if len(rows) <= most:
        return rows
    return [*rows[: most - 1], f"and {len(rows) - most + 1} more"]


def _headline(layers: Layers) -> str:
    attrs = next(iter(layers.values())).tree.attrs
    what = "1 layer" if len(layers) == 1 else f"{len(layers)} layers"
    counted = attrs.get("counted", "sequences")
    return (
        f"diagnosis of {what} on {attrs['sample']:,} {counted}, "
        f"up to {attrs['steps']:,} steps each"
    )


def card_of(layers: Layers, refused: Mapping[str, str] | None = None) -> str:
    """Return a diagnosis as HTML: the answer for each layer, then a table of windows.

    Args:
        layers: by name.
        refused: why others have none.
    """
    told = {name: stops(one) or answer(one) for name, one in layers.items()}
    said = [f"{name}: {what}" for name, what in (told | dict(refused or {})).items()]
    given = [one.tree.attrs["sequences"] for one in layers.values()]
    head = ("layer", f"seen with {given[0]:,} sequences", "kept", "learnt", "window")
    rows = [
        (name, *progress(one.tree).cells().values(), _window(one, count))
        for (name, one), count in zip(layers.items(), given, strict=True)
    ]
    body = "".join(_row("td", row) for row in rows)
    style = "text-align:left;vertical-align:top;padding:0.2em 0.8em 0.2em 0"
    table = f"<table><thead>{_row('th', head)}</thead><tbody>{body}</tbody></table>"
    table = table.replace("<td>", f"<td style='{style}'>")
    table = table.replace("<th>", f"<th style='{style}'>")
    answers = "".join(f"<p>{escape(one)}</p>" for one in said)
    answers = re.sub("`([^`<]+)`", r"<code>\1</code>", answers)
    return f"<div><p>{escape(_headline(layers))}</p>{answers}{table}</div>"


def _row(kind: str, cells: tuple[str, ...]) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(c)}</{kind}>" for c in cells) + "</tr>"


def _window(one: "LayerDiagnosis", count: float) -> str:
    row = one.window(count).iloc[0]
    if np.isnan(row["window"]):
        return "all learnt"
    mark = "at least " if row["censored"] else ""
    ends = f"{row['lower']:.0f} to {row['upper']:.0f}"
    return f"{mark}{steps(round(row['window']))} ({ends})"
