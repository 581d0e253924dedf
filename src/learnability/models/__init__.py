"""Diagnosing PyTorch models as they are."""

from .diagnose import diagnose
from .diagnoses import Diagnoses
from .measure import Effort

__all__ = ["Diagnoses", "Effort", "diagnose"]
