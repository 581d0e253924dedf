"""From a fitted law to a window: samples needed, windows, envelopes and their decay."""

from learnability.detection import bounds, decay, gates, noise, spectrum
from learnability.detection.location import (
    best_clip,
    location_variance,
    samples_needed_by,
    samples_needed_by_median_of_means,
)
from learnability.detection.need import Need, need
from learnability.detection.power import (
    error_probability,
    samples_needed,
    samples_needed_two_sided,
)
from learnability.detection.subsampling import Subsampling, subsampled_need
from learnability.detection.truncation import (
    crossover,
    samples_needed_truncated,
    truncated_variance,
)
from learnability.detection.window import Windows, reach, window

__all__ = [
    "Need",
    "Subsampling",
    "Windows",
    "best_clip",
    "bounds",
    "crossover",
    "decay",
    "error_probability",
    "gates",
    "location_variance",
    "need",
    "noise",
    "reach",
    "samples_needed",
    "samples_needed_by",
    "samples_needed_by_median_of_means",
    "samples_needed_truncated",
    "samples_needed_two_sided",
    "spectrum",
    "subsampled_need",
    "truncated_variance",
    "window",
]
