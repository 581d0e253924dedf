"""Tables that commands print."""

from collections.abc import Mapping

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..diagnosis import Diagnosis
from ..study.collected import grouped
from ..study.settings import Settings
from ..study.store import Store


def show(
    rows: pd.DataFrame,
    settings: Settings,
    runs: Mapping[str, Diagnosis],
    store: Store,
    console: Console,
) -> None:
    """Print the table of a study, over its seeds, and where its report lies."""
    from ..report import formatted, summary

    several = len(settings.seeds) > 1
    groups = grouped(settings, runs)
    text = summary(groups, settings.budgets) if several else formatted(rows)
    shown = Table(*text.columns, title=Text(settings.title))
    for row in text.itertuples(index=False):
        shown.add_row(*row)
    wide = console if console.is_terminal else Console(width=160)
    wide.print(shown)
    if several:
        wide.print(
            f"mean ± deviation over {len(settings.seeds)} seeds, and the lowest to the "
            "highest end of their intervals; ≥: a window reaches the last lag; every "
            f"run: {store.table}",
            highlight=False,
            soft_wrap=True,
        )
    wide.print(f"report: {store.report}", highlight=False, soft_wrap=True)
