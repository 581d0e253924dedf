"""Tables that commands print."""

from collections.abc import Mapping

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..diagnosis import Diagnosis
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
    from ..report import formatted

    several = len(settings.seeds) > 1
    text = over_seeds(settings, runs) if several else formatted(rows)
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


def over_seeds(settings: Settings, runs: Mapping[str, Diagnosis]) -> pd.DataFrame:
    """Return the windows of a study over its seeds, as text."""
    from ..report import summary
    from ..study.pages import lines_of
    from ..summaries import window_spread

    lines = lines_of(settings, runs)
    reached = {n: window_spread(trees, settings.budgets) for n, trees in lines.items()}
    return summary(lines, reached)
