"""A cell through time."""

from ..compiled.engine import Engine, ready, warm_up
from .network import Network
from .recurrence import outputs, tangent, unroll

__all__ = ["Engine", "Network", "outputs", "ready", "tangent", "unroll", "warm_up"]
