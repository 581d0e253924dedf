"""A whole study: every architecture in turn, then table, figures and report."""

from collections.abc import Callable, Mapping
from typing import Protocol

import pandas as pd

from ..diagnosis import Diagnosis
from .run import Progress, draw_data, run_architecture, run_settings
from .settings import Settings
from .store import Store


class Watcher(Protocol):
    """What a study tells while it works."""

    def begin(self, cell: str) -> Progress:
        """Take notice of a run that begins; give what its stages report to."""
        ...

    def kept(self, cell: str) -> None:
        """Take notice of a run whose results were there already."""
        ...


def run_study(
    settings: Settings, store: Store, watcher: Watcher
) -> dict[str, Diagnosis]:
    """Run what is missing of a study and give all of its diagnoses.

    A run whose results are there, made with the same settings by the same version, is
    kept as it is.

    Args:
        settings: the study.
        store: where it lies.
        watcher: told what begins and how far it is.

    Raises:
        ValueError: if the folder holds another study, cannot be written, or holds a
            damaged result.
    """
    store.begin(settings)
    data, runs = None, {}
    for architecture in settings.architectures:
        cell = architecture.cell
        finished = store.finished(cell, run_settings(settings, architecture))
        if finished is not None:
            watcher.kept(cell)
            runs[cell] = finished
            continue
        data = draw_data(settings) if data is None else data
        progress = watcher.begin(cell)
        run = run_architecture(settings, architecture, data, progress=progress)
        store.save(cell, run)
        runs[cell] = run.diagnosis
    return runs


def write_results(
    settings: Settings,
    runs: Mapping[str, Diagnosis],
    store: Store,
    progress: Callable[[float], None],
) -> pd.DataFrame:
    """Write the table, the figures and the report page of a study; give the table."""
    from .. import plots, report  # they load plotting libraries: only here

    rows = report.table(settings, runs)
    store.write(store.table, rows.to_csv(index=False))
    for place, (name, figure) in enumerate(plots.draw_all(runs)):
        progress(place / (2 * len(plots.FIGURES)))
        store.write(store.figure(name), plots.rendered(figure, "png"))
    progress(0.5)
    store.write(store.report, report.page(settings, runs, rows=rows))
    progress(1.0)
    return rows
