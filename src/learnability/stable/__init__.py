"""Symmetric alpha-stable laws: the law itself, its estimators, and their trial."""

from learnability.stable._estimate import Estimate
from learnability.stable.aggregation import (
    Aggregation,
    StabilityCheck,
    Verdict,
    aggregate,
    check_stability,
)
from learnability.stable.errors import Errors, standard_errors
from learnability.stable.fit import StableFit, fit
from learnability.stable.goodness import Goodness, goodness_of_fit
from learnability.stable.information import Information, information
from learnability.stable.koutrouvelis1980 import koutrouvelis
from learnability.stable.law import (
    density,
    distribution,
    kappa,
    quantile,
    sample,
    survival,
    tail_constant,
)
from learnability.stable.likelihood import maximum_likelihood
from learnability.stable.livi2025 import ecf_livi2025, mcculloch_livi2025
from learnability.stable.mcculloch1986 import mcculloch

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
    "quantile",
    "sample",
    "standard_errors",
    "survival",
    "tail_constant",
]
