"""From a fitted law to a window: samples needed, windows, envelopes and their decay."""

from learnability.detection import decay, spectrum
from learnability.detection.power import error_probability, samples_needed
from learnability.detection.window import Windows, reach, window

__all__ = [
    "Windows",
    "decay",
    "error_probability",
    "reach",
    "samples_needed",
    "spectrum",
    "window",
]
