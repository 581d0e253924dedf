"""The statements of the theory, each put to the test by simulation."""

from .record import (
    FAILED,
    HELD,
    RESTRICTED,
    Claim,
    Curve,
    Measured,
    Panel,
    Part,
    Tolerance,
    Verdict,
)
from .run import EXPERIMENTS, chosen_letters, run_claims
from .table import markdown, numbers, verdicts

__all__ = [
    "EXPERIMENTS",
    "FAILED",
    "HELD",
    "RESTRICTED",
    "Claim",
    "Curve",
    "Measured",
    "Panel",
    "Part",
    "Tolerance",
    "Verdict",
    "chosen_letters",
    "markdown",
    "numbers",
    "run_claims",
    "verdicts",
]
