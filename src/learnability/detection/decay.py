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
)
from .mixtures import (
    BetaGates,
    GammaRates,
    GammaShapes,
    LogUniform,
    TwoExponentials,
    UniformTimeScales,
    envelope_of_units,
)
from .samples import noise_level

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
    "envelope_of_units",
    "fit",
    "noise_level",
]
