"""Synthetic sequences with known lags."""

from .bands import Band, Bands, blurred, sharp, smooth
from .multilag import MultiLag, Sequences, learnt_shares

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
