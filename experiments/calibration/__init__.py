"""How far to trust each window: predicted against realised ones."""

from pathlib import Path

import pandas as pd

from learnability.compiled import using_threads

from . import in_short
from .findings import Findings, findings
from .published import SETTINGS, PublishedSetting, published_needs
from .run import run_one
from .second import covariates, second_round
from .settings import Calibration, RunSettings, Trial, preset
from .store import Store
from .sweep import kept, kept_pairs, kept_trials, look_all, run_all, try_all

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
    "look_all",
    "make_page",
    "new_seeds",
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


def new_seeds(
    calibration: Calibration, store: Store, laws: tuple[Calibration, Store]
) -> pd.DataFrame:
    """Judge laws of one calibration on another one's trainings.

    Args:
        calibration: what laws are tried on.
        store: where its records and early looks lie.
        laws: what they are fitted to, and where that lies.

    Returns:
        See `second.second_round`.

    Raises:
        ValueError: if there are no trainings with early looks, or both share a seed.
    """
    if shared := set(calibration.seeds) & set(laws[0].seeds):
        raise ValueError(
            f"{laws[0].name} and {calibration.name} share the seed {min(shared)}; try "
            "laws on seeds that they were not fitted to"
        )
    fitted, tried = kept_pairs(*laws), kept_pairs(calibration, store)
    return second_round(covariates(*fitted), covariates(*tried))


def make_page(
    calibration: Calibration,
    store: Store,
    *,
    laws: tuple[Calibration, Store] | None = None,
) -> pd.DataFrame:
    """Write page, its rows in short and the table of windows; give the scores.

    Args:
        calibration: its settings.
        store: where its records lie.
        laws: a calibration at other seeds, whose laws are tried on this one's runs.

    Raises:
        ValueError: if there are too few runs to compare, or as `new_seeds`.
    """
    from .page import page  # it loads plotting libraries: only here

    with using_threads(1):
        found = findings(kept(calibration, store))
        store.write(store.table, found.realised.to_csv(index=False))
        second = None if laws is None else new_seeds(calibration, store, laws)
        trials = kept_trials(calibration, store)
        store.write(
            store.rows, in_short.markdown(in_short.in_short(found, trials)) + "\n"
        )
        store.write(store.page, page(calibration, found, trials, second))
    return found.scores
