"""A cell through time."""

from .network import Network
from .reference import unroll

__all__ = ["Network", "unroll"]
