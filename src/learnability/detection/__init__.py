"""From a fitted law to a window: samples needed, windows, envelopes and their decay."""

from . import decay
from .samples import samples_needed
from .window import Windows, reach, window

__all__ = [
    "Windows",
    "decay",
    "reach",
    "samples_needed",
    "window",
]
