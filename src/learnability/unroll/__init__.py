"""A cell through time."""

from ..compiled.engine import Engine, ready, warm_up
from .network import Classifier, Model, Network
from .recurrence import outputs, tangent, unroll

__all__ = [
    "Classifier",
    "Engine",
    "Model",
    "Network",
    "outputs",
    "ready",
    "tangent",
    "unroll",
    "warm_up",
]
