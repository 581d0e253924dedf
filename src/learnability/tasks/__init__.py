"""Synthetic sequences with known lags."""

from .bands import Band, Bands, blurred, sharp, smooth
from .multilag import MultiLag, learnt_shares
from .sequences import Sequences

__all__ = [
    "Band",
    "Bands",
    "MultiLag",
    "Sequences",
    "blurred",
    "learnt_shares",
    "sharp",
    "smooth",
]
