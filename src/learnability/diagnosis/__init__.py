"""What was measured of a model, layer by layer, and what it says."""

from .layer import Diagnosis
from .result import Diagnoses

__all__ = ["Diagnoses", "Diagnosis"]
