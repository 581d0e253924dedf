"""The tables that commands print."""

import os
from collections.abc import Iterable, Mapping

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..diagnosis import LayerDiagnosis
from ..study.settings import Settings
from ..study.store import Store

# Columns of a table where nothing says how many there are, as in a file.
WIDE = 160


def wide_console() -> Console:
    """Return a console as wide as the terminal, or as ``COLUMNS`` says."""
    console = Console()
    return (
        console
        if console.is_terminal or "COLUMNS" in os.environ
        else Console(width=WIDE)
    )


def print_table(
    head: Iterable[str], rows: Iterable[Iterable[object]], title: str = ""
) -> None:
    """Print a table whose words are taken as they are.

    Args:
        head: names of the columns.
        rows: a value per column.
        title: of the table.
    """
    shown = Table(title=Text(title) if title else None)
    for name in head:
        shown.add_column(Text(str(name)))
    for row in rows:
        shown.add_row(*(Text(str(value)) for value in row))
    wide_console().print(shown)


def show(
    rows: pd.DataFrame,
    settings: Settings,
    runs: Mapping[str, LayerDiagnosis],
    store: Store,
) -> None:
    """Print the table of a study, over its seeds, and where its report lies.

    Args:
        rows: the study's table.
        settings: the study.
        runs: its diagnoses by label.
        store: where it lies.
    """
    from ..report import formatted

    several = len(settings.seeds) > 1
    text = over_seeds(settings, runs) if several else formatted(rows)
    print_table(text.columns, text.values.tolist(), settings.title)
    console = wide_console()
    if several:
        console.print(
            f"mean ± deviation over {len(settings.seeds)} seeds, and the lowest to the "
            "highest end of their intervals; ≥: a window reaches the last lag; every "
            f"run: {store.table}",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"report: {store.report}", highlight=False, soft_wrap=True)


def over_seeds(settings: Settings, runs: Mapping[str, LayerDiagnosis]) -> pd.DataFrame:
    """Return the windows of a study over its seeds, as text."""
    from ..report import summary
    from ..study.pages import lines_of
    from ..summaries import window_spread

    lines = lines_of(settings, runs)
    reached = {n: window_spread(trees, settings.budgets) for n, trees in lines.items()}
    return summary(lines, reached)
