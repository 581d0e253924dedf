"""How far to trust each window: predicted against realised ones."""

from pathlib import Path

import pandas as pd

from .findings import Findings, findings
from .published import SETTINGS, PublishedSetting, published_needs
from .run import run_one
from .settings import Calibration, RunSettings, Trial, preset
from .store import Store
from .sweep import kept, kept_trials, run_all, try_all

__all__ = [
    "SETTINGS",
    "Calibration",
    "Findings",
    "PublishedSetting",
    "RunSettings",
    "Store",
    "Trial",
    "findings",
    "kept",
    "make_page",
    "preset",
    "published_needs",
    "run_all",
    "run_one",
    "store_of",
    "try_all",
]


def store_of(folder: Path) -> Store:
    """Give the store of a folder."""
    return Store(folder)


def make_page(calibration: Calibration, store: Store) -> pd.DataFrame:
    """Write the page and the table of windows from what is there; give the scores.

    Args:
        calibration: its settings.
        store: where its records lie.

    Raises:
        ValueError: if there are too few runs to compare.
    """
    from .page import page  # it loads plotting libraries: only here

    found = findings(kept(calibration, store))
    store.write(store.table, found.realised.to_csv(index=False))
    store.write(store.page, page(calibration, found, kept_trials(calibration, store)))
    return found.scores
