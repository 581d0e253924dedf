"""Measure how far back in time a recurrent network can learn."""

from importlib.metadata import version

from . import design, detection, evidence, models, stable, transport
from .cells import GRU, LSTM, Cell, ConstGate, DiagGate, SharedGate, TorchGRU, TorchRNN
from .detection import decay
from .diagnosis import Diagnoses, Diagnosis
from .fitting import Measures
from .models import Effort, Monitor, diagnose
from .recipe import Recipe
from .tasks import MultiLag, Sequences
from .training import Training, train
from .unroll import Network, unroll
from .verdict import dependence

__version__ = version("learnability")

__all__ = [
    "GRU",
    "LSTM",
    "Cell",
    "ConstGate",
    "DiagGate",
    "Diagnoses",
    "Diagnosis",
    "Effort",
    "Measures",
    "Monitor",
    "MultiLag",
    "Network",
    "Recipe",
    "Sequences",
    "SharedGate",
    "TorchGRU",
    "TorchRNN",
    "Training",
    "decay",
    "dependence",
    "design",
    "detection",
    "diagnose",
    "evidence",
    "models",
    "stable",
    "train",
    "transport",
    "unroll",
]
