"""What a diagnosis measures, how finely, and how much work it takes."""

from typing import Annotated, final

from pydantic import AfterValidator, BaseModel, Field

from ..checked import LARGEST, STRICT, Count, Whole
from ..detection.samples import SMALLEST_SIGNIFICANCE

LARGEST_POWER = 1 - 1e-12

Probability = Annotated[float, Field(gt=0, lt=1)]


def _significance(value: float) -> float:
    """Check a test's size: from 1/2 on a coin does better."""
    if not SMALLEST_SIGNIFICANCE <= value < 0.5:
        raise ValueError(
            f"{value} is no significance of a test; give a probability below 0.5, "
            f"of at least {SMALLEST_SIGNIFICANCE:g}"
        )
    return value


def _power(value: float) -> float:
    """Check a test's power: up to 1/2 a coin does as well."""
    if not 0.5 < value <= LARGEST_POWER:
        raise ValueError(
            f"{value} is no power of a test; give a probability above 0.5, "
            "of at most 1 - 1e-12"
        )
    return value


@final
class DiagnosisOptions(BaseModel):
    """What a diagnosis measures, how finely, and how much work it takes.

    Attributes:
        exact_windows: windows sampled for the exact envelope.
        anchors: steps of each sequence from which the gradient is split by lag.
        significance: size of the detection test, below 1/2.
        power: probability with which the test finds a dependency, above 1/2.
        level: confidence of all intervals.
        effect_size: c, the size of the dependency to detect; None takes that of the
            strongest dependency which the targets significantly hold.
        resamples: bootstrap resamples of the sequences for the stable law.
        sequences: that are read, about; where more are given, some at random or the
            first of a loader.
        pairs: of an input probe and an axis of the error signal that are measured
            each; where there are more, one pair stands for all.
        axes: of the error signal, at most.
        probes: axes of the inputs, at most.
        exponents: leading Lyapunov exponents to measure.
        work: floating-point operations of each exact part, about; where more would be
            needed, windows, sequences and lags are thinned out, and the results say so,
            but never to fewer than 8 windows, 64 sequences and 8 lags.
        memory: bytes that may be kept of what a model did; where that is not enough,
            the model runs again.

    Example:
        >>> DiagnosisOptions(power=0.8).power
        0.8
    """

    model_config = STRICT

    exact_windows: Annotated[Whole, Field(ge=2, le=LARGEST)] = 256
    anchors: Count = 8
    significance: Annotated[float, AfterValidator(_significance)] = 0.05
    power: Annotated[float, AfterValidator(_power)] = 0.95
    level: Probability = 0.95
    effect_size: Annotated[float, Field(gt=0)] | None = None
    resamples: Annotated[Whole, Field(ge=20, le=LARGEST)] = 200
    sequences: Annotated[Whole, Field(ge=8, le=LARGEST)] = 1024
    pairs: Count = 16
    axes: Count = 8
    probes: Count = 16
    exponents: Annotated[Whole, Field(ge=0, le=LARGEST)] = 0
    work: Annotated[float, Field(gt=0)] = 3e11
    memory: Annotated[float, Field(gt=0)] = 3e8
