"""All rows by name, and one of them measured.

A row is a function without arguments that gives its measurement. To add some, write a
module that has them by name and name it in `collect`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from learnability.compiled import tune_process

from . import recurrences, windows

FIELDS = ("name", "ratio", "ours", "theirs", "unit", "asked")


def collect() -> dict[str, Callable[[], Any]]:
    """Give all rows by name, in the order of the table."""
    return recurrences.rows() | windows.ROWS


def measure(name: str, *, tuned: bool = True) -> dict[str, object]:
    """Return one measurement as it is kept, with the load that it met.

    Args:
        name: of the row.
        tuned: whether this process is first tuned as the command line's is.
    """
    if tuned:
        tune_process()
    load = round(os.getloadavg()[0], 2)
    found = collect()[name]()
    kept = {field: getattr(found, field) for field in FIELDS} | {"name": name}
    digits = {f: float(f"{kept[f]:.4g}") for f in ("ratio", "ours", "theirs")}
    return kept | digits | {"load": load}
