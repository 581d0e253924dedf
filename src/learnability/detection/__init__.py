"""From a fitted law to a window: samples needed, windows, envelopes and their decay."""

from learnability.detection import decay, spectrum
from learnability.detection.power import samples_needed
from learnability.detection.window import Windows, reach, window

__all__ = [
    "Windows",
    "decay",
    "reach",
    "samples_needed",
    "spectrum",
    "window",
]
