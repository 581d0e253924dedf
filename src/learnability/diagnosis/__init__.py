"""What was measured of a model, layer by layer, and what it says."""

from .layer import LayerDiagnosis
from .result import Diagnosis

__all__ = ["Diagnosis", "LayerDiagnosis"]
