"""Tables as HTML: of a study, and by lag."""

from collections.abc import Mapping
from html import escape

import pandas as pd

from ..diagnosis import Diagnosis
from .limits import ROWS, each, kept
from .words import short

LONG_CELL = 26
"""Letters from which a cell of a table holds words rather than numbers."""
HINTS = {
    "R²": "Share of the targets' variance that the network predicts; 1 is all of it.",
    "time scale": "Steps for which a single unit keeps what it holds: median, and the "
    "range from the lowest to the highest tenth of the units.",
    "decay": "Kind of curve along which the effect of a perturbation falls with lag, "
    "and its share of the evidence among five kinds.",
    "alpha": "Tail index of the gradient: 2 is Gaussian, lower means rarer and larger "
    "outliers.",
    "H at N": "Window: how many steps back a dependency shows in the gradient of N "
    "sequences, with its interval. ≥: the longest lag measured is reached.",
    "f(l)/f(0)": "What is left of a perturbation after l steps.",
    "N(l)": "Sequences that the gradient must average before lag l shows.",
    "resolved": "Whether the diagnosis tells the lag's signal from none.",
}
"""What a column holds, in the words of a hover; further down the page says more."""


def html_table(text: pd.DataFrame, caption: str, *, heads: int = 1) -> str:
    """Give a table of HTML whose first columns name the rows.

    Args:
        text: the cells.
        caption: what it shows, for who cannot see it.
        heads: how many columns name a row.
    """
    head = "".join(map(_head, map(str, text.columns)))
    body = []
    for values in text.itertuples(index=False):
        row = [str(value) for value in values]
        named = (
            f'<th scope="row"><bdi>{escape(name)}</bdi></th>' for name in row[:heads]
        )
        body.append(f"<tr>{''.join([*named, *map(_cell, row[heads:])])}</tr>")
    # A box that scrolls must take the keyboard's focus.
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" '
        f'tabindex="0"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{chr(10).join(body)}</tbody></table></div>"
    )


def _head(column: str) -> str:
    """Give the head of a column, with a hint for the mouse."""
    hint = next((text for start, text in HINTS.items() if column.startswith(start)), "")
    title = f' title="{escape(hint, quote=True)}"' if hint else ""
    return f'<th scope="col"{title}>{escape(column)}</th>'


def _cell(value: str) -> str:
    """Give a table's cell; numbers keep to one line, words may take more."""
    kind = ' class="words"' if len(value) > LONG_CELL else ""
    return f"<td{kind}>{escape(value)}</td>"


def all_by_lag(runs: Mapping[str, Diagnosis]) -> str:
    """Give the summaries of all diagnoses, of so many lags as the page can hold.

    Args:
        runs: diagnoses by label.
    """
    counts = [run.group("evidence").sizes["lag"] for run in runs.values()]
    most = each(counts, ROWS)
    tables = [_by_lag(name, run, most) for name, run in runs.items()]
    if max(counts) > most:
        tables.insert(
            0,
            f"<p>To keep this page small the tables show {most} of up to {max(counts)} "
            "lags; <code>learnability export</code> writes all of them.</p>",
        )
    return "\n".join(tables)


def _by_lag(name: str, run: Diagnosis, most: int) -> str:
    """Give the summary of one diagnosis, folded away."""
    rows = run.summary()
    rows = rows.iloc[kept(len(rows), most)]
    text = pd.DataFrame(
        {
            "lag": [str(lag) for lag in rows.index],
            "f(l)/f(0)": [short(v) for v in rows["envelope"]],
            "its error": [short(v, 2) for v in rows["envelope_error"]],
            "alpha": _with_ends(rows, "alpha", "alpha_lower", "alpha_upper"),
            "N(l)": _with_ends(
                rows, "samples_needed", "samples_lower", "samples_upper"
            ),
            "resolved": ["yes" if r else "no" for r in rows["resolved"]],
        }
    )
    shown = escape(name)
    return (
        f"<details><summary><bdi>{shown}</bdi></summary>"
        f"{html_table(text, f'numbers of {name}, by lag')}</details>"
    )


def _with_ends(rows: pd.DataFrame, middle: str, low: str, high: str) -> list[str]:
    values = zip(rows[middle], rows[low], rows[high], strict=True)
    return [f"{short(m)} ({short(a)} to {short(b)})" for m, a, b in values]
