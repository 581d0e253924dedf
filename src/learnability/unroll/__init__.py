"""A cell through time."""

from .compiled import ready, warm_up
from .engine import Engine, outputs, tangent, unroll
from .network import Network

__all__ = ["Engine", "Network", "outputs", "ready", "tangent", "unroll", "warm_up"]
