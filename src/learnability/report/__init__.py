"""From records to tables and one self-contained page."""

from .answer import difference
from .history import monitor_page
from .pages import (
    COMPARED,
    Again,
    Study,
    comparison_page,
    model_page,
    model_study,
    study_page,
    write_page,
)
from .render import Shown, Table, by_budget, render, shown
from .table import comparison_table, fitted_decay, formatted, summary, table

__all__ = [
    "COMPARED",
    "Again",
    "Shown",
    "Study",
    "Table",
    "by_budget",
    "comparison_page",
    "comparison_table",
    "difference",
    "fitted_decay",
    "formatted",
    "model_page",
    "model_study",
    "monitor_page",
    "render",
    "shown",
    "study_page",
    "summary",
    "table",
    "write_page",
]
