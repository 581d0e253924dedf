"""From records to tables and one self-contained page."""

from .across import Summed, drawn_across, drawn_apart, summed, taken_apart
from .page import comparison, page
from .pictures import drawn_of, pictures
from .seeds import comparison_table, summary
from .table import fitted_decay, table
from .words import formatted

__all__ = [
    "Summed",
    "comparison",
    "comparison_table",
    "drawn_across",
    "drawn_apart",
    "drawn_of",
    "fitted_decay",
    "formatted",
    "page",
    "pictures",
    "summary",
    "summed",
    "table",
    "taken_apart",
]
