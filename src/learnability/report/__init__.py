"""From records to tables and one self-contained page."""

from .page import page
from .pictures import pictures
from .table import fitted_decay, table
from .words import formatted

__all__ = ["fitted_decay", "formatted", "page", "pictures", "table"]
