"""Tables that commands print."""

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..study.settings import Settings
from ..study.store import Store


def show(
    rows: pd.DataFrame, settings: Settings, store: Store, console: Console
) -> None:
    """Print the table of a study and where its report lies."""
    from ..report import formatted

    text = formatted(rows)
    shown = Table(*text.columns, title=Text(settings.title))
    for row in text.itertuples(index=False):
        shown.add_row(*row)
    wide = console if console.is_terminal else Console(width=160)
    wide.print(shown)
    wide.print(f"report: {store.report}", highlight=False, soft_wrap=True)
