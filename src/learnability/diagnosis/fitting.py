"""From what was measured to laws and samples needed: the groups of a diagnosis."""

import numpy as np
import xarray as xr
from jaxtyping import Float

from ..detection.dependence import dependence, strongest
from ..detection.heavy_noise import heavy_requirement, noise_law
from ..detection.samples import requirement, undefined
from ..evidence import ProbeStatistics
from ..randomness import stream
from .groups import dependence_group, detection_group, stable_group, with_interval
from .options import DiagnosisOptions

LEARNT = 1e-4  # of what the targets ask for, left in the error: N(l) has no meaning


def fitted_evidence(
    psi: Float[np.ndarray, "lag sequence"],
    lags: list[int],
    seed: int,
    options: DiagnosisOptions,
) -> xr.Dataset:
    """Fit a stable law per lag to the sequences that are long enough for it.

    A lag with too few of them has no law, and gets nan.
    """
    return stable_group(
        lags,
        psi,
        level=options.level,
        resamples=options.resamples,
        seed=stream(seed, "resamples"),
    )


def fitted_envelopes(
    groups: dict[str, xr.Dataset], options: DiagnosisOptions
) -> dict[str, xr.Dataset]:
    """Return groups of results, those of envelopes with the ends of their intervals.

    Args:
        groups: by name.
        options: holds the level.
    """
    names = ("envelope", "effective")
    ends = {n: with_interval(groups[n], options.level) for n in names if n in groups}
    return {**groups, **ends}


def fitted_detection(
    statistics: ProbeStatistics, seed: int, options: DiagnosisOptions
) -> dict[str, xr.Dataset]:
    """Return what each lag needs to be detected, and what the targets hold.

    Returns:
        The groups ``detection``, of all lags that were measured, and ``dependence``, of
        all that were asked for and of lag 0.
    """
    s, error = statistics, options.significance / 2
    strength = options.effect_size
    if strength is None:
        strength = strongest(s.target[s.target_lags > 0], error)[0]
    sizes = {"error": options.significance, "miss": 1 - options.power}
    sizes["level"] = options.level
    need = requirement(
        s.square, s.dot, s.projection, s.tilt, strength=strength, **sizes
    )
    law = noise_law(s.projection, level=options.level, seed=stream(seed, "noise law"))
    need = heavy_requirement(need, law, s.square, s.dot, **sizes)
    if s.left < LEARNT:
        need = undefined(need)
    found = dependence(s.target, error)
    return {
        "detection": detection_group(s.lags.tolist(), need, found, s),
        "dependence": dependence_group(s.target_lags.tolist(), found),
    }
