"""Envelope families and what follows from each: one name for all of them."""

from learnability.detection.decay_fit import DecayFit, Evidence, fit
from learnability.detection.envelope import Envelope, noise_level
from learnability.detection.families import (
    Exponential,
    Logarithmic,
    Plateau,
    PowerLaw,
    Stretched,
    TruncatedPower,
)
from learnability.detection.mixtures import (
    BetaGates,
    GammaRates,
    GammaShapes,
    LogUniform,
    TwoExponentials,
    UniformTimeScales,
)

__all__ = [
    "BetaGates",
    "DecayFit",
    "Envelope",
    "Evidence",
    "Exponential",
    "GammaRates",
    "GammaShapes",
    "LogUniform",
    "Logarithmic",
    "Plateau",
    "PowerLaw",
    "Stretched",
    "TruncatedPower",
    "TwoExponentials",
    "UniformTimeScales",
    "fit",
    "noise_level",
]
