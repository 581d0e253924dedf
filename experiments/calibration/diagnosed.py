"""Many diagnoses of one network: coverage, windows in noise, what resolves a lag."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from learnability.detection.dependence import strongest
from learnability.detection.heavy_noise import noise_law
from learnability.detection.samples import SamplesNeeded, needed_by_gradients
from learnability.detection.window import window
from learnability.evidence import ProbeStatistics
from learnability.randomness import stream
from learnability.tasks import Sequences

from ..networks import probe_statistics
from .brute import STRENGTH, TRUTH, Bench, bench
from .settings import Trial

Z = 1.959964
"""What an interval of 95 % reaches, in standard errors."""
CHECKED = 25
"""Diagnoses whose projections are asked whether they follow a stable law."""
FAR = (8, 12, 16, 20)
"""Lags at which diagnoses of a few sequences and of more are compared, in steps."""
FEW = (50, 100, 200, 400)
COMPARED = 20


def diagnose_cell(settings: tuple[str, Trial]) -> dict[str, Any]:
    """Diagnose one network again and again, in every way.

    Args:
        settings: the cell's name, and how finely; its seed decides network and task.

    Returns:
        ``null``, ``coverage``, ``resolution`` and ``formula``: rows.
    """
    cell, trial = settings
    b = bench(cell, trial)
    name = {"cell": cell, "seed": trial.seed}
    return {
        "null": [name | false_windows(b, trial)],
        "coverage": [name | row for row in coverage(b, trial)],
        "resolution": [name | row for row in resolution(b, trial)],
        "formula": [name | gaussian(b, trial)],
    }


def false_windows(b: Bench, trial: Trial) -> dict[str, int]:
    """Count windows above 0 in pure noise: targets permuted across sequences.

    Args:
        b: network and task.
        trial: how many studies, of how many sequences.

    Returns:
        ``studies`` and, of them, ``false``, with the strength measured, whatever the
        budget.
    """
    false, lags = 0, list(trial.lags)
    for study in range(trial.studies):
        data = b.draw(trial.sequences, stream(trial.seed, f"null {study}"))
        data = data.permuted(stream(trial.seed, f"permuted {study}"))
        s = probe_statistics(b.network, data, lags, direction=b.direction)
        need = _need(s, strongest(s.target)[0])
        false += int(window(lags, need.needed, [1e12]).maximal[0] > 0)
    return {"studies": trial.studies, "false": false}


def _need(s: ProbeStatistics, strength: float = STRENGTH) -> SamplesNeeded:
    return needed_by_gradients(*s.parts, effect_size=strength)


def coverage(b: Bench, trial: Trial) -> list[dict[str, Any]]:
    """Count how often the interval of N(l) holds what many sequences give.

    Args:
        b: network and task.
        trial: how many diagnoses, of how many sequences.

    Returns:
        A row a lag: ``diagnoses``, of them ``covered``; ``spread``, the standard
        deviation of log N(l) over diagnoses, and ``told``, the root of the mean square
        of what the intervals tell of it, both of resolved ones; ``truth``.
    """
    truth = b.need(b.draw(TRUTH, stream(trial.seed, "truth"))).needed
    seen = []
    for study in range(trial.diagnoses):
        need = b.need(b.draw(trial.sequences, stream(trial.seed, f"coverage {study}")))
        seen.append((need.lower, need.needed, need.upper))
    lower, needed, upper = np.array(seen).transpose(1, 2, 0)
    covered = (lower <= truth[:, None]) & (truth[:, None] <= upper)
    return [
        {
            "lag": lag,
            "diagnoses": trial.diagnoses,
            "covered": int(covered[k].sum()),
            **_spreads(lower[k], needed[k]),
            "truth": float(truth[k]),
        }
        for k, lag in enumerate(trial.lags)
    ]


def _spreads(
    lower: Float[np.ndarray, "diagnosis"], needed: Float[np.ndarray, "diagnosis"]
) -> dict[str, float]:
    resolved = np.isfinite(needed)
    middle, low = np.log(needed[resolved]), np.log(lower[resolved])
    told = (middle - low) / Z
    return {"spread": float(middle.std()), "told": float(np.sqrt((told**2).mean()))}


def resolution(b: Bench, trial: Trial) -> list[dict[str, Any]]:
    """Diagnose a few sequences, and more of them: which far lags are resolved.

    Args:
        b: network and task.
        trial: its seed.

    Returns:
        A row a number of sequences: ``lags`` looked at, of them ``resolved``; of those
        ``open`` with the fewest sequences, how many are ``found``.
    """
    lags = [lag for lag in FAR if lag < trial.steps]
    seen = np.array(
        [
            [_resolved(b, lags, Sequences(data.x[:n], data.y[:n])) for n in FEW]
            for data in (
                b.draw(FEW[-1], stream(trial.seed, f"more sequences {k}"))
                for k in range(COMPARED)
            )
        ]
    )
    first = ~seen[:, :1]
    return [
        {
            "sequences": n,
            "lags": seen[:, k].size,
            "resolved": int(seen[:, k].sum()),
            "open": int(first.sum()),
            "found": int((seen[:, k] & first[:, 0]).sum()),
        }
        for k, n in enumerate(FEW)
    ]


def _resolved(b: Bench, lags: list[int], data: Sequences) -> Bool[np.ndarray, "lag"]:
    s = probe_statistics(b.network, data, lags, direction=b.direction)
    return _need(s).resolved


def gaussian(b: Bench, trial: Trial) -> dict[str, int]:
    """Count the lags at which the Gaussian formula holds.

    Args:
        b: network and task.
        trial: how many sequences.

    Returns:
        ``lags`` looked at and ``gaussian``, those whose projections fail a test
        against a stable law of alpha < 2.
    """
    count, stable = min(CHECKED, trial.diagnoses), 0
    for k in range(count):
        data = b.draw(trial.sequences, stream(trial.seed, f"coverage {k}"))
        lags = b.task.lags
        s = probe_statistics(b.network, data, lags, direction=b.direction)
        law = noise_law(s.projection, seed=stream(trial.seed, f"noise law {k}"))
        stable += int(law.stable.sum())
    looked = count * len(trial.lags)
    return {"lags": looked, "gaussian": looked - stable}
