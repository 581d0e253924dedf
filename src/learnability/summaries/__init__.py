"""Diagnoses of several seeds summed up: every table and figure rests on these."""

from .published import Published, laid_over, read_published
from .summary import Summary, summed

__all__ = ["Published", "Summary", "laid_over", "read_published", "summed"]
