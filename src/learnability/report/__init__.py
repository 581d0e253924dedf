"""From records to tables and one self-contained page."""

from .across import Summed, drawn_across, summed
from .page import comparison, page
from .pictures import pictures
from .seeds import summary
from .table import fitted_decay, table
from .words import formatted

__all__ = [
    "Summed",
    "comparison",
    "drawn_across",
    "fitted_decay",
    "formatted",
    "page",
    "pictures",
    "summary",
    "summed",
    "table",
]
