"""From what was measured to laws and samples needed: the groups of a diagnosis."""

from typing import Annotated, Protocol, final, runtime_checkable

import numpy as np
import xarray as xr
from jaxtyping import Float
from pydantic import AfterValidator, BaseModel, Field

from .checked import LARGEST, STRICT, Count, Whole
from .detection.heavy_noise import heavy_requirement, noise_law
from .detection.samples import SMALLEST_ERROR, measured_strength, requirement
from .evidence import ProbeStatistics
from .groups import detection_group, stable_group
from .randomness import stream

Probability = Annotated[float, Field(gt=0, lt=1)]
FEWEST_OF_A_LAW = 50  # sequences; fewer do not tell a stable law from another


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
class Measures(BaseModel):
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
    measures: Measures,
) -> xr.Dataset:
    """Fit a stable law a lag to the evidence of all sequences."""
    return stable_group(
        lags,
        psi,
        level=measures.level,
        resamples=measures.resamples,
        seed=stream(seed, "resamples"),
    )


def fitted_detection(
    statistics: ProbeStatistics, seed: int, measures: Measures
) -> xr.Dataset:
    """Give what each lag needs to be detected, from the probe gradients."""
    strength = measures.strength
    if strength is None:
        strength = measured_strength(statistics.target, error=measures.error / 2)
    return needed(statistics.lags.tolist(), statistics, strength, seed, measures)


@runtime_checkable
class Gradients(Protocol):
    """What N(l) is made of; see `evidence.ProbeStatistics`."""

    @property
    def square(self) -> Float[np.ndarray, "lag sequence"]: ...
    @property
    def dot(self) -> Float[np.ndarray, "lag sequence"]: ...
    @property
    def projection(self) -> Float[np.ndarray, "lag direction sequence"]: ...
    @property
    def tilt(self) -> Float[np.ndarray, "lag direction sequence"]: ...


def needed(
    lags: list[int], values: Gradients, strength: float, seed: int, measures: Measures
) -> xr.Dataset:
    """Give what each lag needs to be detected, for a dependency of known strength."""
    sizes = {name: getattr(measures, name) for name in ("error", "miss", "level")}
    need = requirement(
        values.square,
        values.dot,
        values.projection,
        values.tilt,
        strength=strength,
        **sizes,
    )
    if values.square.shape[-1] >= FEWEST_OF_A_LAW:
        law = noise_law(
            values.projection, level=measures.level, seed=stream(seed, "noise law")
        )
        need = heavy_requirement(need, law, values.square, values.dot, **sizes)
    return detection_group(lags, need)
