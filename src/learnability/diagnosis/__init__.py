"""The diagnosis of a model: what is measured of each layer, and what it says."""

from .diagnose import diagnose
from .layer import LayerDiagnosis
from .monitor import Monitor
from .options import DiagnosisOptions
from .result import Diagnosis

__all__ = ["Diagnosis", "DiagnosisOptions", "LayerDiagnosis", "Monitor", "diagnose"]
