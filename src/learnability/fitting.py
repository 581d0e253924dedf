"""From what was measured to laws and samples needed: the groups of a diagnosis."""

from typing import Annotated, final

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import AfterValidator, BaseModel, Field

from .checked import LARGEST, STRICT, Count, Whole
from .detection.dependence import dependence, strongest
from .detection.heavy_noise import heavy_requirement, noise_law
from .detection.samples import SMALLEST_ERROR, requirement, undefined
from .evidence import ProbeStatistics
from .groups import dependence_group, detection_group, stable_group, with_interval
from .randomness import stream

LEARNT = 1e-4  # of what the targets ask for, left in the error: N(l) has no meaning

Probability = Annotated[float, Field(gt=0, lt=1)]


def _erring(value: float) -> float:
    """Check a test's error: from 1/2 on a coin does better."""
    if not SMALLEST_ERROR <= value < 0.5:
        raise ValueError(
            f"{value} is no error of a test; give a probability below 0.5, "
            f"of at least {SMALLEST_ERROR:g}"
        )
    return value


Error = Annotated[float, AfterValidator(_erring)]


@final
class DiagnosisOptions(BaseModel):
    """What a diagnosis measures, and how finely.

    Attributes:
        exact_windows: windows sampled for the exact envelope.
        anchors: steps of each sequence from which the gradient is split by lag.
        error: size of the detection test, below 1/2.
        miss: probability with which the test may miss a dependency, below 1/2.
        level: confidence of all intervals.
        strength: c, the strength of the dependency to detect; None takes that of the
            strongest dependency which the targets surely hold.
        resamples: bootstrap resamples of the sequences for the stable law.
    """

    model_config = STRICT

    exact_windows: Annotated[Whole, Field(ge=2, le=LARGEST)] = 256
    anchors: Count = 8
    error: Error = 0.05
    miss: Error = 0.05
    level: Probability = 0.95
    strength: Annotated[float, Field(gt=0)] | None = None
    resamples: Annotated[Whole, Field(ge=20, le=LARGEST)] = 200


def fitted_evidence(
    psi: Float[np.ndarray, "lag sequence"],
    lags: list[int],
    seed: int,
    measures: DiagnosisOptions,
) -> xr.Dataset:
    """Fit a stable law per lag to the sequences that are long enough for it.

    A lag with too few of them has no law, and gets nan.
    """
    return stable_group(
        lags,
        psi,
        level=measures.level,
        resamples=measures.resamples,
        seed=stream(seed, "resamples"),
    )


def fitted_envelopes(
    groups: dict[str, xr.Dataset], measures: DiagnosisOptions
) -> dict[str, xr.Dataset]:
    """Return groups of results, those of envelopes with the ends of their intervals.

    Args:
        groups: by name.
        measures: holds the level.
    """
    names = ("envelope", "effective")
    ends = {n: with_interval(groups[n], measures.level) for n in names if n in groups}
    return {**groups, **ends}


def fitted_detection(
    statistics: ProbeStatistics, seed: int, measures: DiagnosisOptions
) -> dict[str, xr.Dataset]:
    """Return what each lag needs to be detected, and what the targets hold.

    Returns:
        The groups ``detection``, of all lags that were measured, and ``dependence``, of
        all that were asked for and of lag 0.
    """
    s, error = statistics, measures.error / 2
    strength = measures.strength
    if strength is None:
        strength = strongest(s.target[s.target_lags > 0], error)[0]
    sizes = {name: getattr(measures, name) for name in ("error", "miss", "level")}
    need = requirement(
        s.square, s.dot, s.projection, s.tilt, strength=strength, **sizes
    )
    law = noise_law(s.projection, level=measures.level, seed=stream(seed, "noise law"))
    need = heavy_requirement(need, law, s.square, s.dot, **sizes)
    if s.left < LEARNT:
        need = undefined(need)
    found = dependence(s.target, error)
    return {
        "detection": detection_group(s.lags.tolist(), need, found, s),
        "dependence": dependence_group(s.target_lags.tolist(), found),
    }
