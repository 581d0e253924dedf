"""From records to tables and one self-contained page."""

from .model import model_page, monitor_page, write_page
from .render import Shown, Table, by_budget, render, shown
from .study import Again, Study, comparison_page, study_page
from .table import comparison_table, fitted_decay, formatted, summary, table

__all__ = [
    "Again",
    "Shown",
    "Study",
    "Table",
    "by_budget",
    "comparison_page",
    "comparison_table",
    "fitted_decay",
    "formatted",
    "model_page",
    "monitor_page",
    "render",
    "shown",
    "study_page",
    "summary",
    "table",
    "write_page",
]
