"""Diagnosing PyTorch models as they are."""

from .diagnose import diagnose
from .measure import DiagnosisOptions
from .monitor import Monitor

__all__ = ["DiagnosisOptions", "Monitor", "diagnose"]
