"""Does the interval of N(l) hold the truth where noise lies along one axis?

Gradients of single sequences are drawn with a mean and a noise that are known; what
the library makes of a hundred is laid beside the N(l) that follows from the law.
``python -m experiments.leaning`` prints it; it takes a minute.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy import stats

from learnability.detection.leave_one_out import Turning
from learnability.detection.samples import SamplesNeeded, needed_by_gradients
from learnability.evidence.gradients import Numbers
from learnability.evidence.pieces import Parts
from learnability.evidence.statistics import SequenceGradients, statistics

SEQUENCES, NUMBERS, DIAGNOSES = 100, 30, 800
STRENGTHS = np.array([0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0])  # lengths of s
PROBES = 0.2  # deviation of a probe's gradient, of that of a loss
ALIKE = np.ones(NUMBERS)
KINDS = {
    "alike": (ALIKE, np.inf),
    "one axis": (np.r_[4.0, 0.5 * ALIKE[1:]], np.inf),
    "heavy tails": (ALIKE, 5.0),
}
"""Deviation of each number, and degrees of freedom of Student's law."""


def coverage(
    scales: Float[np.ndarray, "number"], freedom: float, seed: int = 0
) -> pd.DataFrame:
    """Return how often a lag is resolved, and N(l) held, one row per strength.

    Args:
        scales: deviation of each number of a gradient.
        freedom: of Student's law that the noise of a sequence follows.
        seed: of all that is drawn.
    """
    rng = np.random.default_rng(seed)
    along = rng.normal(size=(len(STRENGTHS), NUMBERS))
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    wide = 1.0 if np.isinf(freedom) else freedom / (freedom - 2)
    factor = (2 * stats.norm.isf(0.05)) ** 2
    truth = factor * wide * ((along * scales) ** 2).sum(axis=1) / STRENGTHS**2

    def noise(*shape: int) -> np.ndarray:
        normal = rng.normal(size=(SEQUENCES, *shape)) * scales
        if np.isinf(freedom):
            return normal
        spread = rng.chisquare(freedom, size=(SEQUENCES, *[1] * len(shape)))
        return normal / np.sqrt(spread / freedom)

    rows = []
    for _ in range(DIAGNOSES):
        probes = STRENGTHS[:, None] * along + PROBES * noise(len(STRENGTHS), NUMBERS)
        found = needed(torch.from_numpy(probes), torch.from_numpy(noise(NUMBERS)))
        held = (found.lower <= truth) & (truth <= found.upper)
        rows.append((found.resolved, held))
    resolved, held = np.array(rows).mean(axis=0)
    return pd.DataFrame({"|s|": STRENGTHS, "resolved": resolved, "held": held})


def needed(probes: torch.Tensor, losses: torch.Tensor) -> SamplesNeeded:
    """Return N(l) of gradients, (sequence, lag, number) and (sequence, number)."""

    def chunks(parts: Parts, rows: slice) -> Iterator[Numbers]:
        assert not parts()  # the gradients are all that there is
        yield Numbers(slice(0, SEQUENCES), probes[:, rows], losses)

    held = SEQUENCES * NUMBERS * 8
    every = SequenceGradients(SEQUENCES, probes.shape[1], NUMBERS, held, chunks)
    square, dot, projection, tilt, path = statistics(every)
    turning = Turning(tilt[:, None], path[:, None])
    given = square, dot, projection[:, None], turning
    return needed_by_gradients(*given, effect_size=1.0)


if __name__ == "__main__":
    for name, kind in KINDS.items():
        print(
            f"{name}\n{coverage(*kind).round(3).to_string(index=False)}\n", flush=True
        )
