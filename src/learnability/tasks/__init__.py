"""Synthetic sequences with known lags."""

from .bands import Band, Bands, MultiLag, blurred, learnt_shares, sharp, smooth
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
