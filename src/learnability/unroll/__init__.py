"""A cell through time."""

from ..compiled.engine import Engine, ready, warm_up
from .recurrence import Network, outputs, tangent, unroll

__all__ = ["Engine", "Network", "outputs", "ready", "tangent", "unroll", "warm_up"]
