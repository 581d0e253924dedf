"""Envelope families and what follows from each: one name for all of them."""

from .decay_fit import DecayFit, Evidence, fit
from .families import (
    Envelope,
    Exponential,
    Logarithmic,
    Plateau,
    PowerLaw,
    Stretched,
    TruncatedPower,
    noise_level,
)
from .mixtures import (
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
