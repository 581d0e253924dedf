"""Synthetic sequences with known lags."""

from .bands import Band, Bands, blurred, sharp, smooth
from .kinds import Task
from .multilag import MultiLag, learnt_shares, power_law_lags
from .objective import NAMING, SQUARE, Objective
from .recall import Cued, Recall
from .sequences import Sequences

__all__ = [
    "NAMING",
    "SQUARE",
    "Band",
    "Bands",
    "Cued",
    "MultiLag",
    "Objective",
    "Recall",
    "Sequences",
    "Task",
    "blurred",
    "learnt_shares",
    "power_law_lags",
    "sharp",
    "smooth",
]
