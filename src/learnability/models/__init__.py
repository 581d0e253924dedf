"""Diagnosing PyTorch models as they are."""

from .diagnose import diagnose
from .measure import Effort
from .monitor import Monitor

__all__ = ["Effort", "Monitor", "diagnose"]
