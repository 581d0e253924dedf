"""Symmetric alpha-stable laws: the law itself, its estimators, and their trial."""

from .checks import no_law
from .fit import StableFit, fit
from .koutrouvelis1980 import Errors, koutrouvelis, standard_errors
from .law import (
    Estimate,
    density,
    distribution,
    kappa,
    quantile,
    sample,
    survival,
    tail_constant,
)
from .likelihood import Information, information, maximum_likelihood
from .livi2025 import ecf_livi2025, mcculloch_livi2025
from .mcculloch1986 import mcculloch
from .stability import (
    Aggregation,
    Goodness,
    StabilityCheck,
    Verdict,
    aggregate,
    check_stability,
    goodness_of_fit,
)

__all__ = [
    "Aggregation",
    "Errors",
    "Estimate",
    "Goodness",
    "Information",
    "StabilityCheck",
    "StableFit",
    "Verdict",
    "aggregate",
    "check_stability",
    "density",
    "distribution",
    "ecf_livi2025",
    "fit",
    "goodness_of_fit",
    "information",
    "kappa",
    "koutrouvelis",
    "maximum_likelihood",
    "mcculloch",
    "mcculloch_livi2025",
    "no_law",
    "quantile",
    "sample",
    "standard_errors",
    "survival",
    "tail_constant",
]
