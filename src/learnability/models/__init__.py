"""Diagnosing PyTorch models as they are."""

from .advice import advice
from .diagnose import diagnose
from .diagnoses import Diagnoses
from .measure import Effort
from .monitor import Monitor

__all__ = ["Diagnoses", "Effort", "Monitor", "advice", "diagnose"]
